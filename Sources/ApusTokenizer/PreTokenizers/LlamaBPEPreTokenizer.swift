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
        var start = range.lowerBound
        while start < range.upperBound {
            let end = Self.endOfWord(text, from: start, end: range.upperBound)
            body(start..<end)
            start = end
        }
    }

    private static func endOfWord(_ text: ScalarText, from start: Int, end: Int) -> Int {
        let first = text[start]
        if first == UInt8(ascii: "'"), let contraction = endOfContraction(text, from: start, end: end) {
            return contraction
        }
        let unit = text.unit(at: start, end: end)
        let kind = unit.class & ScalarClass.mask
        let next = start + unit.length
        if kind == ScalarClass.letter { return text.endOfRun(of: ScalarClass.letter, from: next, end: end) }
        if kind == ScalarClass.number { return endOfDigits(text, from: start, end: end) }
        if !ScalarText.isNewline(first) {
            let letters = text.endOfRun(of: ScalarClass.letter, from: next, end: end)
            if letters > next { return letters }
        }
        let others = first == UInt8(ascii: " ") ? next : start
        let othersEnd = text.endOfRun(of: ScalarClass.other, from: others, end: end)
        if othersEnd > others { return text.endOfNewlines(from: othersEnd, end: end) }
        return endOfSpaces(text, from: start, end: end)
    }

    /// `\p{N}{1,3}`
    private static func endOfDigits(_ text: ScalarText, from start: Int, end: Int) -> Int {
        var index = start
        for _ in 0..<3 where index < end {
            let unit = text.unit(at: index, end: end)
            if unit.class & ScalarClass.mask != ScalarClass.number { break }
            index += unit.length
        }
        return index
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end of a run of white space, else the run as GPT-2 has it.
    private static func endOfSpaces(_ text: ScalarText, from start: Int, end: Int) -> Int {
        var index = start
        var last = start
        var newlineEnd = start
        while index < end {
            let unit = text.unit(at: index, end: end)
            if unit.class & ScalarClass.mask != ScalarClass.space { break }
            last = index
            index += unit.length
            if ScalarText.isNewline(text[last]) { newlineEnd = index }
        }
        if newlineEnd > start { return newlineEnd }
        return index < end && last > start ? last : index
    }

    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`. In the case folding of Unicode the long s (U+017F) is an s, too.
    private static func endOfContraction(_ text: ScalarText, from start: Int, end: Int) -> Int? {
        guard start + 1 < end else { return nil }
        func lowercase(_ offset: Int) -> UInt8 { offset < end ? text[offset] | 0x20 : 0 }
        switch lowercase(start + 1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return lowercase(start + 2) == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"): return lowercase(start + 2) == UInt8(ascii: "l") ? start + 3 : nil
        default:
            let isLongS = text[start + 1] == 0xC5 && start + 2 < end && text[start + 2] == 0xBF
            return isLongS ? start + 3 : nil
        }
    }
}
