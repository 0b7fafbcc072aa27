// Jinja's tests, what stands after `is`.

import ApusGGUF

enum Tests {
    typealias Test = @Sendable (Interpreter, Value, Arguments) throws(ApusError) -> Bool

    static let all: [String: Test] = [
        "defined": plain { !$0.isUndefined },
        "undefined": plain(\.isUndefined),
        "none": plain(\.isNone),
        "boolean": plain { if case .bool = $0 { true } else { false } },
        "true": plain { if case .bool(true) = $0 { true } else { false } },
        "false": plain { if case .bool(false) = $0 { true } else { false } },
        "integer": plain { if case .int = $0 { true } else { false } },
        "float": plain { if case .double = $0 { true } else { false } },
        "number": plain { $0.number != nil },
        "string": plain { $0.string != nil },
        "escaped": plain(\.isMarkup),
        "mapping": plain { if case .dictionary = $0 { true } else { false } },
        "sequence": plain {
            switch $0 {
            case .string, .markup, .list, .tuple, .dictionary, .range, .undefined: true
            default: false
            }
        },
        "iterable": plain {
            switch $0 {
            case .string, .markup, .list, .tuple, .dictionary, .range, .undefined, .view, .iterator, .loop: true
            default: false
            }
        },
        "callable": plain {
            switch $0 {
            case .macro, .function, .method, .undefined, .loop: true
            default: false
            }
        },
        "lower": { run, value, arguments throws(ApusError) in
            StringMethods.isLower(try run.text(of: value))
        },
        "upper": { run, value, arguments throws(ApusError) in
            StringMethods.isUpper(try run.text(of: value))
        },
        "odd": { run, value, arguments throws(ApusError) in try isDivisible(run, value, .int(2), remainder: 1) },
        "even": { run, value, arguments throws(ApusError) in try isDivisible(run, value, .int(2), remainder: 0) },
        "divisibleby": { run, value, arguments throws(ApusError) in
            try isDivisible(run, value, try other(run, arguments), remainder: 0)
        },
        "filter": { run, value, arguments throws(ApusError) in
            Filters.all[try run.string(value, "filter").string] != nil
        },
        "test": { run, value, arguments throws(ApusError) in all[try run.string(value, "test").string] != nil },
        "in": { run, value, arguments throws(ApusError) in
            try run.contains(try other(run, arguments), value)
        },
        "sameas": { run, value, arguments throws(ApusError) in
            let other = try other(run, arguments)
            switch (value, other) {
            case (.none, .none): return true
            case (.bool(let one), .bool(let other)): return one == other
            case (.int(let one), .int(let other)): return one == other
            case (.list(let one), .list(let other)), (.tuple(let one), .tuple(let other)): return one === other
            case (.dictionary(let one), .dictionary(let other)): return one === other
            case (.namespace(let one), .namespace(let other)): return one === other
            case (.macro(let one), .macro(let other)): return one === other
            case (.string, .string): throw run.fail("'sameas' on strings is not supported", .unsupported)
            default: return false
            }
        },
        "eq": comparison(.equal), "equalto": comparison(.equal), "==": comparison(.equal),
        "ne": comparison(.notEqual), "!=": comparison(.notEqual),
        "lt": comparison(.less), "lessthan": comparison(.less), "<": comparison(.less),
        "le": comparison(.lessOrEqual), "<=": comparison(.lessOrEqual),
        "gt": comparison(.greater), "greaterthan": comparison(.greater), ">": comparison(.greater),
        "ge": comparison(.greaterOrEqual), ">=": comparison(.greaterOrEqual),
    ]

    private static func plain(_ test: @escaping @Sendable (Value) -> Bool) -> Test {
        { run, value, arguments throws(ApusError) in
            _ = try run.bind(arguments, "the test", [])
            return test(value)
        }
    }

    private static func other(_ run: Interpreter, _ arguments: Arguments) throws(ApusError) -> Value {
        try run.bind(arguments, "the test", ["other"], required: 1)[0] ?? .none
    }

    private static func comparison(_ comparison: Comparison) -> Test {
        { run, value, arguments throws(ApusError) in
            try run.compare(value, comparison, try other(run, arguments))
        }
    }

    private static func isDivisible(
        _ run: Interpreter, _ value: Value, _ divisor: Value, remainder: Int
    ) throws(ApusError) -> Bool {
        try run.equal(try run.apply(.modulo, value, divisor), .int(remainder))
    }
}
