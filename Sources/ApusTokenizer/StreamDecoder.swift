// Text from tokens while they come: a token may end in the middle of a character, the text must not.

/// Turns the bytes of tokens into text piece by piece and never gives out a part of a character.
///
/// The pieces joined, with `finish()` at the end, are `String(decoding: allBytes, as: UTF8.self)`, however the bytes were
/// split: what can still become a character is held back, at most three bytes; what cannot becomes U+FFFD.
public struct StreamDecoder: Sendable {
    private var pending: [UInt8] = []

    /// Makes a decoder that has seen nothing.
    public init() {}

    /// Whether bytes are held back because their character is not complete.
    public var hasPending: Bool { !pending.isEmpty }

    /// Takes the next bytes and gives the text that is complete.
    ///
    /// - Parameter bytes: The bytes of a token, or of several.
    /// - Returns: The text up to the last complete character; empty when there is none yet.
    public mutating func append(_ bytes: [UInt8]) -> String {
        String(decoding: appendBytes(bytes), as: UTF8.self)
    }

    /// Takes the next bytes and gives them back up to the last complete character, unchanged.
    ///
    /// - Parameter bytes: The bytes of a token, or of several.
    /// - Returns: The bytes that were held back and the new ones, less those to hold back now.
    public mutating func appendBytes(_ bytes: [UInt8]) -> [UInt8] {
        var ready = pending
        ready += bytes
        let held = ready.withUnsafeBufferPointer(UTF8Form.incompleteTail)
        pending = Array(ready.suffix(held))
        ready.removeLast(held)
        return ready
    }

    /// Ends the text: a character that was never completed becomes U+FFFD.
    ///
    /// - Returns: What was held back; empty when nothing was. The decoder can be used for another text.
    public mutating func finish() -> String {
        String(decoding: finishBytes(), as: UTF8.self)
    }

    /// Ends the text and gives the bytes that were held back, unchanged.
    public mutating func finishBytes() -> [UInt8] {
        defer { pending = [] }
        return pending
    }
}
