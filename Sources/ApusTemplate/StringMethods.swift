// The methods of Python's str.

import ApusGGUF

enum StringMethods {
    typealias Method = @Sendable (Interpreter, Value, Arguments) throws(ApusError) -> Value

    /// Methods that exist in Python but not here: calling one is an error of its own, not a missing attribute.
    static let unsupported: Set<String> = [
        "encode", "expandtabs", "format", "format_map", "isidentifier", "istitle", "maketrans", "translate",
    ]

    static let all: [String: Method] = [
        "capitalize": mapped { $0.titlecased(eachWord: false) },
        "casefold": mapped { text in
            text.contains { $0.value > 0x7F }
                ? text.lowercased.flatMap { $0 == "ß" ? $0.mapped("ss") : [$0] } : text.lowercased
        },
        "lower": mapped(\.lowercased),
        "upper": mapped(\.uppercased),
        "title": mapped { $0.titlecased(eachWord: true) },
        "swapcase": mapped { text in
            text.flatMap { scalar in
                scalar.properties.isUppercase
                    ? scalar.mapped(scalar.properties.lowercaseMapping)
                    : scalar.properties.isLowercase ? scalar.mapped(scalar.properties.uppercaseMapping) : [scalar]
            }
        },
        "strip": stripped(start: true, end: true),
        "lstrip": stripped(start: true, end: false),
        "rstrip": stripped(start: false, end: true),
        "startswith": affix(atEnd: false),
        "endswith": affix(atEnd: true),
        "removeprefix": removed(atEnd: false),
        "removesuffix": removed(atEnd: true),
        "split": split, "rsplit": splitFromEnd, "splitlines": splitLines,
        "partition": partition, "rpartition": partitionFromEnd,
        "replace": replace, "join": join, "count": count,
        "find": { run, value, arguments throws(ApusError) in .int(try find(run, value, arguments) ?? -1) },
        "rfind": { run, value, arguments throws(ApusError) in .int(try findFromEnd(run, value, arguments) ?? -1) },
        "index": { run, value, arguments throws(ApusError) in
            guard let place = try find(run, value, arguments) else { throw run.fail("index: the text is not there") }
            return .int(place)
        },
        "rindex": { run, value, arguments throws(ApusError) in
            guard let place = try findFromEnd(run, value, arguments) else {
                throw run.fail("rindex: the text is not there")
            }
            return .int(place)
        },
        "center": padded(.both), "ljust": padded(.end), "rjust": padded(.start), "zfill": zeroFilled,
        "isalnum": every { $0.isLetter || $0.properties.numericType != nil },
        "isalpha": every(\.isLetter),
        "isascii": tested { $0.allSatisfy(\.isASCII) },
        "isdecimal": every { $0.properties.generalCategory == .decimalNumber },
        "isdigit": every { $0.properties.numericType == .decimal || $0.properties.numericType == .digit },
        "isnumeric": every { $0.properties.numericType != nil },
        "isprintable": tested { $0.allSatisfy(\.isPythonPrintable) },
        "isspace": every(\.isPythonSpace),
        "islower": tested(isLower),
        "isupper": tested(isUpper),
    ]

    static func isLower(_ text: Text) -> Bool {
        text.contains { $0.properties.isLowercase }
            && !text.contains { $0.properties.isUppercase || $0.properties.generalCategory == .titlecaseLetter }
    }

    static func isUpper(_ text: Text) -> Bool {
        text.contains { $0.properties.isUppercase }
            && !text.contains { $0.properties.isLowercase || $0.properties.generalCategory == .titlecaseLetter }
    }

    // MARK: Makers

    /// The receiver's text, charged for a copy of it.
    private static func text(_ run: Interpreter, _ value: Value) throws(ApusError) -> Text {
        let text = value.string ?? []
        try run.charge(text.count / 16)
        return text
    }

    private static func like(_ value: Value, _ text: Text) -> Value { value.isMarkup ? .markup(text) : .string(text) }

