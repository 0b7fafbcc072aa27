// The words of GPT-4o and of Mistral's Tekken: as Llama 3's, but a change from small to capital letters ends a word.

/// `[^\r\n\p{L}\p{N}]?U*L+` or `[^\r\n\p{L}\p{N}]?U+L*`, numbers, others with the line ends and slashes after them, white
/// space; U is `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and L is `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`.
struct CasedWords: Sendable {
    /// The most digits of a word.
    let longestNumber: Int
    /// Whether `(?i:'s|'t|'re|'ve|'m|'ll|'d)` belongs to the word before it.
    let takesContractions: Bool

    /// Calls `body` with the range of each word.
    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        WordPattern.words(in: range, body) { endOfWord(text, from: $0, end: range.upperBound) }
    }

    private func endOfWord(_ text: ScalarText, from start: Int, end: Int) -> Int {
        let unit = text.unit(at: start, end: end)
        let kind = unit.class & ScalarClass.mask
        let next = start + unit.length
        if kind == ScalarClass.number {
            return WordPattern.endOfNumber(text, from: start, end: end, longest: longestNumber)
        }
        // The character before the letters may be anything else; a mark may also count as one of the letters.
        let first = text[start]
        let takesFirst = kind != ScalarClass.letter && !ScalarText.isNewline(first)
        let isLetter = kind == ScalarClass.letter || unit.class & ScalarClass.combining != 0
        let letters =
            (takesFirst ? endingSmall(text, from: next, end: end) : nil)
            ?? (isLetter ? endingSmall(text, from: start, end: end) : nil)
            ?? (takesFirst ? allCapital(text, from: next, end: end) : nil)
            ?? (isLetter ? allCapital(text, from: start, end: end) : nil)
        if let letters {
            guard takesContractions else { return letters }
            return WordPattern.endOfContraction(text, from: letters, end: end) ?? letters
        }
        let others = first == UInt8(ascii: " ") ? next : start
        var othersEnd = text.endOfRun(of: ScalarClass.other, from: others, end: end)
        if othersEnd > others {
            while othersEnd < end, ScalarText.isNewline(text[othersEnd]) || text[othersEnd] == UInt8(ascii: "/") {
                othersEnd += 1
            }
            return othersEnd
        }
        return WordPattern.endOfSpaces(text, from: start, end: end)
    }

    /// `U*L+`, or nil.
    private func endingSmall(_ text: ScalarText, from start: Int, end: Int) -> Int? {
        var index = start
        // The end of the last character that is in L as well: where a run of U that no small letter follows gives up.
        var lastOfBoth: Int?
        while index < end {
            let unit = text.unit(at: index, end: end)
            if !Self.isCapital(unit.class) { break }
            index += unit.length
            if Self.isSmall(unit.class) { lastOfBoth = index }
        }
        let capitals = index
        while index < end {
            let unit = text.unit(at: index, end: end)
            if !Self.isSmall(unit.class) { break }
            index += unit.length
        }
        return index > capitals ? index : lastOfBoth
    }

    /// `U+L*` where `U*L+` does not match: no small letter follows. Nil when there is none of U.
    private func allCapital(_ text: ScalarText, from start: Int, end: Int) -> Int? {
        var index = start
        while index < end {
            let unit = text.unit(at: index, end: end)
            if !Self.isCapital(unit.class) { break }
            index += unit.length
        }
        return index > start ? index : nil
    }

    /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
    @inline(__always)
    private static func isCapital(_ kind: UInt8) -> Bool {
        kind & (ScalarClass.letter | ScalarClass.combining) != 0 && kind & ScalarClass.lowercase == 0
    }

    /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
    @inline(__always)
    private static func isSmall(_ kind: UInt8) -> Bool {
        kind & (ScalarClass.letter | ScalarClass.combining) != 0 && kind & ScalarClass.uppercase == 0
    }
}
