// Python's operators: truth, equality, order, membership, arithmetic.

import ApusGGUF

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

enum Number {
    case int(Int)
    case double(Double)

    var double: Double {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        }
    }
}

extension Value {
    /// Numbers, booleans among them.
    var number: Number? {
        switch self {
        case .bool(let value): .int(value ? 1 : 0)
        case .int(let value): .int(value)
        case .double(let value): .double(value)
        default: nil
        }
    }
}

extension Interpreter {
    func undefined(_ value: Value.Undefined) -> ApusError {
        value.isUnsafe ? fail("\(value.reason): not for templates") : fail(value.reason)
    }

    func isTrue(_ value: Value) throws(ApusError) -> Bool {
        switch value {
        case .undefined: return false
        case .none: return false
        case .bool(let value): return value
        case .int(let value): return value != 0
        case .double(let value): return value != 0
        case .string(let text), .markup(let text): return !text.isEmpty
        case .list(let sequence), .tuple(let sequence): return !sequence.items.isEmpty
        case .dictionary(let dictionary), .view(let dictionary, _): return !dictionary.keys.isEmpty
        case .range(let range): return range.count > 0
        case .loop(let state): return state.count > 0
        case .iterator, .namespace, .macro, .function, .method: return true
        }
    }

    func key(_ value: Value) throws(ApusError) -> Value.Key {
        try charge()
        switch value {
        case .undefined: return .undefined
        case .none: return .none
        case .string(let text), .markup(let text):
            try charge(text.count / 16)
            return .string(text)
        case .bool(let value): return .int(value ? 1 : 0)
        case .int(let value): return .int(value)
        case .double(let value): return Int(exactly: value).map { .int($0) } ?? .double(value)
        case .tuple(let sequence):
            var keys: [Value.Key] = []
            for item in sequence.items { keys.append(try key(item)) }
            return .tuple(keys)
        case .namespace(let object): return .object(ObjectIdentifier(object))
        case .macro(let object): return .object(ObjectIdentifier(object))
        default: throw fail("a value of type \(value.typeName) cannot be a key")
        }
    }

    func equal(_ left: Value, _ right: Value) throws(ApusError) -> Bool {
        try charge()
        if let left = left.number, let right = right.number {
            if case .int(let left) = left, case .int(let right) = right { return left == right }
            return left.double == right.double
        }
        if let left = left.string, let right = right.string {
            try charge(min(left.count, right.count) / 16)
            return left == right
        }
        switch (left, right) {
        case (.undefined, .undefined): return true
        case (.none, .none): return true
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            guard left.items.count == right.items.count else { return false }
            for (left, right) in zip(left.items, right.items) where !(try equal(left, right)) { return false }
            return true
        case (.dictionary(let left), .dictionary(let right)):
            guard left.keys.count == right.keys.count else { return false }
            for (key, value) in zip(left.keys, left.values) {
                guard let other = right[try self.key(key)], try equal(value, other) else { return false }
            }
            return true
        case (.range(let left), .range(let right)):
            return left.count == right.count && (left.count == 0 || left.start == right.start)
                && (left.count < 2 || left.step == right.step)
        case (.namespace(let left), .namespace(let right)): return left === right
        case (.macro(let left), .macro(let right)): return left === right
        case (.loop(let left), .loop(let right)): return left === right
        case (.iterator(let left), .iterator(let right)): return left === right
        case (.function(let left), .function(let right)): return left == right
        default: return false
        }
    }

    /// Negative, zero or positive; nil for NaN.
    func order(_ left: Value, _ right: Value) throws(ApusError) -> Int? {
        try charge()
        if let left = left.number, let right = right.number {
            if case .int(let left) = left, case .int(let right) = right {
                return left < right ? -1 : left > right ? 1 : 0
            }
            let (left, right) = (left.double, right.double)
            if left.isNaN || right.isNaN { return nil }
            return left < right ? -1 : left > right ? 1 : 0
        }
        if let left = left.string, let right = right.string {
            try charge(min(left.count, right.count) / 16)
            return left == right ? 0 : left.lexicographicallyPrecedes(right) ? -1 : 1
        }
        switch (left, right) {
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            for (left, right) in zip(left.items, right.items) where !(try equal(left, right)) {
                return try order(left, right)
            }
            return left.items.count - right.items.count
        case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw self.undefined(undefined)
        default: throw fail("cannot order values of types \(left.typeName) and \(right.typeName)")
        }
    }

