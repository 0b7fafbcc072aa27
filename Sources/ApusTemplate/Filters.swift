// Jinja's filters on text and numbers, and the table of all.

import ApusGGUF

enum Filters {
    typealias Filter = @Sendable (Interpreter, Value, Arguments) throws(ApusError) -> Value

    static let all: [String: Filter] = [
        "abs": absolute, "attr": attribute, "batch": batch, "capitalize": method("capitalize"),
        "center": center, "count": length, "d": fallback, "default": fallback, "dictsort": dictionarySort, "e": escape,
        "escape": escape, "first": first, "float": float, "forceescape": forceEscape, "format": format,
        "groupby": groupBy, "indent": indent, "int": int, "items": items, "join": join, "last": last,
        "length": length, "list": list, "lower": method("lower"), "map": map, "max": extreme(isLargest: true),
        "min": extreme(isLargest: false), "reject": pick(keeps: false, byAttribute: false),
        "rejectattr": pick(keeps: false, byAttribute: true), "replace": replace, "reverse": reverse, "round": round,
        "safe": safe, "select": pick(keeps: true, byAttribute: false),
        "selectattr": pick(keeps: true, byAttribute: true), "slice": slice, "sort": sort, "string": string, "sum": sum,
        "title": title, "tojson": json, "trim": trim, "truncate": truncate, "unique": unique,
        "upper": method("upper"), "wordcount": wordCount,
    ]

    /// A value as text, which stays safe if it was.
    private static func soft(_ run: Interpreter, _ value: Value) throws(ApusError) -> Value {
        value.string == nil ? .string(try run.text(of: value)) : value
    }

    private static func method(_ name: String) -> Filter {
        { run, value, arguments throws(ApusError) in
            guard let method = StringMethods.all[name] else { return .none }
            return try method(run, try soft(run, value), arguments)
        }
    }