    private static func mapped(_ change: @escaping @Sendable (Text) -> Text) -> Method {
        { run, value, arguments throws(ApusError) in
            _ = try run.bind(arguments, "the method", [])
            let text = try text(run, value)
            try run.allocate(text.count + 1)
            try run.charge(text.count)
            return like(value, change(text))
        }
    }

    private static func tested(_ test: @escaping @Sendable (Text) -> Bool) -> Method {
        { run, value, arguments throws(ApusError) in
            _ = try run.bind(arguments, "the method", [])
            let text = try text(run, value)
            try run.charge(text.count)
            return .bool(test(text))
        }
    }

    private static func every(_ test: @escaping @Sendable (CodePoint) -> Bool) -> Method {
        tested { !$0.isEmpty && $0.allSatisfy(test) }
    }

    private static func stripped(start: Bool, end: Bool) -> Method {
        { run, value, arguments throws(ApusError) in
            let set = try run.bind(arguments, "strip", ["chars"])[0] ?? .none
            let text = try text(run, value)
            try run.allocate(text.count)
            let characters: Text? = set.isNone ? nil : try run.string(set, "strip")
            try run.charge((characters?.count ?? 1) / 16 * (text.count / 16 + 1))
            return like(value, text.stripped(characters, start: start, end: end))
        }
    }

    /// A range of a text by the arguments `start` and `end`.
    private static func bounds(
        _ run: Interpreter, _ start: Value?, _ end: Value?, _ count: Int
    ) throws(ApusError) -> Range<Int>? {
        func bound(_ value: Value?, _ standard: Int) throws(ApusError) -> Int {
            guard let value, !value.isNone else { return standard }
            let number = try run.integer(value, "a bound")
            return number < 0 ? max(number < -count ? 0 : number + count, 0) : number
        }
        let lower = try bound(start, 0)
        let upper = min(try bound(end, count), count)
        return lower <= upper ? lower..<upper : nil
    }

    private static func affix(atEnd: Bool) -> Method {
        { run, value, arguments throws(ApusError) in
            let values = try run.bind(arguments, "startswith", ["prefix", "start", "end"], required: 1)
            let text = try text(run, value)
            guard let range = try bounds(run, values[1], values[2], text.count) else { return .bool(false) }
            var affixes = [values[0] ?? .none]
            if case .tuple(let sequence) = affixes[0] { affixes = sequence.items }
            for affix in affixes {
                let part = try run.string(affix, atEnd ? "endswith" : "startswith")
                try run.charge(1 + part.count / 16)
                guard part.count <= range.count else { continue }
                if text.matches(part, at: atEnd ? range.upperBound - part.count : range.lowerBound) {
                    return .bool(true)
                }
            }
            return .bool(false)
        }
    }

    private static func removed(atEnd: Bool) -> Method {
        { run, value, arguments throws(ApusError) in
            let part = try run.string(
                try run.bind(arguments, "removeprefix", ["prefix"], required: 1)[0] ?? .none, "removeprefix")
            let text = try text(run, value)
            try run.allocate(text.count)
            guard text.matches(part, at: atEnd ? text.count - part.count : 0) else { return value }
            return like(value, Array(atEnd ? text.dropLast(part.count) : text.dropFirst(part.count)))
        }
    }

    private enum Side { case start, end, both }

    private static func padded(_ side: Side) -> Method {
        { run, value, arguments throws(ApusError) in
            let values = try run.bind(arguments, "center", ["width", "fillchar"], required: 1)
            let fill = try values[1].map { fill throws(ApusError) in try run.string(fill, "fillchar") } ?? [" "]
            guard fill.count == 1 else { throw run.fail("the fill character must be one character") }
            let text = try text(run, value)
            let width = try run.integer(values[0] ?? .none, "width")
            guard width > text.count else { return value }
            try run.allocate(width)
            let missing = width - text.count
            // Python's center puts the odd one left when the width is odd.
            let left = side == .start ? missing : side == .end ? 0 : missing / 2 + (missing & width & 1)
            return like(
                value, Text(repeating: fill[0], count: left) + text + Text(repeating: fill[0], count: missing - left))
        }
    }

