internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusModel
internal import ApusTokenizer
public import CApus
internal import Synchronization

/// What a handle of a session stands for.
final class SessionObject: Handled {
    static let kind = "session"

    // Safe to share: touched by the one who holds `isUsed`.
    nonisolated(unsafe) private let session: Session
    /// The sampling that was read last, by its text.
    nonisolated(unsafe) private var sampling: (text: [UInt8], options: SamplingOptions)?
    private let isUsed = Atomic<Bool>(false)
    private let flag = Locked<CancellationFlag?>(nil)
    private let count: Atomic<Int>

    init(_ session: sending Session) {
        count = Atomic(session.position)
        self.session = session
    }

    /// How many tokens it has.
    var length: Int { count.load(ordering: .relaxed) }

    /// Does something with the session that nobody else does at the same time.
    ///
    /// - Throws: `CallError` with APUS_BUSY when somebody else does, and what `body` throws.
    func use<R>(_ body: (Session) throws -> R) throws -> R {
        guard isUsed.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
            throw CallError.busy("another thread uses the session")
        }
        defer {
            count.store(session.position, ordering: .relaxed)
            isUsed.store(false, ordering: .releasing)
        }
        return try body(session)
    }

    /// The same, with what `cancel` raises.
    func compute(_ body: (Session, CancellationFlag) throws -> Void) throws {
        try use { session in
            let new = CancellationFlag()
            flag.withLock { $0 = new }
            defer { flag.withLock { $0 = nil } }
            try body(session, new)
        }
    }

    /// Calls off what is computed.
    func cancel() { flag.withLock { $0 }?.cancel() }

    /// How tokens are drawn. Inside of `use`.
    ///
    /// - Parameter text: What the caller says.
    func options(_ text: UnsafePointer<CChar>?) throws -> SamplingOptions {
        let text = try text.map { try bytes($0, -1, "sampling") } ?? Array("{}".utf8)
        if let sampling, sampling.text == text { return sampling.options }
        let fields = try Fields(Options.json(text, name: "sampling"), notesNames: true)
        try Options.checkStrict(fields)
        let options = try SamplingOptions(fields, defaults: SamplingOptions(), tokenizer: session.model.tokenizer)
        sampling = (text, options)
        return options
    }
}

/// `apus_session_create`: see apus.h.
@c @implementation public func apus_session_create(
    _ model: OpaquePointer?, _ options: UnsafePointer<CChar>?, _ session: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(model, ModelObject.self)
        let output = try wanted(session, "session")
        let fields = try Options.read(options, names: ["n_kv"])
        let positions = try fields.int("n_kv", in: 1...Int(Int32.max))
        output.pointee = Handles.add(SessionObject(try Session(model: object.model, poolPositions: positions)))
    }
}

/// `apus_session_release`: see apus.h.
@c @implementation public func apus_session_release(_ session: OpaquePointer?) {
    if !OwnerProcess.isForked { Handles.release(session, SessionObject.self)?.cancel() }
}

/// `apus_session_eval`: see apus.h.
@c @implementation public func apus_session_eval(
    _ session: OpaquePointer?, _ tokens: UnsafePointer<Int32>?, _ count: Int, _ flags: UInt32, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(session, SessionObject.self)
        try checkFlags(flags, APUS_ALL_LOGITS)
        let ids = try ids(tokens, count)
        try object.compute { session, flag in
            try session.eval(ids, keeping: flags & UInt32(APUS_ALL_LOGITS) != 0 ? .all : .last, cancellation: flag)
        }
    }
}

/// `apus_session_logits`: see apus.h.
@c @implementation public func apus_session_logits(
    _ session: OpaquePointer?, _ index: Int64, _ row: UnsafeMutablePointer<UnsafePointer<Float>?>?,
    _ vocabularySize: UnsafeMutablePointer<Int>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(session, SessionObject.self)
        let output = try wanted(row, "row")
        let size = try wanted(vocabularySize, "n_vocab")
        try object.use { session in
            let positions = session.logitsPositions
            guard index >= -1, index < positions.count, !positions.isEmpty else {
                throw CallError.invalid("index is \(index), wanted: -1, or one of \(positions.count) tokens from 0 on")
            }
            let position = index < 0 ? positions.upperBound - 1 : positions.lowerBound + Int(index)
            let logits = try session.logits(at: position)
            (output.pointee, size.pointee) = (UnsafePointer(logits.baseAddress), logits.count)
        }
    }
}

/// `apus_session_sample`: see apus.h.
@c @implementation public func apus_session_sample(
    _ session: OpaquePointer?, _ sampling: UnsafePointer<CChar>?, _ token: UnsafeMutablePointer<Int32>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(session, SessionObject.self)
        let output = try wanted(token, "token")
        try object.use { session in output.pointee = try session.sample(object.options(sampling)) }
    }
}

/// `apus_session_truncate`: see apus.h.
@c @implementation public func apus_session_truncate(
    _ session: OpaquePointer?, _ length: Int, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        try Handles.object(session, SessionObject.self).use { session in
            guard 0...session.position ~= length else {
                throw CallError.invalid(
                    "length is \(UInt(bitPattern: length)), wanted: 0 to \(session.position), which the session has")
            }
            session.truncate(to: length)
        }
    }
}

/// `apus_session_length`: see apus.h.
@c @implementation public func apus_session_length(_ session: OpaquePointer?) -> Int {
    if OwnerProcess.isForked { return 0 }
    return (try? Handles.object(session, SessionObject.self))?.length ?? 0
}

/// `apus_session_fork`: see apus.h.
@c @implementation public func apus_session_fork(
    _ session: OpaquePointer?, _ fork: UnsafeMutablePointer<OpaquePointer?>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(session, SessionObject.self)
        let output = try wanted(fork, "fork")
        try object.use { session in output.pointee = Handles.add(SessionObject(try session.fork())) }
    }
}

/// `apus_session_cancel`: see apus.h.
@c @implementation public func apus_session_cancel(_ session: OpaquePointer?) {
    if !OwnerProcess.isForked { (try? Handles.object(session, SessionObject.self))?.cancel() }
}

/// `apus_session_save`: see apus.h.
@c @implementation public func apus_session_save(
    _ session: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(session, SessionObject.self)
        let file = try ApusC.path(path)
        try object.use { session in try session.save(to: file) }
    }
}

/// `apus_session_load`: see apus.h.
@c @implementation public func apus_session_load(
    _ session: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(session, SessionObject.self)
        let file = try ApusC.path(path)
        try object.use { session in
            try reading(file) { () throws(ApusError) in try session.load(from: file) }
        }
    }
}