    func isLess(_ left: Value, _ right: Value) throws(ApusError) -> Bool {
        (try order(left, right)).map { $0 < 0 } ?? false
    }

    func compare(_ left: Value, _ comparison: Comparison, _ right: Value) throws(ApusError) -> Bool {
        switch comparison {
        case .equal: return try equal(left, right)
        case .notEqual: return !(try equal(left, right))
        case .isIn: return try contains(right, left)
        case .isNotIn: return !(try contains(right, left))
        case .less: return (try order(left, right)).map { $0 < 0 } ?? false
        case .lessOrEqual: return (try order(left, right)).map { $0 <= 0 } ?? false
        case .greater: return (try order(left, right)).map { $0 > 0 } ?? false
        case .greaterOrEqual: return (try order(left, right)).map { $0 >= 0 } ?? false
        }
    }

    func contains(_ container: Value, _ value: Value) throws(ApusError) -> Bool {
        switch container {
        case .string(let text), .markup(let text):
            guard let part = value.string else {
                if case .undefined(let undefined) = value { throw self.undefined(undefined) }
                throw fail("'in' a string wants a string, found a value of type \(value.typeName)")
            }
            return try find(part, in: text) != nil
        case .dictionary(let dictionary), .view(let dictionary, .keys): return dictionary[try key(value)] != nil
        case .range(let range):
            guard let number = value.number, let wanted = Int(exactly: number.double) else { return false }
            let (offset, overflow) = wanted.subtractingReportingOverflow(range.start)
            guard !overflow, offset.isMultiple(of: range.step) else { return false }
            return offset / range.step >= 0 && offset / range.step < range.count
        default:
            for item in try items(of: container) where try equal(item, value) { return true }
            return false
        }
    }

    /// The first place of a part in a text, charged for the comparisons that may take.
    func find(_ part: Text, in text: Text, from start: Int = 0) throws(ApusError) -> Int? {
        guard start <= text.count else { return nil }
        let (product, overflow) = (text.count - start).multipliedReportingOverflow(by: part.count)
        // Most comparisons end at the first character; a text made to be slow is charged in full.
        let isPlain = Set(part.prefix(8)).count > 1 || part.count == 1
        try charge(overflow ? Int.max / 2 : isPlain ? (text.count - start) / 16 : product / 16)
        return text.firstIndex(of: part, in: start..<text.count)
    }

    func number(_ value: Value, _ symbol: String) throws(ApusError) -> Number {
        if let number = value.number { return number }
        if case .undefined(let undefined) = value { throw self.undefined(undefined) }
        throw fail("the operator '\(symbol)' does not take a value of type \(value.typeName)")
    }

    func apply(_ kind: BinaryOperator, _ left: Value, _ right: Value) throws(ApusError) -> Value {
        if let left = left.number, let right = right.number { return try calculate(kind, left, right) }
        for operand in [left, right] {
            if case .undefined(let undefined) = operand { throw self.undefined(undefined) }
        }
        switch (kind, left, right) {
        case (.add, .string(let left), .string(let right)):
            try allocate(left.count + right.count)
            return .string(left + right)
        case (.add, _, _) where left.string != nil && right.string != nil:
            // Safe text escapes what is not.
            let parts = [left, right].map { $0.isMarkup ? $0.string ?? [] : ($0.string ?? []).escapedForHTML }
            try allocate(parts[0].count + parts[1].count)
            return .markup(parts[0] + parts[1])
        case (.add, .list(let left), .list(let right)): return try list(left.items + right.items)
        case (.add, .tuple(let left), .tuple(let right)): return try tuple(left.items + right.items)
        case (.multiply, _, .int(let count)): return try repeated(left, count)
        case (.multiply, .int(let count), _): return try repeated(right, count)
        case (.multiply, _, .bool(let count)): return try repeated(left, count ? 1 : 0)
        case (.multiply, .bool(let count), _): return try repeated(right, count ? 1 : 0)
        case (.modulo, .string(let format), _): return .string(try percentFormat(format, right))
        default:
            throw fail(
                "the operator '\(kind.rawValue)' does not take values of types \(left.typeName) and "
                    + right.typeName)
        }
    }

