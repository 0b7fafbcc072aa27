// SmolLM's words: every digit stands alone, what lies between is cut as GPT-2 does.

/// `\p{N}`, and in each part between `GPT2PreTokenizer`'s pattern.
struct SmolLMPreTokenizer: PreTokenizer {
    static let names = ["smollm", "codeshell", "exaone", "minerva-7b"]

    private let words = GPT2PreTokenizer()

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        var index = start
        while index < range.upperBound {
            let unit = text.unit(at: index, end: range.upperBound)
            if unit.class == ScalarClass.number {
                words.split(text, start..<index, body)
                body(index..<index + unit.length)
                start = index + unit.length
            }
            index += unit.length
        }
        words.split(text, start..<range.upperBound, body)
    }
}
