// The one error type of every Apus target; it lives here because all of them can see this one.

/// What went wrong, as a code for programs and one line for people.
///
/// The message names the file, tensor or field at fault, with the value found and the value wanted.
public struct ApusError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure. Codes can be added without breaking code that tests for the present ones.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case io = "io"
            case format = "format"
            case unsupported = "unsupported"
            case invalidArgument = "invalid argument"
            case outOfMemory = "out of memory"
            case contextFull = "context full"
            case cancelled = "cancelled"
            case busy = "busy"
            case notFound = "not found"
            case internalError = "internal error"
        }

        private let kind: Kind

        /// A file could not be opened, read or written.
        public static let io = Code(kind: .io)
        /// A file's content breaks its format, or contradicts itself.
        public static let format = Code(kind: .format)
        /// The request is sound, but this build does not do it.
        public static let unsupported = Code(kind: .unsupported)
        /// The caller gave a value that is out of range.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The memory wanted is more than is free.
        public static let outOfMemory = Code(kind: .outOfMemory)
        /// The tokens do not fit the context.
        public static let contextFull = Code(kind: .contextFull)
        /// The caller called the work off.
        public static let cancelled = Code(kind: .cancelled)
        /// There is nothing of that name.
        public static let notFound = Code(kind: .notFound)
        /// There is too much to do already; later it may be done.
        public static let busy = Code(kind: .busy)
        /// A fault of Apus itself.
        public static let internalError = Code(kind: .internalError)

        /// The code's name in lower-case words.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// One line that names what is at fault, the value found and the value wanted.
    public let message: String

    /// Makes an error.
    ///
    /// - Parameters:
    ///   - code: The kind of failure.
    ///   - message: One line for people. Text from a file goes through `quoted(_:)` first.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }

    /// Text from a file or a user, made fit for a message: in quotes, on one line and not too long.
    ///
    /// Control characters are written as `\u{..}`, so that a name in a file can neither break the line nor send an
    /// escape sequence to a terminal.
    ///
    /// - Parameters:
    ///   - text: The text to show.
    ///   - limit: The number of characters after which the text is cut.
    /// - Returns: The text in single quotes.
    public static func quoted(_ text: String, limit: Int = 100) -> String {
        "'" + printable(text, limit: limit) + "'"
    }

    /// Text from a file or a user on one line and without control characters, but not in quotes.
    ///
    /// - Parameters:
    ///   - text: The text to show.
    ///   - limit: The number of Unicode scalars after which the text is cut.
    /// - Returns: The text, cut and escaped.
    public static func printable(_ text: String, limit: Int = 4096) -> String {
        var result = ""
        var shown = 0
        for scalar in text.unicodeScalars {
            if shown == limit { return result + "…" }
            shown += 1
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default:
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
