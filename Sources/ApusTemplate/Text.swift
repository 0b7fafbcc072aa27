// Text as Python has it: a sequence of code points. Swift's characters (é in two forms is one) would compare otherwise.

typealias Text = [CodePoint]

extension CodePoint {
    /// Whether Python's `str.isspace` and `\s` hold.
    var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// Whether Python's `str.splitlines` ends a line here.
    var isLineBreak: Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// Whether Python's `str.isprintable` holds.
    var isPythonPrintable: Bool {
        if value < 0x7F { return value >= 0x20 }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }

    var isASCIIDigit: Bool { value >= 0x30 && value <= 0x39 }

    /// The value of a decimal digit of any script.
    var decimalDigit: Int? {
        guard properties.generalCategory == .decimalNumber, let value = properties.numericValue else { return nil }
        return Int(value)
    }

    var isLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    /// Whether the scalar is in `\w`.
    var isWord: Bool {
        if value < 0x80 {
            return isASCIIDigit || self == "_" || (value | 0x20 >= 0x61 && value | 0x20 <= 0x7A)
        }
        return isLetter || properties.numericType != nil
    }
}

extension [CodePoint] {
    init(_ string: String) { self = string.unicodeScalars.map { CodePoint($0) } }

    var string: String {
        var view = String.UnicodeScalarView()
        for point in self { view.append(point.scalar) }
        return String(view)
    }

    static func literal(_ string: StaticString) -> Text { Text(string.description) }

    func matches(_ part: Text, at index: Int) -> Bool {
        guard index >= 0, index <= count - part.count else { return false }
        for offset in 0..<part.count where self[index + offset] != part[offset] { return false }
        return true
    }

    /// The first place of a part in a range; quadratic at worst, so callers charge for the product.
    func firstIndex(of part: Text, in range: Range<Int>) -> Int? {
        guard part.count <= range.count else { return nil }
        guard let head = part.first else { return range.lowerBound }
        for index in range.lowerBound...(range.upperBound - part.count)
        where self[index] == head && matches(part, at: index) {
            return index
        }
        return nil
    }

    /// The last place of a part in a range.
    func lastIndex(of part: Text, in range: Range<Int>) -> Int? {
        guard part.count <= range.count else { return nil }
        for index in (range.lowerBound...(range.upperBound - part.count)).reversed() where matches(part, at: index) {
            return index
        }
        return nil
    }

    /// Cuts characters off the ends: those of a set, or white space.
    func stripped(_ set: Text?, start: Bool, end: Bool) -> Text {
        func goes(_ scalar: CodePoint) -> Bool { set?.contains(scalar) ?? scalar.isPythonSpace }
        var lower = 0
        var upper = count
        if start { while lower < upper, goes(self[lower]) { lower += 1 } }
        if end { while upper > lower, goes(self[upper - 1]) { upper -= 1 } }
        return lower == 0 && upper == count ? self : Array(self[lower..<upper])
    }

    var uppercased: Text {
        var result: Text = []
        result.reserveCapacity(count)
        for scalar in self { result += scalar.mapped(scalar.properties.uppercaseMapping) }
        return result
    }

    var lowercased: Text {
        var result: Text = []
        result.reserveCapacity(count)
        for (index, scalar) in enumerated() { appendLower(scalar, at: index, to: &result) }
        return result
    }

    /// The first letter of a text, or of each word, in title case, all others in lower case.
    func titlecased(eachWord: Bool) -> Text {
        var result: Text = []
        result.reserveCapacity(count)
        var isInside = false
        for (index, scalar) in enumerated() {
            if isInside {
                appendLower(scalar, at: index, to: &result)
            } else {
                result += scalar.mapped(scalar.properties.titlecaseMapping)
            }
            isInside = eachWord ? scalar.properties.isCased : true
        }
        return result
    }

    /// A capital sigma at the end of a word becomes the final one.
    private func appendLower(_ scalar: CodePoint, at index: Int, to result: inout Text) {
        guard scalar == "\u{3A3}" else {
            result += scalar.mapped(scalar.properties.lowercaseMapping)
            return
        }
        var before = index - 1
        while before >= 0, self[before].properties.isCaseIgnorable { before -= 1 }
        var after = index + 1
        while after < count, self[after].properties.isCaseIgnorable { after += 1 }
        let isFinal =
            before >= 0 && self[before].properties.isCased && !(after < count && self[after].properties.isCased)
        result += scalar.mapped(isFinal ? "\u{3C2}" : "\u{3C3}")
    }

    /// Lines as Python's `splitlines` has them.
    func lines(keepingEnds: Bool = false) -> [Text] {
        var lines: [Text] = []
        var start = 0
        var index = 0
        while index < count {
            guard self[index].isLineBreak else {
                index += 1
                continue
            }
            let isPair = self[index] == "\r" && index + 1 < count && self[index + 1] == "\n"
            let next = index + (isPair ? 2 : 1)
            lines.append(Array(self[start..<(keepingEnds ? next : index)]))
            start = next
            index = next
        }
        if start < count { lines.append(Array(self[start...])) }
        return lines
    }

    /// As MarkupSafe's `escape`.
    var escapedForHTML: Text {
        var result: Text = []
        for scalar in self {
            switch scalar {
            case "&": result += scalar.mapped("&amp;")
            case "<": result += scalar.mapped("&lt;")
            case ">": result += scalar.mapped("&gt;")
            case "\"": result += scalar.mapped("&#34;")
            case "'": result += scalar.mapped("&#39;")
            default: result.append(scalar)
            }
        }
        return result
    }
}
