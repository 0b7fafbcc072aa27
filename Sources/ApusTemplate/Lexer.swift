// Template text to tokens, as Jinja's lexer has them with trim_blocks and lstrip_blocks on.

import ApusGGUF

struct Token {
    enum Kind: Equatable {
        case data(Text)
        case variableBegin, variableEnd, blockBegin, blockEnd
        case name(String)
        case string(Text)
        case integer(Int)
        case float(Double)
        /// Operators and punctuation.
        case symbol(String)
        case end
    }
    let kind: Kind
    let line: Int
}

/// An error in a template, with its line.
func templateError(_ line: Int, _ what: String, code: ApusError.Code = .format) -> ApusError {
    ApusError(code, "chat template, line \(line): \(what)")
}

struct Lexer {
    private let source: Text
    private var position = 0
    private var line = 1
    private var tokens: [Token] = []
    /// Whether the last match ended a line, so that spaces before a tag are its indentation.
    private var startsLine = true

    static func tokens(of text: String) throws(ApusError) -> [Token] {
        var lexer = Lexer(text)
        try lexer.run()
        return lexer.tokens
    }

    private init(_ text: String) {
        // Line breaks of all kinds become one, and the last one goes.
        var source: Text = []
        for scalar in Text(text) {
            if scalar == "\n", source.last == "\r" {
                source[source.count - 1] = "\n"
                continue
            }
            if source.last == "\r" { source[source.count - 1] = "\n" }
            source.append(scalar)
        }
        if source.last == "\r" { source[source.count - 1] = "\n" }
        if source.last == "\n" { source.removeLast() }
        self.source = source
    }

    private func scalar(_ offset: Int = 0) -> CodePoint? {
        position + offset < source.count ? source[position + offset] : nil
    }

    private func sees(_ first: CodePoint, _ second: CodePoint) -> Bool {
        scalar() == first && scalar(1) == second
    }

    private mutating func advance(_ count: Int) {
        for index in position..<min(position + count, source.count) where source[index] == "\n" { line += 1 }
        position = min(position + count, source.count)
    }

    private mutating func run() throws(ApusError) {
        while position < source.count {
            let start = position
            var end = position
            while end < source.count, !isTag(at: end) { end += 1 }
            guard end < source.count else {
                add(.data(Array(source[start...])))
                advance(end - start)
                break
            }
            let kind = source[end + 1]
            let sign = end + 2 < source.count ? source[end + 2] : nil
            let data = self.data(start..<end, sign: sign, strips: kind != "{")
            if !data.isEmpty { add(.data(data)) }
            advance(end - start)
            startsLine = false
            switch kind {
            case "#": try comment()
            case "%": try block()
            default:
                add(.variableBegin)
                advance(sign == "-" || sign == "+" ? 3 : 2)
                try inside(close: "}", .variableEnd)
            }
        }
        add(.end)
    }

    private func isTag(at index: Int) -> Bool {
        guard source[index] == "{", index + 1 < source.count else { return false }
        return source[index + 1] == "%" || source[index + 1] == "{" || source[index + 1] == "#"
    }

    /// The text before a tag: without its white space for `-`, without the tag's indentation unless it has `+`.
    private func data(_ range: Range<Int>, sign: CodePoint?, strips: Bool) -> Text {
        let text = Array(source[range])
        if sign == "-" { return text.stripped(nil, start: false, end: true) }
        guard strips, sign != "+" else { return text }
        let lineStart = (text.lastIndex(of: "\n") ?? -1) + 1
        guard lineStart > 0 || startsLine, text[lineStart...].allSatisfy(\.isPythonSpace) else { return text }
        return Array(text[..<lineStart])
    }

    /// Passes the end of a tag, when one is here: `-` takes all white space along, a block's end one line break.
    private mutating func passEnd(_ first: CodePoint, trims: Bool) -> Bool {
        let start = position
        if scalar() == "-", scalar(1) == first, scalar(2) == "}" {
            advance(3)
            while let next = scalar(), next.isPythonSpace { advance(1) }
        } else if trims, scalar() == "+", scalar(1) == first, scalar(2) == "}" {
            advance(3)
        } else if sees(first, "}") {
            advance(2)
            if trims, scalar() == "\n" { advance(1) }
        } else {
            return false
        }
        startsLine = position > start && source[position - 1] == "\n"
        return true
    }