    private static let zeroFilled: Method = { run, value, arguments throws(ApusError) in
        let width = try run.integer(try run.bind(arguments, "zfill", ["width"], required: 1)[0] ?? .none, "zfill")
        let text = try text(run, value)
        guard width > text.count else { return value }
        try run.allocate(width)
        let sign = text.first == "-" || text.first == "+" ? 1 : 0
        return like(
            value, Array(text.prefix(sign)) + Text(repeating: "0", count: width - text.count) + text.dropFirst(sign))
    }

    // MARK: Search

    private static func find(_ run: Interpreter, _ value: Value, _ arguments: Arguments) throws(ApusError) -> Int? {
        let values = try run.bind(arguments, "find", ["sub", "start", "end"], required: 1)
        let part = try run.string(values[0] ?? .none, "find")
        let text = try text(run, value)
        guard let range = try bounds(run, values[1], values[2], text.count) else { return nil }
        try run.charge(range.count / 16 * part.count)
        return text.firstIndex(of: part, in: range)
    }

    private static func findFromEnd(
        _ run: Interpreter, _ value: Value, _ arguments: Arguments
    ) throws(ApusError) -> Int? {
        let values = try run.bind(arguments, "rfind", ["sub", "start", "end"], required: 1)
        let part = try run.string(values[0] ?? .none, "rfind")
        let text = try text(run, value)
        guard let range = try bounds(run, values[1], values[2], text.count) else { return nil }
        try run.charge(range.count / 16 * part.count)
        return text.lastIndex(of: part, in: range)
    }

