/// Tells what a model thinks before it answers from the answer, as the text comes: what stands between `<think>` and
/// `</think>` at its beginning. White space around the marks belongs to neither.
package struct ThoughtSplitter: Sendable {
    /// What a piece of text gave; each may be empty.
    package struct Piece: Sendable, Hashable {
        /// A part of the thoughts.
        package var thought: String
        /// A part of the answer.
        package var answer: String

        /// Some text.
        package init(thought: String = "", answer: String = "") { (self.thought, self.answer) = (thought, answer) }

        /// Adds what comes after.
        package static func += (piece: inout Piece, next: Piece) {
            piece.thought += next.thought
            piece.answer += next.answer
        }
    }

    private enum State {
        /// Nothing but white space, or the beginning of a mark, has come.
        case beginning
        /// Between the marks; before that the thoughts' first word.
        case thinking(hasBegun: Bool)
        /// After the second mark, before the answer's first word.
        case afterThoughts
        case answering
    }

    private static let (start, end) = (Array("<think>".utf8), Array("</think>".utf8))
    private var state: State
    /// What has come and belongs to neither yet.
    private var held: [UInt8] = []

    /// Nothing has come yet.
    ///
    /// - Parameter prompt: The prompt, which may have written the first mark at its end.
    package init(after prompt: [UInt8]) {
        let isOpen = prompt.trimmingEnd.suffix(Self.start.count).elementsEqual(Self.start)
        state = isOpen ? .thinking(hasBegun: false) : .beginning
    }

    /// Nothing has come yet but the beginning of the reply.
    ///
    /// - Parameter beginning: What the reply continues.
    package init(continuing beginning: String) {
        self.init(after: [])
        _ = add(beginning)
    }

    /// A whole text, taken apart.
    package mutating func split(_ text: String) -> Piece {
        var whole = add(text)
        whole += finish()
        return whole
    }

    /// Takes the next piece of the text, whole characters.
    package mutating func add(_ text: String) -> Piece {
        var piece = Piece()
        if case .answering = state {
            piece.answer = text
            return piece
        }
        held += text.utf8
        while advance(&piece) {}
        return piece
    }

    /// Ends the text.
    ///
    /// - Returns: What was held back.
    package mutating func finish() -> Piece {
        defer { held = [] }
        let text = String(decoding: held, as: UTF8.self)
        if case .thinking = state { return Piece(thought: text) }
        return Piece(answer: text)
    }

    /// Goes on to the next state.
    ///
    /// - Returns: Whether there may be more to do.
    private mutating func advance(_ piece: inout Piece) -> Bool {
        switch state {
        case .beginning:
            let word = held.trimmingStart
            if word.starts(with: Self.start) {
                held = Array(word.dropFirst(Self.start.count))
                state = .thinking(hasBegun: false)
                return true
            }
            if Self.start.starts(with: word) { return false }
            state = .answering
            piece.answer = take(held.count)
            return false
        case .thinking(let hasBegun):
            if !hasBegun { held = Array(held.trimmingStart) }
            if held.isEmpty { return false }
            guard let place = held.indices.first(where: { held[$0...].starts(with: Self.end) }) else {
                let thought = take(held.count - heldBack)
                piece.thought += thought
                state = .thinking(hasBegun: hasBegun || !thought.isEmpty)
                return false
            }
            let thought = held[..<place].trimmingEnd
            piece.thought += String(decoding: thought, as: UTF8.self)
            held.removeFirst(place + Self.end.count)
            state = .afterThoughts
            return true
        case .afterThoughts:
            held = Array(held.trimmingStart)
            if held.isEmpty { return false }
            state = .answering
            piece.answer = take(held.count)
            return false
        case .answering: return false
        }
    }

    /// Bytes at the end of the thoughts so far that may be the second mark's beginning, and white space before it.
    private var heldBack: Int {
        let most = min(held.count, Self.end.count - 1)
        let mark = (0...most).last { held.suffix($0).elementsEqual(Self.end.prefix($0)) } ?? 0
        return held.count - held.dropLast(mark).trimmingEnd.count
    }

    /// Takes the first bytes.
    private mutating func take(_ count: Int) -> String {
        defer { held.removeFirst(count) }
        return String(decoding: held.prefix(count), as: UTF8.self)
    }
}

extension Collection<UInt8> where Self: BidirectionalCollection {
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// The bytes without white space before them.
    fileprivate var trimmingStart: SubSequence { drop(while: Self.isSpace) }

    /// The bytes without white space after them.
    fileprivate var trimmingEnd: SubSequence {
        guard let last = lastIndex(where: { !Self.isSpace($0) }) else { return prefix(0) }
        return self[...last]
    }
}
