// JSON values from text that nobody vouches for: depth is bounded, nothing traps.

public import ApusGGUF

extension JSONValue {
    /// Reads JSON text (RFC 8259).
    ///
    /// Stricter than some readers: no comments, no trailing commas, no NaN, valid UTF-8 only. A lone surrogate escape
    /// becomes U+FFFD. Members with the same name are all kept.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8; a byte order mark at the start is skipped.
    ///   - name: What to call the text in error messages.
    ///   - maxDepth: How deeply arrays and objects may be nested.
    /// - Throws: `ApusError` with code `format` that tells line and column.
    public init(parsing bytes: [UInt8], name: String = "JSON", maxDepth: Int = 128) throws(ApusError) {
        var parser = JSONParser(bytes: bytes, name: name, maxDepth: maxDepth)
        self = try parser.parseDocument()
    }
}

struct JSONParser {
    private let bytes: [UInt8]
    private let name: String
    private let maxDepth: Int
    private var position = 0
    private var depth = 0

    init(bytes: [UInt8], name: String, maxDepth: Int) {
        self.bytes = bytes
        self.name = name
        self.maxDepth = maxDepth
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func parseDocument() throws(ApusError) -> JSONValue {
        let value = try parseValue()
        skipSpace()
        if position < bytes.count { throw failure("found more text after the value") }
        return value
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func parseValue() throws(ApusError) -> JSONValue {
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try parseObject()
        case UInt8(ascii: "["): return try parseArray()
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "-"): return try parseNumber()
        case let byte where isDigit(byte): return try parseNumber()
        default: throw unexpected("a value")
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(ApusError) -> JSONValue {
        let wanted = Array(word.description.utf8)
        guard bytes[position...].starts(with: wanted) else { throw unexpected(word.description) }
        position += wanted.count
        return value
    }

    private mutating func parseArray() throws(ApusError) -> JSONValue {
        var elements: [JSONValue] = []
        try parseList(close: UInt8(ascii: "]")) { parser throws(ApusError) in
            elements.append(try parser.parseValue())
        }
        return .array(elements)
    }

    private mutating func parseObject() throws(ApusError) -> JSONValue {
        var members: [JSONValue.Member] = []
        try parseList(close: UInt8(ascii: "}")) { parser throws(ApusError) in
            parser.skipSpace()
            guard parser.next == UInt8(ascii: "\"") else { throw parser.unexpected("a member's name in quotes") }
            let name = try parser.parseString()
            parser.skipSpace()
            guard parser.next == UInt8(ascii: ":") else { throw parser.unexpected("':'") }
            parser.position += 1
            members.append(JSONValue.Member(name, try parser.parseValue()))
        }
        return .object(members)
    }

    /// Parses what is between brackets, at the first of which the position is.
    private mutating func parseList(
        close: UInt8, _ element: (inout JSONParser) throws(ApusError) -> Void
    ) throws(ApusError) {
        depth += 1
        if depth > maxDepth { throw failure("nested deeper than \(maxDepth)") }
        position += 1
        skipSpace()
        if next == close {
            position += 1
            depth -= 1
            return
        }
        while true {
            try element(&self)
            skipSpace()
            switch next {
            case UInt8(ascii: ","): position += 1
            case close:
                position += 1
                depth -= 1
                return
            default: throw unexpected("',' or '\(Character(Unicode.Scalar(close)))'")
            }
        }
    }

    private mutating func parseNumber() throws(ApusError) -> JSONValue {
        let start = position
        var isInteger = true
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") {
            position += 1
            if isDigit(next) { throw unexpected("no digit after a leading 0") }
        } else {
            try skipDigits()
        }
        if next == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            try skipDigits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try skipDigits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int(text) { return .int(value) }
        // A number too large for a double reads as infinity, which no caller wants to meet.
        guard let value = Double(text), value.isFinite else { throw failure("number out of range") }
        return .double(value)
    }

    private mutating func skipDigits() throws(ApusError) {
        guard isDigit(next) else { throw unexpected("a digit") }
        while isDigit(next) { position += 1 }
    }

    private func isDigit(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        return byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private mutating func parseString() throws(ApusError) -> String {
        position += 1
        var content: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: content, as: UTF8.self) else {
                    throw failure("string is not valid UTF-8")
                }
                position += 1
                return string
            case UInt8(ascii: "\\"):
                position += 1
                try parseEscape(into: &content)
            case 0..<0x20: throw failure("control character in a string, wanted: an escape")
            default:
                content.append(byte)
                position += 1
            }
        }
        throw failure("string does not end")
    }

    private mutating func parseEscape(into content: inout [UInt8]) throws(ApusError) {
        guard let byte = next else { throw failure("string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try parseHex()
            // A high surrogate joins the low one of the escape that follows, if one does.
            if (0xD800..<0xDC00).contains(code), bytes[position...].starts(with: [0x5C, 0x75]) {
                let before = position
                position += 2
                let low = try parseHex()
                if (0xDC00..<0xE000).contains(low) {
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                } else {
                    position = before
                }
            }
            let scalar = Unicode.Scalar(code) ?? "\u{FFFD}"
            content.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default:
            position -= 1
            throw unexpected("an escape")
        }
    }

    private mutating func parseHex() throws(ApusError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw unexpected("four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private func unexpected(_ wanted: String) -> ApusError {
        guard let byte = next else { return failure("text ends, wanted: \(wanted)") }
        let printable = (0x21..<0x7F).contains(byte)
        let found = printable ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
        return failure("found \(found), wanted: \(wanted)")
    }

    private func failure(_ what: String) -> ApusError {
        let before = bytes[..<min(position, bytes.count)]
        let line = before.lazy.filter { $0 == 0x0A }.count + 1
        let column = before.count - (before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0) + 1
        return ApusError(.format, "\(name), line \(line), column \(column): \(what)")
    }
}