    private static let count: Method = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "count", ["sub", "start", "end"], required: 1)
        let part = try run.string(values[0] ?? .none, "count")
        let text = try text(run, value)
        guard let range = try bounds(run, values[1], values[2], text.count) else { return .int(0) }
        if part.isEmpty { return .int(range.count + 1) }
        var count = 0
        var start = range.lowerBound
        while let place = try run.find(part, in: Array(text[..<range.upperBound]), from: start) {
            count += 1
            start = place + part.count
        }
        return .int(count)
    }

    private static let partition: Method = { run, value, arguments throws(ApusError) in
        let part = try run.string(try run.bind(arguments, "partition", ["sep"], required: 1)[0] ?? .none, "partition")
        let text = try text(run, value)
        guard !part.isEmpty else { throw run.fail("an empty separator") }
        try run.allocate(text.count)
        guard let place = try run.find(part, in: text) else {
            return try run.tuple([value, like(value, []), like(value, [])])
        }
        return try run.tuple([
            like(value, Array(text[..<place])), like(value, part), like(value, Array(text[(place + part.count)...])),
        ])
    }

    private static let partitionFromEnd: Method = { run, value, arguments throws(ApusError) in
        let part = try run.string(try run.bind(arguments, "rpartition", ["sep"], required: 1)[0] ?? .none, "rpartition")
        let text = try text(run, value)
        guard !part.isEmpty else { throw run.fail("an empty separator") }
        try run.allocate(text.count)
        try run.charge(text.count / 16 * part.count)
        guard let place = text.lastIndex(of: part, in: 0..<text.count) else {
            return try run.tuple([like(value, []), like(value, []), value])
        }
        return try run.tuple([
            like(value, Array(text[..<place])), like(value, part), like(value, Array(text[(place + part.count)...])),
        ])
    }

    // MARK: Splitting and joining

    private static func splitArguments(
        _ run: Interpreter, _ arguments: Arguments
    ) throws(ApusError) -> (separator: Text?, most: Int) {
        let values = try run.bind(arguments, "split", ["sep", "maxsplit"])
        let separator = values[0] ?? .none
        let most = try run.integer(values[1] ?? .int(-1), "maxsplit")
        if separator.isNone { return (nil, most < 0 ? .max : most) }
        let text = try run.string(separator, "split")
        if text.isEmpty { throw run.fail("split: an empty separator") }
        return (text, most < 0 ? .max : most)
    }

    private static func list(_ run: Interpreter, _ value: Value, _ parts: [Text]) throws(ApusError) -> Value {
        try run.allocate(parts.count, bytesEach: 64)
        try run.allocate(value.string?.count ?? 0)
        return try run.list(parts.map { like(value, $0) })
    }

    private static let split: Method = { run, value, arguments throws(ApusError) in
        let (separator, most) = try splitArguments(run, arguments)
        let text = try text(run, value)
        var parts: [Text] = []
        var start = 0
        guard let separator else {
            while true {
                while start < text.count, text[start].isPythonSpace { start += 1 }
                if start == text.count { break }
                if parts.count == most {
                    parts.append(Array(text[start...]))
                    break
                }
                let end = text[start...].firstIndex(where: \.isPythonSpace) ?? text.count
                parts.append(Array(text[start..<end]))
                start = end
            }
            return try list(run, value, parts)
        }
        try run.charge(text.count / 16 * (1 + separator.count / 8))
        while parts.count < most, let place = text.firstIndex(of: separator, in: start..<text.count) {
            try run.charge()
            parts.append(Array(text[start..<place]))
            start = place + separator.count
        }
        parts.append(Array(text[start...]))
        return try list(run, value, parts)
    }

    private static let splitFromEnd: Method = { run, value, arguments throws(ApusError) in
        let (separator, most) = try splitArguments(run, arguments)
        let text = try text(run, value)
        var parts: [Text] = []
        var end = text.count
        guard let separator else {
            while true {
                while end > 0, text[end - 1].isPythonSpace { end -= 1 }
                if end == 0 { break }
                if parts.count == most {
                    parts.append(Array(text[..<end]))
                    break
                }
                let start = text[..<end].lastIndex(where: \.isPythonSpace).map { $0 + 1 } ?? 0
                parts.append(Array(text[start..<end]))
                end = start
            }
            return try list(run, value, parts.reversed())
        }
        try run.charge(text.count / 16 * (1 + separator.count / 8))
        while parts.count < most, let place = text.lastIndex(of: separator, in: 0..<end) {
            try run.charge()
            parts.append(Array(text[(place + separator.count)..<end]))
            end = place
        }
        parts.append(Array(text[..<end]))
        return try list(run, value, parts.reversed())
    }

    private static let splitLines: Method = { run, value, arguments throws(ApusError) in
        let keeps = try run.bind(arguments, "splitlines", ["keepends"])[0] ?? .bool(false)
        return try list(run, value, try text(run, value).lines(keepingEnds: try run.isTrue(keeps)))
    }

    private static let replace: Method = { run, value, arguments throws(ApusError) in
        let values = try run.bind(arguments, "replace", ["old", "new", "count"], required: 2)
        let old = try run.string(values[0] ?? .none, "replace")
        let new = try run.string(values[1] ?? .none, "replace")
        let most = try run.integer(values[2] ?? .int(-1), "replace")
        return like(value, try run.replaced(try text(run, value), old, new, most))
    }

    private static let join: Method = { run, value, arguments throws(ApusError) in
        let items = try run.items(of: try run.bind(arguments, "join", ["iterable"], required: 1)[0] ?? .none)
        let separator = value.string ?? []
        var result: Text = []
        for (index, item) in items.enumerated() {
            let text = try run.string(item, "join")
            try run.allocate(text.count + separator.count)
            if index > 0 { result += separator }
            result += text
        }
        return like(value, result)
    }
}

extension Interpreter {
    func replaced(_ text: Text, _ old: Text, _ new: Text, _ count: Int) throws(ApusError) -> Text {
        var left = count < 0 ? Int.max : count
        try allocate(text.count)
        try charge(text.count / 16 * (1 + old.count / 8))
        var result: Text = []
        guard !old.isEmpty else {
            for (index, scalar) in text.enumerated() {
                if left > 0 {
                    try allocate(new.count + 1)
                    result += new
                    left -= 1
                }
                result.append(scalar)
                if index == text.count - 1, left > 0 { result += new }
            }
            return text.isEmpty && left > 0 ? new : result
        }
        var start = 0
        while left > 0, let place = text.firstIndex(of: old, in: start..<text.count) {
            try allocate(new.count + 1)
            try charge()
            result += text[start..<place]
            result += new
            start = place + old.count
            left -= 1
        }
        return result + text[start...]
    }
}
