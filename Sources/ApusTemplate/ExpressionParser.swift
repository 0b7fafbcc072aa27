// Expressions, with the precedence that Jinja gives the operators.

import ApusGGUF

extension Parser {
    private func make(_ kind: Expression.Kind, _ line: Int, _ children: [Expression]) throws(ApusError) -> Expression {
        let depth = (children.map(\.depth).max() ?? 0) + 1
        if depth > Self.maxTreeDepth {
            throw templateError(line, "an expression of more than \(Self.maxTreeDepth) levels")
        }
        return Expression(kind, line: line, depth: depth)
    }

    mutating func expression() throws(ApusError) -> Expression {
        try descend()
        defer { depth -= 1 }
        let start = line
        var value = try or()
        while skipName("if") {
            let test = try or()
            let otherwise = skipName("else") ? try expression() : nil
            value = try make(
                .conditional(test: test, then: value, otherwise: otherwise), start,
                [test, value] + (otherwise.map { [$0] } ?? []))
        }
        return value
    }

    /// An expression, or several with commas between, which make a tuple.
    ///
    /// - Parameters:
    ///   - conditional: Whether `a if b else c` may come without brackets.
    ///   - end: A name that ends the tuple.
    mutating func tuple(conditional: Bool = true, end: String? = nil, inBrackets: Bool = false) throws(ApusError)
        -> Expression
    {
        let start = line
        var elements: [Expression] = []
        var isTuple = false
        while true {
            if !elements.isEmpty {
                guard skip(",") else { break }
                isTuple = true
            }
            if endsTuple(end) { break }
            elements.append(conditional ? try expression() : try or())
        }
        if !isTuple {
            if let only = elements.first { return only }
            guard inBrackets else { throw unexpected("an expression") }
        }
        return try make(.tuple(elements), start, elements)
    }

    private func endsTuple(_ end: String?) -> Bool {
        switch current.kind {
        case .variableEnd, .blockEnd: true
        case .symbol(")"): true
        case .name(let name): name == end
        default: false
        }
    }

    private mutating func or() throws(ApusError) -> Expression {
        let start = line
        var left = try and()
        while skipName("or") {
            let right = try and()
            left = try make(.or(left, right), start, [left, right])
        }
        return left
    }

    private mutating func and() throws(ApusError) -> Expression {
        let start = line
        var left = try not()
        while skipName("and") {
            let right = try not()
            left = try make(.and(left, right), start, [left, right])
        }
        return left
    }

    private mutating func not() throws(ApusError) -> Expression {
        let start = line
        guard skipName("not") else { return try comparison() }
        try descend()
        defer { depth -= 1 }
        let value = try not()
        return try make(.not(value), start, [value])
    }

    private static let comparisons: [(String, Comparison)] = [
        ("==", .equal), ("!=", .notEqual), ("<", .less), ("<=", .lessOrEqual), (">", .greater), (">=", .greaterOrEqual),
    ]

    private mutating func comparison() throws(ApusError) -> Expression {
        let start = line
        let first = try sum()
        var rest: [(Comparison, Expression)] = []
        while true {
            if let (symbol, kind) = Self.comparisons.first(where: { sees($0.0) }) {
                _ = skip(symbol)
                rest.append((kind, try sum()))
            } else if skipName("in") {
                rest.append((.isIn, try sum()))
            } else if seesName("not"), seesName("in", ahead: 1) {
                position += 2
                rest.append((.isNotIn, try sum()))
            } else {
                return rest.isEmpty ? first : try make(.compare(first, rest), start, [first] + rest.map(\.1))
            }
        }
    }

    private mutating func sum() throws(ApusError) -> Expression {
        let start = line
        var left = try concatenation()
        while let kind: BinaryOperator = sees("+") ? .add : sees("-") ? .subtract : nil {
            position += 1
            let right = try concatenation()
            left = try make(.binary(kind, left, right), start, [left, right])
        }
        return left
    }

    private mutating func concatenation() throws(ApusError) -> Expression {
        let start = line
        var parts = [try product()]
        while skip("~") { parts.append(try product()) }
        if parts.count == 1, let only = parts.first { return only }
        return try make(.concatenate(parts), start, parts)
    }

    private mutating func product() throws(ApusError) -> Expression {
        let start = line
        var left = try power()
        while let kind: BinaryOperator = sees("*")
            ? .multiply : sees("/") ? .divide : sees("//") ? .floorDivide : sees("%") ? .modulo : nil
        {
            position += 1
            let right = try power()
            left = try make(.binary(kind, left, right), start, [left, right])
        }
        return left
    }

    private mutating func power() throws(ApusError) -> Expression {
        let start = line
        var left = try unary()
        while skip("**") {
            let right = try unary()
            left = try make(.binary(.power, left, right), start, [left, right])
        }
        return left
    }

    private mutating func unary(filtered: Bool = true) throws(ApusError) -> Expression {
        try descend()
        defer { depth -= 1 }
        let start = line
        var value: Expression
        if skip("-") {
            let operand = try unary(filtered: false)
            value = try make(.negative(operand), start, [operand])
        } else if skip("+") {
            let operand = try unary(filtered: false)
            value = try make(.positive(operand), start, [operand])
        } else {
            value = try primary()
        }
        value = try postfix(value)
        return filtered ? try filters(of: value, startsInline: false) : value
    }