    private mutating func comment() throws(ApusError) {
        let start = line
        advance(2)
        if scalar() == "-" || scalar() == "+" { advance(1) }
        while position < source.count {
            if passEnd("#", trims: true) { return }
            advance(1)
        }
        throw templateError(start, "a comment that does not end")
    }

    private mutating func block() throws(ApusError) {
        let start = line
        let before = position
        advance(2)
        if scalar() == "-" || scalar() == "+" { advance(1) }
        if skipWord("raw"), passRawBegin() {
            try raw(start)
            return
        }
        position = before
        line = start
        add(.blockBegin)
        advance(2)
        if scalar() == "-" || scalar() == "+" { advance(1) }
        try inside(close: "%", .blockEnd)
    }

    private mutating func skipWord(_ word: String) -> Bool {
        while let next = scalar(), next.isPythonSpace { advance(1) }
        let wanted = Text(word)
        guard source.matches(wanted, at: position) else { return false }
        advance(wanted.count)
        while let next = scalar(), next.isPythonSpace, !sees("-", "%") { advance(1) }
        return true
    }

    private mutating func passRawBegin() -> Bool {
        // The end of `raw` keeps the line break that trim_blocks takes elsewhere.
        passEnd("%", trims: false)
    }

    private mutating func raw(_ start: Int) throws(ApusError) {
        let first = position
        while position < source.count {
            guard sees("{", "%") else {
                advance(1)
                continue
            }
            let end = position
            let endLine = line
            advance(2)
            let sign = scalar()
            if sign == "-" || sign == "+" { advance(1) }
            if skipWord("endraw") {
                let wasStart = startsLine
                if passEnd("%", trims: true) {
                    let isStart = startsLine
                    startsLine = wasStart
                    let text = data(first..<end, sign: sign, strips: true)
                    startsLine = isStart
                    if !text.isEmpty { add(.data(text)) }
                    return
                }
            }
            position = end
            line = endLine
            advance(2)
        }
        throw templateError(start, "a raw block that does not end")
    }

