// Values as text: Python's str() and repr(), and the operator % on strings.

import ApusGGUF

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

enum Format {
    /// Python's repr() of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
    static func double(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let sign = value.sign == .minus ? "-" : ""
        if value == 0 { return sign + "0.0" }
        let parts = value.magnitude.description.split(separator: "e")
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var digits = String(mantissa[0]) + (mantissa.count > 1 ? String(mantissa[1]) : "")
        var point = mantissa[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.hasPrefix("0"), digits.count > 1 {
            digits.removeFirst()
            point -= 1
        }
        while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
        let exponent = point - 1
        guard exponent >= -4, exponent < 16 else {
            let first = digits.removeFirst()
            let magnitude = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
            return "\(sign)\(first)\(digits.isEmpty ? "" : "." + digits)e\(exponent < 0 ? "-" : "+")\(magnitude)"
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if point >= digits.count { return sign + digits + String(repeating: "0", count: point - digits.count) + ".0" }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }

    /// A number with a fixed count of digits after the point, rounded as C's printf rounds.
    static func fixed(_ value: Double, _ precision: Int) -> String {
        guard value.isFinite else { return double(value) }
        var buffer = [CChar](repeating: 0, count: 400 + precision)
        let length = withVaList([CInt(clamping: precision), value]) { vsnprintf(&buffer, buffer.count, "%.*f", $0) }
        return String(decoding: buffer.prefix(max(0, Int(length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Python's repr() of a string.
    static func quoted(_ text: Text) -> Text {
        let quote: CodePoint = text.contains("'") && !text.contains("\"") ? "\"" : "'"
        var result: Text = [quote]
        for scalar in text {
            switch scalar {
            case "\n": result += scalar.mapped("\\n")
            case "\r": result += scalar.mapped("\\r")
            case "\t": result += scalar.mapped("\\t")
            case "\\", quote: result += scalar.mapped("\\") + [scalar]
            default:
                if scalar.isPythonPrintable { result.append(scalar) } else { result += escape(scalar) }
            }
        }
        result.append(quote)
        return result
    }

    private static func escape(_ scalar: CodePoint) -> Text {
        let digits = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return scalar.mapped("\\" + letter + String(repeating: "0", count: width - digits.count) + digits)
    }
}

extension Interpreter {
    /// Python's str().
    func text(of value: Value) throws(ApusError) -> Text {
        switch value {
        case .string(let text), .markup(let text): return text
        case .undefined: return []
        default:
            var result: Text = []
            try represent(value, &result)
            return result
        }
    }

    /// Python's repr().
    func represent(_ value: Value, _ result: inout Text) throws(ApusError) {
        try enter()
        defer { leave() }
        let start = result.count
        switch value {
        case .undefined: result += Text("Undefined")
        case .none: result += Text("None")
        case .bool(let value): result += Text(value ? "True" : "False")
        case .int(let value): result += Text(String(value))
        case .double(let value): result += Text(Format.double(value))
        case .string(let text):
            try allocate(text.count)
            result += Format.quoted(text)
        case .markup(let text):
            try allocate(text.count)
            result += Text("Markup(") + Format.quoted(text) + Text(")")
        case .list(let sequence): try represent(sequence.items, "[", "]", &result)
        case .tuple(let sequence):
            try represent(sequence.items, "(", sequence.items.count == 1 ? ",)" : ")", &result)
        case .dictionary(let dictionary):
            try represent(dictionary.keys, dictionary.values, &result)
        case .range(let range):
            result += Text("range(\(range.start), \(range.stop)" + (range.step == 1 ? ")" : ", \(range.step))"))
        case .view(let dictionary, let view):
            result += Text(view.rawValue + "(")
            try represent(try items(of: .view(dictionary, view)), "[", "]", &result)
            result.append(")")
        case .namespace(let namespace):
            result += Text("<Namespace ")
            try represent(
                namespace.names.map { .string($0) }, namespace.names.map { namespace.values[$0] ?? .none }, &result)
            result.append(">")
        case .macro(let macro): result += Text("<Macro ") + Format.quoted(Text(macro.definition.name)) + Text(">")
        case .loop(let state): result += Text("<LoopContext \(state.index + 1)/\(state.count)>")
        case .iterator, .function, .method:
            throw fail("the text of a value of type \(value.typeName) is not supported", .unsupported)
        }
        try allocate(max(result.count - start, 1))
    }

    private func represent(
        _ items: [Value], _ open: String, _ close: String, _ result: inout Text
    ) throws(ApusError) {
        result += Text(open)
        for (index, item) in items.enumerated() {
            try charge()
            if index > 0 { result += [",", " "] }
            try represent(item, &result)
        }
        result += Text(close)
    }

    private func represent(_ keys: [Value], _ values: [Value], _ result: inout Text) throws(ApusError) {
        result.append("{")
        for (index, (key, value)) in zip(keys, values).enumerated() {
            try charge()
            if index > 0 { result += [",", " "] }
            try represent(key, &result)
            result += [":", " "]
            try represent(value, &result)
        }
        result.append("}")
    }

    /// The operator % on a string: `%s`, `%r`, `%d`, `%i`, `%x`, `%X`, `%o`, `%f` and `%%`, with flags and widths.
    func percentFormat(_ format: Text, _ value: Value) throws(ApusError) -> Text {
        var result: Text = []
        var values: [Value] = [value]
        if case .tuple(let sequence) = value { values = sequence.items }
        var used = 0
        var index = 0
        var named: Value?
        func next() throws(ApusError) -> Value {
            if let named { return named }
            guard used < values.count else { throw fail("not enough values for a format") }
            used += 1
            return values[used - 1]
        }
        while index < format.count {
            let scalar = format[index]
            index += 1
            guard scalar == "%" else {
                result.append(scalar)
                continue
            }
            named = nil
            if index < format.count, format[index] == "(" {
                guard let close = format[index...].firstIndex(of: ")"), case .dictionary(let dictionary) = value else {
                    throw fail("a format with names wants a dictionary")
                }
                let name = Array(format[(index + 1)..<close])
                guard let found = dictionary[name] else { throw fail("no value for \(ApusError.quoted(name.string))") }
                named = found
                used = values.count
                index = close + 1
            }
            var flags: Set<CodePoint> = []
            while index < format.count, Text("-+ 0#").contains(format[index]) {
                flags.insert(format[index])
                index += 1
            }
            func digits() throws(ApusError) -> Int {
                var number = 0
                while index < format.count, format[index].isASCIIDigit {
                    number = number * 10 + Int(format[index].value - 0x30)
                    if number > 100_000 { throw fail("a format's width is more than 100000") }
                    index += 1
                }
                return number
            }
            let width = try digits()
            var precision: Int?
            if index < format.count, format[index] == "." {
                index += 1
                precision = try digits()
            }
            guard index < format.count else { throw fail("a format that is cut short") }
            let kind = format[index]
            index += 1
            var field: Text = []
            switch kind {
            case "%": field = ["%"]
            case "s":
                field = try text(of: try next())
                if let precision { field = Array(field.prefix(precision)) }
            case "r":
                try represent(try next(), &field)
                if let precision { field = Array(field.prefix(precision)) }
            case "d", "i", "u", "x", "X", "o":
                let radix = kind == "x" || kind == "X" ? 16 : kind == "o" ? 8 : 10
                let integer: Int
                switch try number(try next(), "%") {
                case .int(let value): integer = value
                case .double(let value):
                    guard radix == 10, let whole = Int(exactly: value.rounded(.towardZero)) else {
                        throw fail("a format wants an integer")
                    }
                    integer = whole
                }
                let body = String(integer.magnitude, radix: radix, uppercase: kind == "X")
                let prefix = flags.contains("#") && radix != 10 ? "0\(radix == 8 ? "o" : [kind].string)" : ""
                field = try numeric(integer < 0, prefix, body, flags, width, precision ?? 0)
            case "f", "F":
                let value = try number(try next(), "%").double
                let body = Format.fixed(value.magnitude, precision ?? 6)
                field = try numeric(
                    value.sign == .minus, "", body, value.isFinite ? flags : flags.subtracting(["0"]), width, 0)
            default:
                throw fail(
                    "the format '%\(ApusError.printable([kind].string))' is not supported", .unsupported)
            }
            let padding = Text(repeating: " ", count: max(0, kind == "%" ? 0 : width - field.count))
            try allocate(field.count + padding.count)
            result += flags.contains("-") ? field + padding : padding + field
        }
        if used < values.count {
            if case .tuple = value { throw fail("more values than a format takes") }
            guard case .dictionary = value else { throw fail("more values than a format takes") }
        }
        return result
    }

    private func numeric(
        _ isNegative: Bool, _ prefix: String, _ digits: String, _ flags: Set<CodePoint>, _ width: Int, _ least: Int
    ) throws(ApusError) -> Text {
        let sign = (isNegative ? "-" : flags.contains("+") ? "+" : flags.contains(" ") ? " " : "") + prefix
        var body = Text(digits)
        let wanted = max(least, flags.contains("0") && !flags.contains("-") ? width - sign.count : 0)
        try allocate(wanted)
        if body.count < wanted { body = Text(repeating: "0", count: wanted - body.count) + body }
        return Text(sign) + body
    }
}
