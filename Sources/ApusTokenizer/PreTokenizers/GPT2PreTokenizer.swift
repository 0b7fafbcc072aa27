// GPT-2's words: contractions, a space with the letters, digits or other characters that follow, and runs of spaces.

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
struct GPT2PreTokenizer: PreTokenizer {
    // Files of these names have the same pattern.
    static let names = [
        "gpt-2", "phi-2", "olmo", "jais", "trillion", "granite-docling", "exaone4", "mellum", "modern-bert", "gigachat",
        "a.x-4.0", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
    ]

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        WordPattern.words(in: range, body) { Self.endOfWord(text, from: $0, end: range.upperBound) }
    }

    /// The end of the word that begins at `start`; always beyond it.
    static func endOfWord(_ text: ScalarText, from start: Int, end: Int) -> Int {
        let first = text[start]
        if first == UInt8(ascii: "'"), let contraction = endOfContraction(text, from: start, end: end) {
            return contraction
        }
        var unit = text.unit(at: start, end: end)
        var index = start
        if first == UInt8(ascii: " "), start + 1 < end {
            index += 1
            unit = text.unit(at: index, end: end)
        }
        let kind = unit.class & ScalarClass.mask
        if kind == ScalarClass.space { return endOfSpaces(text, from: start, end: end) }
        return text.endOfRun(of: kind, from: index + unit.length, end: end)
    }

    /// `\s+(?!\S)|\s+`: a run of white space, less its last character when something follows that may take it along.
    static func endOfSpaces(_ text: ScalarText, from start: Int, end: Int) -> Int {
        var index = start
        var last = start
        while index < end {
            let unit = text.unit(at: index, end: end)
            if unit.class & ScalarClass.mask != ScalarClass.space { return last > start ? last : index }
            last = index
            index += unit.length
        }
        return end
    }

    private static func endOfContraction(_ text: ScalarText, from start: Int, end: Int) -> Int? {
        guard start + 1 < end else { return nil }
        switch text[start + 1] {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return start + 2 < end && text[start + 2] == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"):
            return start + 2 < end && text[start + 2] == UInt8(ascii: "l") ? start + 3 : nil
        default: return nil
        }
    }
}
