// The words of files that name no pre-tokenizer, or `default`: four patterns, each applied to the pieces of the last.

/// `[\p{P}\$\+<=>\^~\|]+`, then `GPT2PreTokenizer`'s pattern, then `\p{N}+`, then `[0-9][0-9][0-9]`.
struct DefaultPreTokenizer: PreTokenizer {
    static let names = ["default"]

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        Self.split(text, range, isFalcon: false, body)
    }

    /// The words of these patterns, or of Falcon's: with the grave accent in the first, and without `\p{N}+`.
    static func split(_ text: ScalarText, _ range: Range<Int>, isFalcon: Bool, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let isPunctuation = Self.isPunctuation(text, at: start, end: range.upperBound, isFalcon).matches
            var end = start
            while end < range.upperBound {
                let character = Self.isPunctuation(text, at: end, end: range.upperBound, isFalcon)
                if character.matches != isPunctuation { break }
                end += character.length
            }
            if isPunctuation {
                // The later patterns leave a run of these whole.
                body(start..<end)
            } else {
                splitWords(text, start..<end, isFalcon, body)
            }
            start = end
        }
    }

    private static func isPunctuation(
        _ text: ScalarText, at offset: Int, end: Int, _ isFalcon: Bool
    ) -> (matches: Bool, length: Int) {
        let unit = text.unit(at: offset, end: end)
        if unit.class & ScalarClass.punctuation != 0 { return (true, unit.length) }
        switch text[offset] {
        case UInt8(ascii: "$"), UInt8(ascii: "+"), UInt8(ascii: "<"), UInt8(ascii: "="), UInt8(ascii: ">"),
            UInt8(ascii: "^"), UInt8(ascii: "~"), UInt8(ascii: "|"):
            return (true, 1)
        case UInt8(ascii: "`"): return (isFalcon, 1)
        default: return (false, unit.length)
        }
    }

    private static func splitWords(
        _ text: ScalarText, _ range: Range<Int>, _ isFalcon: Bool, _ body: (Range<Int>) -> Void
    ) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = GPT2PreTokenizer.endOfWord(text, from: start, end: range.upperBound)
            // Digits are only in words that are a space and digits.
            let digits = text[start] == UInt8(ascii: " ") && start + 1 < end ? start + 1 : start
            if text.unit(at: digits, end: end).class & ScalarClass.mask == ScalarClass.number {
                if digits > start, !isFalcon { body(start..<digits) }
                splitDigits(text, (isFalcon ? start : digits)..<end, body)
            } else {
                body(start..<end)
            }
            start = end
        }
    }

    /// `[0-9][0-9][0-9]`: the digits of other scripts, and what is left of a run, stay together.
    private static func splitDigits(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        var index = start
        while index + 3 <= range.upperBound {
            if (index..<index + 3).allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[$0]) }) {
                if start < index { body(start..<index) }
                body(index..<index + 3)
                index += 3
                start = index
            } else {
                index += text.unit(at: index, end: range.upperBound).length
            }
        }
        if start < range.upperBound { body(start..<range.upperBound) }
    }
}