    private mutating func primary() throws(ApusError) -> Expression {
        let start = line
        let token = current
        position += 1
        switch token.kind {
        case .name(let name):
            let constant: Constant? =
                switch name {
                case "true", "True": .bool(true)
                case "false", "False": .bool(false)
                case "none", "None": Constant.none
                default: nil
                }
            if let constant { return try make(.constant(constant), start, []) }
            return try make(.name(mention(name)), start, [])
        case .string(var text):
            while case .string(let more) = current.kind {
                text += more
                position += 1
            }
            return try make(.constant(.string(text)), start, [])
        case .integer(let value): return try make(.constant(.int(value)), start, [])
        case .float(let value): return try make(.constant(.double(value)), start, [])
        case .symbol("("):
            let value = try tuple(inBrackets: true)
            try expect(")")
            return value
        case .symbol("["):
            var elements: [Expression] = []
            while !sees("]") {
                if !elements.isEmpty { try expect(",") }
                if sees("]") { break }
                elements.append(try expression())
            }
            try expect("]")
            return try make(.list(elements), start, elements)
        case .symbol("{"):
            var pairs: [(key: Expression, value: Expression)] = []
            while !sees("}") {
                if !pairs.isEmpty { try expect(",") }
                if sees("}") { break }
                let key = try expression()
                try expect(":")
                pairs.append((key, try expression()))
            }
            try expect("}")
            return try make(.dictionary(pairs), start, pairs.flatMap { [$0.key, $0.value] })
        default:
            position -= 1
            throw unexpected("an expression")
        }
    }

    /// Attributes, subscripts and calls.
    private mutating func postfix(_ base: Expression) throws(ApusError) -> Expression {
        var value = base
        while true {
            let start = line
            if skip(".") {
                if case .integer(let index) = current.kind {
                    position += 1
                    let subscripted = try make(.constant(.int(index)), start, [])
                    value = try make(.item(value, subscripted), start, [value])
                } else {
                    value = try make(.attribute(value, Text(try expectName())), start, [value])
                }
            } else if skip("[") {
                value = try subscripted(value, start)
            } else if sees("(") {
                let arguments = try arguments()
                value = try make(.call(value, arguments), start, [value] + arguments.children)
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ base: Expression, _ start: Int) throws(ApusError) -> Expression {
        var bounds: [Expression?] = [nil]
        var elements: [Expression] = []
        while !sees("]") {
            if skip(":") {
                bounds.append(nil)
                if bounds.count > 3 { throw unexpected("']'") }
            } else if skip(",") {
                if bounds.count > 1 {
                    throw templateError(start, "slices with commas are not supported", code: .unsupported)
                }
                if let last = bounds[0] { elements.append(last) }
                bounds = [nil]
            } else {
                guard bounds[bounds.count - 1] == nil else { throw unexpected("']'") }
                bounds[bounds.count - 1] = try expression()
            }
        }
        try expect("]")
        if bounds.count > 1 {
            let children = [base] + bounds.compactMap { $0 }
            return try make(
                .slice(base, start: bounds[0], stop: bounds[1], step: bounds.count > 2 ? bounds[2] : nil), start,
                children)
        }
        guard let index = bounds[0] else { throw templateError(start, "a subscript without an expression") }
        if elements.isEmpty { return try make(.item(base, index), start, [base, index]) }
        let tuple = try make(.tuple(elements + [index]), start, elements + [index])
        return try make(.item(base, tuple), start, [base, tuple])
    }

    private mutating func arguments() throws(ApusError) -> ArgumentList {
        var list = ArgumentList()
        try expect("(")
        var isFirst = true
        while !sees(")") {
            if !isFirst {
                try expect(",")
                if sees(")") { break }
            }
            isFirst = false
            if skip("*") {
                guard list.star == nil, list.doubleStar == nil else { throw unexpected("an argument") }
                list.star = try expression()
            } else if skip("**") {
                guard list.doubleStar == nil else { throw unexpected("an argument") }
                list.doubleStar = try expression()
            } else if case .name(let name) = current.kind, sees("=", ahead: 1), list.doubleStar == nil {
                position += 2
                list.keywords.append((Text(name), try expression()))
            } else {
                guard list.keywords.isEmpty, list.star == nil, list.doubleStar == nil else {
                    throw templateError(line, "a positional argument after named ones")
                }
                list.positional.append(try expression())
            }
        }
        try expect(")")
        return list
    }

    /// Filters, tests and calls of their results.
    ///
    /// - Parameter startsInline: Whether the first filter comes without `|`, as in the tag `filter`.
    mutating func filters(of base: Expression, startsInline: Bool) throws(ApusError) -> Expression {
        var value = base
        var inline = startsInline
        while true {
            let start = line
            if inline || skip("|") {
                inline = false
                let name = try dottedName()
                let arguments = sees("(") ? try arguments() : ArgumentList()
                value = try make(.filter(value, name, arguments), start, [value] + arguments.children)
            } else if skipName("is") {
                value = try test(value, start)
            } else if sees("(") {
                let arguments = try arguments()
                value = try make(.call(value, arguments), start, [value] + arguments.children)
            } else {
                return value
            }
        }
    }

    private mutating func dottedName() throws(ApusError) -> String {
        var name = try expectName()
        while skip(".") { name += "." + (try expectName()) }
        return name
    }

    private mutating func test(_ value: Expression, _ start: Int) throws(ApusError) -> Expression {
        let isNegated = skipName("not")
        let name = try dottedName()
        var arguments = ArgumentList()
        if sees("(") {
            arguments = try self.arguments()
        } else if startsArgument {
            if seesName("is") { throw templateError(line, "tests one after the other: write (a is b) is c") }
            arguments.positional = [try postfix(try primary())]
        }
        let test = try make(.test(value, name, arguments), start, [value] + arguments.children)
        return isNegated ? try make(.not(test), start, [test]) : test
    }

    private var startsArgument: Bool {
        switch current.kind {
        case .name(let name): name != "else" && name != "or" && name != "and"
        case .string, .integer, .float: true
        case .symbol(let symbol): symbol == "[" || symbol == "{"
        default: false
        }
    }
}