    private static let string: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "string", [])
        return try soft(run, value)
    }

    private static let safe: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "safe", [])
        return .markup(try run.text(of: value))
    }

    private static let escape: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "escape", [])
        return value.isMarkup ? value : try forceEscape(run, value, arguments)
    }

    private static let forceEscape: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "forceescape", [])
        let text = try run.text(of: value)
        try run.allocate(text.count * 5)
        return .markup(text.escapedForHTML)
    }

    private static let trim: Filter = { run, value, arguments throws(ApusError) in
        let set = try run.bind(arguments, "trim", ["chars"])[0]
        guard let strip = StringMethods.all["strip"] else { return .none }
        return try strip(run, try soft(run, value), Arguments(positional: set.map { [$0] } ?? []))
    }

    private static let replace: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "replace", ["old", "new", "count"], required: 2)
        let count = values[2].flatMap { $0.isNone ? nil : $0 } ?? .int(-1)
        return .string(
            try run.replaced(
                try run.text(of: value), try run.text(of: values[0] ?? .none), try run.text(of: values[1] ?? .none),
                try run.integer(count, "replace")))
    }

    private static let title: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "title", [])
        let soft = try soft(run, value)
        let text = soft.string ?? []
        try run.allocate(text.count)
        try run.charge(text.count)
        // A word begins after `-`, an opening bracket or white space.
        func separates(_ scalar: CodePoint) -> Bool {
            scalar.isPythonSpace || scalar == "-" || scalar == "(" || scalar == "{" || scalar == "[" || scalar == "<"
        }
        var result: Text = []
        var start = 0
        while start < text.count {
            let isSeparator = separates(text[start])
            var end = start + 1
            while end < text.count, separates(text[end]) == isSeparator { end += 1 }
            result += [text[start]].uppercased + Array(text[(start + 1)..<end]).lowercased
            start = end
        }
        return soft.isMarkup ? .markup(result) : .string(result)
    }

    private static let center: Filter = { run, value, arguments throws(ApusError) in
        let width = try run.bind(arguments, "center", ["width"])[0] ?? .int(80)
        guard let center = StringMethods.all["center"] else { return .none }
        return try center(run, try soft(run, value), Arguments(positional: [width]))
    }

    private static let wordCount: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "wordcount", [])
        let text = try run.text(of: value)
        try run.charge(text.count)
        var count = 0
        var isInside = false
        for scalar in text {
            if scalar.isWord, !isInside { count += 1 }
            isInside = scalar.isWord
        }
        return .int(count)
    }

    private static let indent: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "indent", ["width", "first", "blank"])
        let text = try run.string(value, "indent") + ["\n"]
        let width = values[0] ?? .int(4)
        var indention: Text = []
        if let own = width.string {
            indention = own
        } else {
            let count = max(0, try run.integer(width, "indent"))
            try run.allocate(count)
            indention = Text(repeating: " ", count: count)
        }
        let indentsFirst = try run.isTrue(values[1] ?? .bool(false))
        let indentsBlank = try run.isTrue(values[2] ?? .bool(false))
        let lines = text.lines()
        try run.allocate(text.count)
        var result = indentsFirst ? indention : []
        for (index, line) in lines.enumerated() {
            try run.allocate(indention.count + 1)
            if index > 0 {
                result.append("\n")
                if indentsBlank || !line.isEmpty { result += indention }
            }
            result += line
        }
        return value.isMarkup ? .markup(result) : .string(result)
    }

    private static let truncate: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "truncate", ["length", "killwords", "end", "leeway"])
        let length = try run.integer(values[0] ?? .int(255), "truncate")
        let end = try run.string(values[2] ?? .string(Text("...")), "truncate")
        let leeway = try run.integer(values[3].flatMap { $0.isNone ? nil : $0 } ?? .int(5), "truncate")
        guard length >= end.count, leeway >= 0 else { throw run.fail("truncate: the length is less than the end's") }
        let (most, overflow) = length.addingReportingOverflow(leeway)
        let count = try run.count(of: value)
        if overflow || count <= most { return value }
        let text = try run.string(value, "truncate")
        try run.allocate(text.count)
        var result = Array(text.prefix(length - end.count))
        let killsWords = try run.isTrue(values[1] ?? .bool(false))
        if !killsWords, let space = result.lastIndex(of: " ") {
            result = Array(result[..<space])
        }
        return .string(result + end)
    }

    private static let format: Filter = { run, value, arguments throws(ApusError) in
        let text = try run.text(of: value)
        if arguments.keywords.isEmpty {
            let values = try run.tuple(arguments.positional)
            return .string(try run.percentFormat(text, values))
        }
        guard arguments.positional.isEmpty else { throw run.fail("format: values by place and by name") }
        let pairs = arguments.keywords.map { (key: Value.string($0.name), value: $0.value) }
        return .string(try run.percentFormat(text, try run.dictionary(pairs)))
    }

    private static let fallback: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "default", ["default_value", "boolean"])
        let standard = values[0] ?? .string([])
        if value.isUndefined { return standard }
        guard try run.isTrue(values[1] ?? .bool(false)) else { return value }
        return try run.isTrue(value) ? value : standard
    }

    private static let json: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(
            arguments, "tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
        var style = JSONStyle(itemSeparator: [",", " "], keySeparator: [":", " "])
        style.escapesNonASCII = try run.isTrue(values[0] ?? .bool(false))
        if let indent = values[1], !indent.isNone {
            style.itemSeparator = [","]
            if let own = indent.string {
                style.indent = own
            } else {
                let count = max(0, try run.integer(indent, "tojson"))
                try run.allocate(count)
                style.indent = Text(repeating: " ", count: count)
            }
        }
        if let separators = values[2], !separators.isNone {
            let parts = try run.items(of: separators)
            guard parts.count == 2 else { throw run.fail("tojson: wanted two separators, found \(parts.count)") }
            style.itemSeparator = try run.string(parts[0], "tojson")
            style.keySeparator = try run.string(parts[1], "tojson")
        }
        style.sortsKeys = try run.isTrue(values[3] ?? .bool(false))
        return .string(try run.json(value, style))
    }

    // MARK: Numbers

    private static let absolute: Filter = { run, value, arguments throws(ApusError) in
        _ = try run.bind(arguments, "abs", [])
        switch try run.number(value, "abs") {
        case .int(let number):
            guard number != .min else { throw run.integerOverflow }
            return .int(abs(number))
        case .double(let number): return .double(abs(number))
        }
    }

    /// Python's int() of a string; nil where that raises ValueError.
    private static func parseInt(_ run: Interpreter, _ text: Text, _ base: Int) throws(ApusError) -> Int? {
        try run.charge(text.count)
        var digits = text.stripped(nil, start: true, end: true)
        var isNegative = false
        if let sign = digits.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            digits.removeFirst()
        }
        var radix = base
        if digits.count > 1, digits[0] == "0" {
            let prefixes: [(Text, Int)] = [(["x", "X"], 16), (["o", "O"], 8), (["b", "B"], 2)]
            for (letters, value) in prefixes where (base == value || base == 0) && letters.contains(digits[1]) {
                radix = value
                digits.removeFirst(2)
                if digits.first == "_" { digits.removeFirst() }
                break
            }
        }
        if radix == 0 { radix = 10 }
        guard (2...36).contains(radix), let first = digits.first, first != "_", digits.last != "_" else { return nil }
        var value = 0
        var follows = false
        for scalar in digits {
            if scalar == "_" {
                if follows { return nil }
                follows = true
                continue
            }
            follows = false
            let letter = scalar.isASCII && scalar.isLetter ? Int(scalar.value | 0x20) - 0x61 + 10 : nil
            guard let digit = letter ?? scalar.decimalDigit, digit < radix else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, overflow2) =
                isNegative
                ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            if overflow || overflow2 { throw run.integerOverflow }
            value = sum
        }
        return value
    }

    /// Python's float() of a string; nil where that raises ValueError.
    private static func parseFloat(_ text: Text) -> Double? {
        let stripped = text.stripped(nil, start: true, end: true)
        var body = ""
        for (index, scalar) in stripped.enumerated() {
            if scalar == "_" {
                guard index > 0, index + 1 < stripped.count, stripped[index - 1].isASCIIDigit,
                    stripped[index + 1].isASCIIDigit
                else { return nil }
                continue
            }
            guard scalar.isASCII, scalar != "x", scalar != "X", scalar != "(" else { return nil }
            body.unicodeScalars.append(scalar.scalar)
        }
        return Double(body)
    }

    private static let int: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "int", ["default", "base"])
        let standard = values[0] ?? .int(0)
        func whole(_ number: Double) throws(ApusError) -> Value {
            guard let result = Int(exactly: number.rounded(.towardZero)) else { throw run.integerOverflow }
            return .int(result)
        }
        if case .undefined(let undefined) = value { throw run.undefined(undefined) }
        if let text = value.string {
            let base = try run.integer(values[1] ?? .int(10), "int")
            if let number = try parseInt(run, text, base) { return .int(number) }
            guard let number = parseFloat(text), number.isFinite else { return standard }
            return try whole(number)
        }
        switch value.number {
        case .int(let number): return .int(number)
        case .double(let number): return number.isNaN ? standard : try whole(number)
        case nil: return standard
        }
    }

    private static let float: Filter = { run, value, arguments throws(ApusError) in
        let standard = try run.bind(arguments, "float", ["default"])[0] ?? .double(0)
        if case .undefined(let undefined) = value { throw run.undefined(undefined) }
        if let text = value.string { return parseFloat(text).map { .double($0) } ?? standard }
        return value.number.map { .double($0.double) } ?? standard
    }

    private static let round: Filter = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "round", ["precision", "method"])
        let precision = try run.integer(values[0] ?? .int(0), "round")
        let method = try run.string(values[1] ?? .string(Text("common")), "round").string
        guard abs(precision.clamped) <= 300 else { throw run.fail("round: the precision is out of range") }
        let number = try run.number(value, "round")
        switch method {
        case "common":
            if case .int(let whole) = number {
                guard precision < 0 else { return .int(whole) }
                throw run.fail("round of an integer to a negative precision is not supported", .unsupported)
            }
            guard precision >= 0 else {
                throw run.fail("round to a negative precision is not supported", .unsupported)
            }
            return .double(Double(Format.fixed(number.double, precision)) ?? number.double)
        case "ceil", "floor":
            var scale = 1.0
            for _ in 0..<abs(precision) { scale *= 10 }
            if precision < 0 { scale = 1 / scale }
            let scaled = (number.double * scale).rounded(method == "ceil" ? .up : .down)
            guard scaled.isFinite else { throw run.fail("round: the number is out of range") }
            return .double(scaled == 0 ? 0 : scaled / scale)
        default: throw run.fail("round: the method must be common, ceil or floor")
        }
    }
}

extension Int {
    /// A number whose magnitude is one too.
    fileprivate var clamped: Int { Swift.max(self, -Int.max) }
}
