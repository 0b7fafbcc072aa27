internal import ApusAPI
internal import ApusGGUF
internal import CApus

/// Why a call fails: its status and message.
struct CallError: Error {
    let status: apus_status
    let message: String

    init(_ status: Int, _ message: String) { (self.status, self.message) = (apus_status(status), message) }

    /// What the engine says.
    init(_ error: ApusError) { self.init(Self.status(error.code), error.message) }

    /// What the reader of requests says.
    init(_ error: RequestError) {
        switch error.code {
        case "context_length_exceeded": self.init(Int(APUS_CONTEXT_FULL), error.message)
        case "unsupported_parameter": self.init(Int(APUS_UNSUPPORTED), error.message)
        default:
            switch error.status {
            case 400, 404: self.init(Int(APUS_INVALID_ARGUMENT), error.message)
            case 499: self.init(Int(APUS_CANCELLED), error.message)
            case 503: self.init(Int(APUS_BUSY), error.message)
            default: self.init(Int(APUS_INTERNAL), error.message)
            }
        }
    }

    /// Whatever was thrown.
    init(thrown error: any Error) {
        switch error {
        case let error as CallError: self = error
        case let error as ApusError: self.init(error)
        case let error as RequestError: self.init(error)
        default: self.init(Int(APUS_INTERNAL), "\(error)")
        }
    }

    /// An argument that is not what is wanted.
    static func invalid(_ message: String) -> CallError { CallError(Int(APUS_INVALID_ARGUMENT), message) }

    /// The handle is another thread's at the moment.
    static func busy(_ message: String) -> CallError { CallError(Int(APUS_BUSY), message) }

    private static func status(_ code: ApusError.Code) -> Int {
        switch code {
        case .invalidArgument: Int(APUS_INVALID_ARGUMENT)
        case .notFound: Int(APUS_NOT_FOUND)
        case .format: Int(APUS_BAD_MODEL)
        case .unsupported: Int(APUS_UNSUPPORTED)
        case .outOfMemory: Int(APUS_OUT_OF_MEMORY)
        case .contextFull: Int(APUS_CONTEXT_FULL)
        case .cancelled: Int(APUS_CANCELLED)
        case .busy: Int(APUS_BUSY)
        case .io: Int(APUS_IO)
        default: Int(APUS_INTERNAL)
        }
    }
}
