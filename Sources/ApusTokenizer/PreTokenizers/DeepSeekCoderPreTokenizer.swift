// DeepSeek Coder's words: five patterns, each applied to the pieces of the last.

/// `[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, `[一-龥ࠀ-一가-퟿]+`, `\p{N}`.
struct DeepSeekCoderPreTokenizer: PreTokenizer {
    static let names = ["deepseek-coder"]

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        Self.splitLines(text, range) { range in
            WordPattern.isolate(text, range, takesSpace: true) { range in
                WordPattern.isolate(text, range, takesSpace: true) { range in
                    Self.splitIdeographs(text, range) { Self.splitDigits(text, $0, body) }
                } isMember: { _, kind in
                    kind & ScalarClass.punctuation != 0
                }
            } isMember: { _, kind in
                kind & ScalarClass.letter != 0
            }
        }
    }

    /// `[\r\n]`
    static func splitLines(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        for index in range where ScalarText.isNewline(text[index]) {
            if start < index { body(start..<index) }
            body(index..<index + 1)
            start = index + 1
        }
        if start < range.upperBound { body(start..<range.upperBound) }
    }

    /// `[一-龥ࠀ-一가-퟿]+`
    static func splitIdeographs(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        WordPattern.isolate(text, range, body) { value, _ in
            (0x0800...0x9FA5).contains(value) || (0xAC00...0xD7FF).contains(value)
        }
    }

    /// `\p{N}`
    private static func splitDigits(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        var index = start
        while index < range.upperBound {
            let unit = text.unit(at: index, end: range.upperBound)
            let next = index + unit.length
            if unit.class == ScalarClass.number {
                if start < index { body(start..<index) }
                body(index..<next)
                start = next
            }
            index = next
        }
        if start < range.upperBound { body(start..<range.upperBound) }
    }
}