    private mutating func add(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

    /// The tokens of a tag up to its end.
    private mutating func inside(close: CodePoint, _ end: Token.Kind) throws(ApusError) {
        let start = line
        var open: [CodePoint] = []
        while let next = scalar() {
            if open.isEmpty {
                let before = line
                if passEnd(close, trims: close == "%") {
                    tokens.append(Token(kind: end, line: before))
                    return
                }
            }
            if next.isPythonSpace {
                advance(1)
            } else if next.isASCIIDigit {
                try number()
            } else if next.isWord {
                var name: Text = []
                while let letter = scalar(), letter.isWord || letter.properties.isXIDContinue {
                    name.append(letter)
                    position += 1
                }
                add(.name(name.string))
            } else if next == "'" || next == "\"" {
                try string(next)
            } else {
                try symbol(next, &open)
            }
        }
        throw templateError(start, "a tag that does not end")
    }

    private mutating func symbol(_ next: CodePoint, _ open: inout [CodePoint]) throws(ApusError) {
        switch next {
        case "(", "[", "{": open.append(next)
        case ")", "]", "}":
            let wanted: CodePoint = next == ")" ? "(" : next == "]" ? "[" : "{"
            guard open.popLast() == wanted else { throw templateError(line, "unexpected '\(next.character)'") }
        default: break
        }
        for pair in ["//", "**", "==", "!=", ">=", "<="] where source.matches(Text(pair), at: position) {
            add(.symbol(pair))
            position += 2
            return
        }
        guard Text("+-/*%~[](){}<>=.:|,;").contains(next) else {
            throw templateError(line, "unexpected character \(ApusError.quoted(String(next.character)))")
        }
        add(.symbol(String(next.character)))
        position += 1
    }

    /// Digits with single underscores between.
    private mutating func digits(_ text: inout String, _ isDigit: (CodePoint) -> Bool) {
        while let next = scalar() {
            if isDigit(next) {
                text.append(next.character)
            } else if !(next == "_" && scalar(1).map(isDigit) == true) {
                return
            }
            position += 1
        }
    }

    private mutating func number() throws(ApusError) {
        var text = ""
        if scalar() == "0", let kind = scalar(1) {
            let radix =
                kind == "x" || kind == "X" ? 16 : kind == "o" || kind == "O" ? 8 : kind == "b" || kind == "B" ? 2 : 0
            if radix > 0 {
                position += 2
                digits(&text) { $0.character.hexDigitValue.map { $0 < radix } == true && $0.isASCII }
                guard let value = Int(text, radix: radix) else { throw templateError(line, "integer out of range") }
                add(.integer(value))
                return
            }
        }
        digits(&text, \.isASCIIDigit)
        var isFloat = false
        // `x.0.1` is two subscripts, no number with a fraction.
        let followsDot = tokens.last.map { $0.kind == .symbol(".") } ?? false
        if !followsDot, scalar() == ".", scalar(1)?.isASCIIDigit == true {
            isFloat = true
            text += "."
            position += 1
            digits(&text, \.isASCIIDigit)
        }
        if !followsDot, scalar() == "e" || scalar() == "E" {
            let signed = scalar(1) == "+" || scalar(1) == "-"
            if scalar(signed ? 2 : 1)?.isASCIIDigit == true {
                isFloat = true
                text += "e"
                position += 1
                if signed, let sign = scalar() {
                    text.append(sign.character)
                    position += 1
                }
                digits(&text, \.isASCIIDigit)
            }
        }
        if isFloat, let value = Double(text) {
            add(.float(value))
        } else if !isFloat, let value = Int(text), text.hasPrefix("0") == false || value == 0 {
            add(.integer(value))
        } else {
            throw templateError(line, "number \(ApusError.quoted(text)) out of range")
        }
    }

    private mutating func string(_ quote: CodePoint) throws(ApusError) {
        let start = line
        advance(1)
        var text: Text = []
        while let next = scalar() {
            if next == quote {
                position += 1
                tokens.append(Token(kind: .string(text), line: start))
                return
            }
            advance(1)
            if next == "\\" { try escape(&text) } else { text.append(next) }
        }
        throw templateError(start, "a string that does not end")
    }

    /// An escape as Python's `unicode-escape` has it, after the backslash.
    private mutating func escape(_ text: inout Text) throws(ApusError) {
        guard let next = scalar() else { return }
        advance(1)
        switch next {
        case "\n": break
        case "\\", "'", "\"": text.append(next)
        case "a": text.append("\u{07}")
        case "b": text.append("\u{08}")
        case "f": text.append("\u{0C}")
        case "n": text.append("\n")
        case "r": text.append("\r")
        case "t": text.append("\t")
        case "v": text.append("\u{0B}")
        case "x": text.append(try hex(2))
        case "u": text.append(try hex(4))
        case "U": text.append(try hex(8))
        case "N": throw templateError(line, "the string escape \\N is not supported", code: .unsupported)
        case "0"..."7":
            var value = next.value - 0x30
            var count = 1
            while count < 3, let digit = scalar(), digit >= "0" && digit <= "7" {
                value = value * 8 + digit.value - 0x30
                count += 1
                position += 1
            }
            if let scalar = Unicode.Scalar(value) { text.append(CodePoint(scalar)) }
        default:
            text.append("\\")
            if next.value < 0x80 {
                text.append(next)
            } else {
                // Jinja writes the character as an escape before it reads escapes, and this backslash ends that one.
                let digits = String(next.value, radix: 16)
                let (letter, width) = next.value < 0x100 ? ("x", 2) : next.value < 0x10000 ? ("u", 4) : ("U", 8)
                text += Text(letter + String(repeating: "0", count: width - digits.count) + digits)
            }
        }
    }

    private mutating func hex(_ count: Int) throws(ApusError) -> CodePoint {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let next = scalar(), next.isASCII, let digit = next.character.hexDigitValue, value < 0x1000_0000
            else {
                throw templateError(line, "a string escape that is cut short")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        guard let scalar = Unicode.Scalar(value) else {
            throw templateError(line, "a string escape that is no character")
        }
        return CodePoint(scalar)
    }
}