    private func repeated(_ value: Value, _ count: Int) throws(ApusError) -> Value {
        func many<Element>(_ elements: [Element], _ bytesEach: Int) throws(ApusError) -> [Element] {
            let (total, overflow) = elements.count.multipliedReportingOverflow(by: max(count, 0))
            try allocate(overflow ? .max : total, bytesEach: bytesEach)
            var result: [Element] = []
            result.reserveCapacity(total)
            if !elements.isEmpty { for _ in 0..<max(count, 0) { result += elements } }
            return result
        }
        switch value {
        case .string(let text): return .string(try many(text, 4))
        case .markup(let text): return .markup(try many(text, 4))
        case .list(let sequence): return try list(try many(sequence.items, 16))
        case .tuple(let sequence): return try tuple(try many(sequence.items, 16))
        default: throw fail("the operator '*' does not take a value of type \(value.typeName)")
        }
    }

    private func calculate(_ kind: BinaryOperator, _ left: Number, _ right: Number) throws(ApusError) -> Value {
        if case .int(let left) = left, case .int(let right) = right, kind != .divide {
            return try calculate(kind, left, right)
        }
        let (left, right) = (left.double, right.double)
        switch kind {
        case .add: return .double(left + right)
        case .subtract: return .double(left - right)
        case .multiply: return .double(left * right)
        case .divide:
            guard right != 0 else { throw fail("division by zero") }
            return .double(left / right)
        case .floorDivide, .modulo:
            guard right != 0 else { throw fail("division by zero") }
            // As Python has it: the remainder has the sign of the divisor.
            var remainder = fmod(left, right)
            var quotient = (left - remainder) / right
            if remainder != 0, (right < 0) != (remainder < 0) {
                remainder += right
                quotient -= 1
            }
            if remainder == 0 { remainder = right < 0 ? -0.0 : 0.0 }
            if kind == .modulo { return .double(remainder) }
            var floored = quotient.rounded(.down)
            if quotient - floored > 0.5 { floored += 1 }
            return .double(quotient == 0 ? ((left / right).sign == .minus ? -0.0 : 0.0) : floored)
        case .power:
            if left < 0, right != right.rounded() {
                throw fail("the power of a negative number to a fraction is not supported", .unsupported)
            }
            let power = pow(left, right)
            guard power.isFinite || !left.isFinite || !right.isFinite else { throw fail("number out of range") }
            return .double(power)
        }
    }

    private func calculate(_ kind: BinaryOperator, _ left: Int, _ right: Int) throws(ApusError) -> Value {
        var result: (partialValue: Int, overflow: Bool)
        switch kind {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .floorDivide, .divide, .modulo:
            guard right != 0 else { throw fail("division by zero") }
            guard left != .min || right != -1 else { throw integerOverflow }
            var quotient = left / right
            var remainder = left % right
            if remainder != 0, (remainder < 0) != (right < 0) {
                quotient -= 1
                remainder += right
            }
            return .int(kind == .modulo ? remainder : quotient)
        case .power:
            guard right >= 0 else {
                guard left != 0 else { throw fail("division by zero") }
                return .double(pow(Double(left), Double(right)))
            }
            result = (1, false)
            for _ in 0..<right {
                try charge()
                result = result.partialValue.multipliedReportingOverflow(by: left)
                if result.overflow || (left == 0 || left == 1) { break }
            }
        }
        if result.overflow { throw integerOverflow }
        return .int(result.partialValue)
    }
}
