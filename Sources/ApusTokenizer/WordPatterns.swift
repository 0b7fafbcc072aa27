// Parts that the patterns of several pre-tokenizers have in common.

/// Pieces of regular expressions, written by hand.
enum WordPattern {
    /// Calls `body` with one word after another.
    ///
    /// - Parameters:
    ///   - range: The text to cut.
    ///   - endOfWord: The end of the word that begins at an offset; always beyond it.
    @inline(__always)
    static func words(in range: Range<Int>, _ body: (Range<Int>) -> Void, endOfWord: (Int) -> Int) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = endOfWord(start)
            body(start..<end)
            start = end
        }
    }

    /// `\p{N}{1,longest}`; `start` when there is no number.
    static func endOfNumber(_ text: ScalarText, from start: Int, end: Int, longest: Int) -> Int {
        var index = start
        for _ in 0..<longest where index < end {
            let unit = text.unit(at: index, end: end)
            if unit.class & ScalarClass.mask != ScalarClass.number { break }
            index += unit.length
        }
        return index
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end of a run of white space, else the run as GPT-2 has it.
    static func endOfSpaces(_ text: ScalarText, from start: Int, end: Int) -> Int {
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

    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`, or nil. In the case folding of Unicode the long s (U+017F) is an s, too.
    static func endOfContraction(_ text: ScalarText, from start: Int, end: Int) -> Int? {
        guard start + 1 < end, text[start] == UInt8(ascii: "'") else { return nil }
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

    /// Isolates the matches of `[set]+` or `\s?[set]+`: they and what lies between them are the parts of a text.
    ///
    /// - Parameters:
    ///   - range: The text to cut.
    ///   - takesSpace: Whether a character of white space before a match belongs to it.
    ///   - body: Gets each part, in order.
    ///   - isMember: Whether a character, by its code point and class, is in the set.
    @inline(__always)
    static func isolate(
        _ text: ScalarText, _ range: Range<Int>, takesSpace: Bool = false, _ body: (Range<Int>) -> Void,
        isMember: (UInt32, UInt8) -> Bool
    ) {
        func member(_ offset: Int) -> (isMember: Bool, isSpace: Bool, length: Int) {
            let scalar = text.scalar(at: offset, end: range.upperBound)
            let isSpace = scalar.class & ScalarClass.mask == ScalarClass.space
            return (isMember(scalar.value, scalar.class), isSpace, scalar.length)
        }
        var (start, index) = (range.lowerBound, range.lowerBound)
        while index < range.upperBound {
            var unit = member(index)
            var end = index + unit.length
            if !unit.isMember {
                guard takesSpace, unit.isSpace, end < range.upperBound else {
                    index = end
                    continue
                }
                unit = member(end)
                // What follows is looked at again: it may be white space before a match itself.
                guard unit.isMember else {
                    index = end
                    continue
                }
                end += unit.length
            }
            if start < index { body(start..<index) }
            while end < range.upperBound {
                let unit = member(end)
                if !unit.isMember { break }
                end += unit.length
            }
            body(index..<end)
            (start, index) = (end, end)
        }
        if start < range.upperBound { body(start..<range.upperBound) }
    }
}
