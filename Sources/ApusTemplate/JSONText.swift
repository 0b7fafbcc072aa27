// The filter `tojson` as Hugging Face has it: Python's json.dumps, without escapes for HTML.

import ApusGGUF

/// The options of json.dumps.
struct JSONStyle {
    var escapesNonASCII = false
    /// What a level is indented by; nil for everything on one line.
    var indent: Text?
    var itemSeparator: Text
    var keySeparator: Text
    var sortsKeys = false
}

extension Interpreter {
    func json(_ value: Value, _ style: JSONStyle) throws(ApusError) -> Text {
        var result: Text = []
        try json(value, style, 0, &result)
        return result
    }

    private func json(_ value: Value, _ style: JSONStyle, _ level: Int, _ result: inout Text) throws(ApusError) {
        try enter()
        defer { leave() }
        try charge()
        let start = result.count
        switch value {
        case .none: result += Text("null")
        case .bool(let value): result += Text(value ? "true" : "false")
        case .int(let value): result += Text(String(value))
        case .double(let value): result += Text(Self.number(value))
        case .string(let text), .markup(let text):
            try allocate(text.count)
            Self.string(text, style.escapesNonASCII, &result)
        case .list(let sequence), .tuple(let sequence):
            guard !sequence.items.isEmpty else {
                result += ["[", "]"]
                break
            }
            result.append("[")
            for (index, item) in sequence.items.enumerated() {
                if index > 0 { result += style.itemSeparator }
                try newLine(style, level + 1, &result)
                try json(item, style, level + 1, &result)
            }
            try newLine(style, level, &result)
            result.append("]")
        case .dictionary(let dictionary): try json(dictionary, style, level, &result)
        default: throw fail("a value of type \(value.typeName) has no JSON")
        }
        try allocate(min(result.count - start, 64))
    }

    private func json(
        _ dictionary: Value.Dictionary, _ style: JSONStyle, _ level: Int, _ result: inout Text
    ) throws(ApusError) {
        var pairs = Array(zip(dictionary.keys, dictionary.values))
        guard !pairs.isEmpty else {
            result += ["{", "}"]
            return
        }
        if style.sortsKeys { pairs = try sorted(pairs, by: pairs.map(\.0), reverse: false) }
        result.append("{")
        for (index, (key, value)) in pairs.enumerated() {
            if index > 0 { result += style.itemSeparator }
            try newLine(style, level + 1, &result)
            let name: Text
            switch key {
            case .string(let text), .markup(let text): name = text
            case .none: name = Text("null")
            case .bool(let value): name = Text(value ? "true" : "false")
            case .int(let value): name = Text(String(value))
            case .double(let value): name = Text(Self.number(value))
            default: throw fail("a key of type \(key.typeName) has no JSON")
            }
            try allocate(name.count)
            Self.string(name, style.escapesNonASCII, &result)
            result += style.keySeparator
            try json(value, style, level + 1, &result)
        }
        try newLine(style, level, &result)
        result.append("}")
    }

    private func newLine(_ style: JSONStyle, _ level: Int, _ result: inout Text) throws(ApusError) {
        guard let indent = style.indent else { return }
        try allocate(1 + level * indent.count)
        result.append("\n")
        for _ in 0..<level { result += indent }
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return Format.double(value)
    }

    private static func string(_ text: Text, _ escapesNonASCII: Bool, _ result: inout Text) {
        func escape(_ unit: UInt32, of scalar: CodePoint) {
            let digits = String(unit, radix: 16)
            result += scalar.mapped("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
        }
        result.append("\"")
        for scalar in text {
            switch scalar {
            case "\"", "\\": result += scalar.mapped("\\") + [scalar]
            case "\n": result += scalar.mapped("\\n")
            case "\r": result += scalar.mapped("\\r")
            case "\t": result += scalar.mapped("\\t")
            case "\u{08}": result += scalar.mapped("\\b")
            case "\u{0C}": result += scalar.mapped("\\f")
            default:
                if scalar.value < 0x20 || (escapesNonASCII && scalar.value > 0x7E) {
                    for unit in UTF16.encode(scalar.scalar) ?? UTF16.encodedReplacementCharacter {
                        escape(UInt32(unit), of: scalar)
                    }
                } else {
                    result.append(scalar)
                }
            }
        }
        result.append("\"")
    }
}
