// A prompt, and which of its bytes are the template's own.

/// What a template made of its arguments.
public struct RenderedPrompt: Sendable, Hashable {
    /// The prompt, UTF-8.
    public private(set) var bytes: [UInt8] = []
    /// Where text stands that came in with the arguments, ascending, as ranges of `bytes`. Control tokens' texts are no
    /// control tokens there.
    public private(set) var foreign: [Range<Int>] = []

    /// The prompt as text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    init(_ text: Text) {
        bytes.reserveCapacity(text.count)
        var start: Int?
        for point in text {
            if point.isForeign {
                if start == nil { start = bytes.count }
            } else if let first = start {
                foreign.append(first..<bytes.count)
                start = nil
            }
            UTF8.encode(point.scalar) { bytes.append($0) }
        }
        if let start { foreign.append(start..<bytes.count) }
    }

    /// A part of the prompt.
    ///
    /// - Parameter range: Which bytes.
    /// - Returns: These, and which of them came in with the arguments.
    public func part(_ range: Range<Int>) -> RenderedPrompt {
        var part = self
        part.bytes = Array(bytes[range])
        part.foreign = foreign.map { $0.clamped(to: range) }.filter { !$0.isEmpty }
            .map { $0.lowerBound - range.lowerBound..<$0.upperBound - range.lowerBound }
        return part
    }
}
