// Where the lines of a conversation come from: a pipe or file here, a terminal in EditedInput.swift.

import ApusGGUF
import ApusTokenizer

/// What a line's reader gives.
enum LineEvent {
    /// A line without its end.
    case line(String)
    /// Ctrl-C; whether anything had been typed.
    case interrupted(wasEmpty: Bool)
    /// No more lines.
    case end
}

/// A source of lines.
protocol LineInput: AnyObject {
    /// Whether Ctrl-C is an event here; else it is a signal.
    var readsInterrupts: Bool { get }

    /// Reads a line.
    ///
    /// - Parameter prompt: What to show a person before it.
    /// - Throws: `io`, or `invalidArgument` for a line that is not UTF-8, after which the next one can be read.
    func next(prompt: String) throws(ApusError) -> LineEvent

    /// Keeps a message for the next time.
    func remember(_ message: String)
}

/// Lines of standard input as they are.
final class PlainInput: LineInput {
    let readsInterrupts = false
    private var buffer: [UInt8] = []
    private var position = 0
    private var number = 0
    private let showsPrompt: Bool

    /// - Parameter showsPrompt: Whether somebody is there to see a prompt.
    init(showsPrompt: Bool) {
        self.showsPrompt = showsPrompt
    }

    func remember(_ message: String) {}

    func next(prompt: String) throws(ApusError) -> LineEvent {
        if showsPrompt { _ = try Console.write(Array(prompt.utf8)) }
        number += 1
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                defer { position = end + 1 }
                return .line(try text(position..<end))
            }
            buffer.removeSubrange(..<position)
            position = 0
            searched = buffer.count
            guard buffer.count < InputFile.limit else {
                throw ApusError(.io, "standard input: a line of more than \(InputFile.limit >> 20) MiB")
            }
            if try !readMore() {
                if buffer.isEmpty { return .end }
                defer { buffer = [] }
                return .line(try text(0..<buffer.count))
            }
        }
    }

    private func text(_ range: Range<Int>) throws(ApusError) -> String {
        var bytes = Array(buffer[range])
        if bytes.last == 0x0D { bytes.removeLast() }
        if let offset = firstInvalidUTF8Offset(in: bytes) {
            let byte = String(bytes[offset], radix: 16, uppercase: true)
            throw ApusError(
                .invalidArgument,
                "standard input: line \(number), byte \(offset) is 0x\(byte), wanted: a text in UTF-8")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func readMore() throws(ApusError) -> Bool {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Platform.read(STDIN_FILENO, &piece, piece.count)
            if count > 0 {
                buffer += piece[..<count]
                return true
            }
            if count == 0 { return false }
            if errno == EISDIR { throw ApusError(.io, "standard input: is a folder, wanted text") }
            if errno != EINTR {
                throw ApusError(.io, "standard input: cannot read: \(String(cString: strerror(errno)))")
            }
        }
    }
}

/// From lines to messages: a backslash at a line's end and blocks between three quotation marks join lines.
struct MessageReader {
    enum Event {
        /// A line that begins with a slash.
        case command(String)
        case message(String)
        /// Ctrl-C; whether anything had been typed.
        case interrupted(wasEmpty: Bool)
        case end
    }

    private static let fence = "\"\"\""
    private static let prompt = "> "
    private static let nextPrompt = ". "

    let input: any LineInput

    /// Reads a message or command; lines without text are passed over.
    ///
    /// - Throws: As the input, and `invalidArgument` for a block without an end.
    func next() throws(ApusError) -> Event {
        while true {
            let line: String
            switch try input.next(prompt: Self.prompt) {
            case .end: return .end
            case .interrupted(let wasEmpty): return .interrupted(wasEmpty: wasEmpty)
            case .line(let text): line = text
            }
            if line.allSatisfy(\.isWhitespace) { continue }
            if line.hasPrefix(Self.fence) { return try block(String(line.dropFirst(Self.fence.count))) }
            let isSlashed = line.hasPrefix("/")
            if isSlashed && !line.hasPrefix("//") {
                input.remember(line)
                return .command(line)
            }
            return try lines(isSlashed ? String(line.dropFirst()) : line)
        }
    }

    /// Joins lines while they end with a backslash.
    private func lines(_ first: String) throws(ApusError) -> Event {
        var message = first
        while endsWithBackslash(message) {
            message.removeLast()
            message += "\n"
            switch try input.next(prompt: Self.nextPrompt) {
            case .line(let line): message += line
            case .interrupted: return .interrupted(wasEmpty: false)
            case .end:
                message.removeLast()
                return given(message)
            }
        }
        return given(message)
    }

    /// Joins lines up to one that ends with three quotation marks.
    private func block(_ first: String) throws(ApusError) -> Event {
        if first.hasSuffix(Self.fence) { return given(String(first.dropLast(Self.fence.count))) }
        var lines = first.isEmpty ? [] : [first]
        while true {
            switch try input.next(prompt: Self.nextPrompt) {
            case .interrupted: return .interrupted(wasEmpty: false)
            case .end: throw ApusError(.invalidArgument, "a message that begins with \(Self.fence) does not end")
            case .line(let line) where line.hasSuffix(Self.fence):
                let last = line.dropLast(Self.fence.count)
                if !last.isEmpty { lines.append(String(last)) }
                return given(lines.joined(separator: "\n"))
            case .line(let line): lines.append(line)
            }
        }
    }

    private func given(_ message: String) -> Event {
        input.remember(message)
        return .message(message)
    }

    /// Whether a line ends with an odd number of backslashes: two stand for none that joins.
    private func endsWithBackslash(_ line: String) -> Bool {
        line.reversed().prefix { $0 == "\\" }.count % 2 == 1
    }
}
