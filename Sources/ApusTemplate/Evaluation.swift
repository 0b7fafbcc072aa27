// Expressions.

import ApusGGUF

extension Interpreter {
    func evaluate(_ expression: Expression) throws(ApusError) -> Value {
        try charge()
        line = expression.line
        switch expression.kind {
        case .constant(let constant):
            switch constant {
            case .none: return .none
            case .bool(let value): return .bool(value)
            case .int(let value): return .int(value)
            case .double(let value): return .double(value)
            case .string(let value): return .string(value)
            }
        case .name(let symbol): return try lookUp(symbol)
        case .blockContent: return blockContent
        default: break
        }
        try enter()
        defer { leave() }
        switch expression.kind {
        case .attribute(let base, let name):
            let base = try evaluate(base)
            line = expression.line
            return try attribute(base, name)
        case .item(let base, let index):
            let base = try evaluate(base)
            let index = try evaluate(index)
            line = expression.line
            return try item(base, index)
        case .call(let callee, let list): return try evaluateCall(callee, list, expression.line)
        case .filter, .test: return try evaluateNamed(expression)
        case .and, .or, .not, .conditional: return try evaluateLogic(expression)
        case .compare(let first, let rest): return try evaluateComparison(first, rest, expression.line)
        case .list, .tuple, .dictionary, .slice: return try evaluateContainer(expression)
        default: return try evaluateArithmetic(expression)
        }
    }

    private func evaluateCall(_ callee: Expression, _ list: ArgumentList, _ line: Int) throws(ApusError) -> Value {
        let function = try evaluate(callee)
        let arguments = try arguments(list)
        self.line = line
        return try call(function, arguments)
    }

    private func evaluateNamed(_ expression: Expression) throws(ApusError) -> Value {
        switch expression.kind {
        case .filter(let base, let name, let list):
            let base = try evaluate(base)
            let arguments = try arguments(list)
            line = expression.line
            return try applyFilter(name, base, arguments)
        case .test(let base, let name, let list):
            let base = try evaluate(base)
            let arguments = try arguments(list)
            line = expression.line
            return .bool(try applyTest(name, base, arguments))
        default: return .none
        }
    }

    func applyFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws(ApusError) -> Value {
        guard let filter = Filters.all[name] else {
            throw fail("the filter \(ApusError.quoted(name)) is not supported", .unsupported)
        }
        try charge(4)
        return try filter(self, value, arguments)
    }

    func applyTest(_ name: String, _ value: Value, _ arguments: Arguments) throws(ApusError) -> Bool {
        guard let test = Tests.all[name] else {
            throw fail("the test \(ApusError.quoted(name)) is not supported", .unsupported)
        }
        try charge(2)
        return try test(self, value, arguments)
    }

    private func evaluateLogic(_ expression: Expression) throws(ApusError) -> Value {
        switch expression.kind {
        case .and(let left, let right):
            let value = try evaluate(left)
            return try isTrue(value) ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return try isTrue(value) ? value : try evaluate(right)
        case .not(let operand): return .bool(!(try isTrue(try evaluate(operand))))
        case .conditional(let test, let then, let otherwise):
            if try isTrue(try evaluate(test)) { return try evaluate(then) }
            if let otherwise { return try evaluate(otherwise) }
            return .undefined(Value.Undefined("the inline if had no else, and its condition was false"))
        default: return .none
        }
    }

    private func evaluateComparison(
        _ first: Expression, _ rest: [(Comparison, Expression)], _ line: Int
    ) throws(ApusError) -> Value {
        var left = try evaluate(first)
        for (comparison, operand) in rest {
            let right = try evaluate(operand)
            self.line = line
            guard try compare(left, comparison, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    private func evaluateContainer(_ expression: Expression) throws(ApusError) -> Value {
        switch expression.kind {
        case .list(let elements): return try list(try evaluateAll(elements))
        case .tuple(let elements): return try tuple(try evaluateAll(elements))
        case .dictionary(let pairs):
            var values: [(key: Value, value: Value)] = []
            for pair in pairs { values.append((try evaluate(pair.key), try evaluate(pair.value))) }
            return try dictionary(values)
        case .slice(let base, let start, let stop, let step):
            let base = try evaluate(base)
            var bounds: [Int?] = []
            for bound in [start, stop, step] {
                let value = try bound.map { bound throws(ApusError) in try evaluate(bound) } ?? Value.none
                switch value {
                case .none: bounds.append(nil)
                case .int(let index): bounds.append(index)
                case .bool(let index): bounds.append(index ? 1 : 0)
                case .undefined: throw fail("a slice's bound is undefined")
                default: throw fail("a slice's bound is of type \(value.typeName), wanted an integer")
                }
            }
            line = expression.line
            return try slice(base, bounds[0], bounds[1], bounds[2])
        default: return .none
        }
    }

    private func evaluateAll(_ expressions: [Expression]) throws(ApusError) -> [Value] {
        var values: [Value] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    private func evaluateArithmetic(_ expression: Expression) throws(ApusError) -> Value {
        switch expression.kind {
        case .binary(let kind, let left, let right):
            let left = try evaluate(left)
            let right = try evaluate(right)
            line = expression.line
            return try apply(kind, left, right)
        case .concatenate(let parts):
            var result: Text = []
            for part in parts {
                let text = try text(of: try evaluate(part))
                try allocate(text.count)
                result += text
            }
            return .string(result)
        case .negative(let operand):
            let value = try evaluate(operand)
            line = expression.line
            switch try number(value, "-") {
            case .int(let number):
                guard number != .min else { throw integerOverflow }
                return .int(-number)
            case .double(let number): return .double(-number)
            }
        case .positive(let operand):
            let value = try evaluate(operand)
            line = expression.line
            switch try number(value, "+") {
            case .int(let number): return .int(number)
            case .double(let number): return .double(number)
            }
        default: return .none
        }
    }

    func arguments(_ list: ArgumentList) throws(ApusError) -> Arguments {
        var arguments = Arguments(positional: try evaluateAll(list.positional))
        for keyword in list.keywords {
            arguments.keywords.append((keyword.name, try evaluate(keyword.value)))
        }
        if let star = list.star { arguments.positional += try items(of: try evaluate(star)) }
        if let doubleStar = list.doubleStar {
            guard case .dictionary(let dictionary) = try evaluate(doubleStar) else {
                throw fail("'**' wants a dictionary")
            }
            for (key, value) in zip(dictionary.keys, dictionary.values) {
                guard let name = key.string else { throw fail("the name of an argument must be a string") }
                arguments.keywords.append((name, value))
            }
        }
        for (index, keyword) in arguments.keywords.enumerated()
        where arguments.keywords[..<index].contains(where: { $0.name == keyword.name }) {
            throw fail("the argument \(ApusError.quoted(keyword.name.string)) is given twice")
        }
        return arguments
    }
}
