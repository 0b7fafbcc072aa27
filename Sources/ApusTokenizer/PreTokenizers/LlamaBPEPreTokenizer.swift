// Llama 3's words: letters with any one character before them, digits by threes, line ends with what precedes them.

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
struct LlamaBPEPreTokenizer: PreTokenizer {
    // Files of these names have the same pattern and the same two flags.
    static let names = [
        "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
    ]
    static let ignoresMerges = true
    static let addsBOS = true

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        Self.split(text, range, longestNumber: 3, body)
    }

    /// The pattern with another limit for `\p{N}{1,3}`.
    static func split(
        _ text: ScalarText, _ range: Range<Int>, longestNumber: Int, _ body: (Range<Int>) -> Void
    ) {
        WordPattern.words(in: range, body) {
            endOfWord(text, from: $0, end: range.upperBound, longestNumber: longestNumber)
        }
    }

    private static func endOfWord(_ text: ScalarText, from start: Int, end: Int, longestNumber: Int) -> Int {
        if let contraction = WordPattern.endOfContraction(text, from: start, end: end) { return contraction }
        let first = text[start]
        let unit = text.unit(at: start, end: end)
        let kind = unit.class & ScalarClass.mask
        let next = start + unit.length
        if kind == ScalarClass.letter { return text.endOfRun(of: ScalarClass.letter, from: next, end: end) }
        if kind == ScalarClass.number {
            return WordPattern.endOfNumber(text, from: start, end: end, longest: longestNumber)
        }
        if !ScalarText.isNewline(first) {
            let letters = text.endOfRun(of: ScalarClass.letter, from: next, end: end)
            if letters > next { return letters }
        }
        let others = first == UInt8(ascii: " ") ? next : start
        let othersEnd = text.endOfRun(of: ScalarClass.other, from: others, end: end)
        if othersEnd > others { return text.endOfNewlines(from: othersEnd, end: end) }
        return WordPattern.endOfSpaces(text, from: start, end: end)
    }
}
