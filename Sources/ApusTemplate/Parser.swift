// Tokens to statements, as Jinja's parser reads them.

import ApusGGUF

struct Parser {
    /// How deeply brackets, operators and blocks may be nested.
    static let maxDepth = 160
    /// How many levels an expression's tree may have: chains such as `a + b + c` add a level each.
    static let maxTreeDepth = 300

    var tokens: [Token]
    var position = 0
    var depth = 0
    private var symbols: [String: Symbol] = [:]
    private var names: [String] = []
    private var loops = 0
    /// The names that the macros being parsed mention, one set for each.
    private var mentioned: [Set<Symbol>] = []

    static func parse(_ source: String) throws(ApusError) -> Program {
        var parser = Parser(tokens: try Lexer.tokens(of: source))
        let (loop, caller) = (parser.symbol("loop"), parser.symbol("caller"))
        let (varargs, kwargs) = (parser.symbol("varargs"), parser.symbol("kwargs"))
        let body = try parser.statements(until: [])
        return Program(
            body: body, names: parser.names, loop: loop, caller: caller, varargs: varargs, kwargs: kwargs)
    }

    private init(tokens: [Token]) { self.tokens = tokens }

    // MARK: Tokens

    var current: Token { tokens[min(position, tokens.count - 1)] }
    var line: Int { current.line }

    func sees(_ symbol: String, ahead: Int = 0) -> Bool {
        guard case .symbol(let found) = tokens[min(position + ahead, tokens.count - 1)].kind else { return false }
        return found == symbol
    }

    func seesName(_ name: String, ahead: Int = 0) -> Bool {
        guard case .name(let found) = tokens[min(position + ahead, tokens.count - 1)].kind else { return false }
        return found == name
    }

    mutating func skip(_ symbol: String) -> Bool {
        guard sees(symbol) else { return false }
        position += 1
        return true
    }

    mutating func skipName(_ name: String) -> Bool {
        guard seesName(name) else { return false }
        position += 1
        return true
    }

    mutating func expect(_ symbol: String) throws(ApusError) {
        guard skip(symbol) else { throw unexpected("'\(symbol)'") }
    }

    mutating func expectName() throws(ApusError) -> String {
        guard case .name(let name) = current.kind else { throw unexpected("a name") }
        position += 1
        return name
    }

    func unexpected(_ wanted: String) -> ApusError {
        let found =
            switch current.kind {
            case .data, .variableBegin, .blockBegin: "text"
            case .variableEnd: "'}}'"
            case .blockEnd: "'%}'"
            case .name(let name): ApusError.quoted(name)
            case .string: "a string"
            case .integer, .float: "a number"
            case .symbol(let symbol): "'\(symbol)'"
            case .end: "the end of the template"
            }
        return templateError(line, "found \(found), wanted: \(wanted)")
    }

    mutating func symbol(_ name: String) -> Symbol {
        if let known = symbols[name] { return known }
        let new = Symbol(clamping: names.count)
        symbols[name] = new
        names.append(name)
        return new
    }

    /// The symbol of a name that an expression reads.
    mutating func mention(_ name: String) -> Symbol {
        let symbol = symbol(name)
        if let last = mentioned.indices.last { mentioned[last].insert(symbol) }
        return symbol
    }

    mutating func descend() throws(ApusError) {
        depth += 1
        if depth > Self.maxDepth { throw templateError(line, "nested deeper than \(Self.maxDepth) levels") }
    }

    // MARK: Statements

    /// Statements up to a block whose first name is one of those given; the position is then at that name.
    private mutating func statements(until ends: Set<String>) throws(ApusError) -> [Statement] {
        try descend()
        defer { depth -= 1 }
        var body: [Statement] = []
        while true {
            let line = line
            switch current.kind {
            case .data(let text):
                position += 1
                body.append(Statement(kind: .data(text), line: line))
            case .variableBegin:
                position += 1
                let value = try tuple()
                guard current.kind == .variableEnd else { throw unexpected("'}}'") }
                position += 1
                body.append(Statement(kind: .output(value), line: line))
            case .blockBegin:
                position += 1
                guard case .name(let name) = current.kind else { throw unexpected("a tag's name") }
                if ends.contains(name) { return body }
                position += 1
                body.append(contentsOf: try statement(name, line))
            case .end:
                guard ends.isEmpty else {
                    throw unexpected(ends.sorted().map { "'\($0)'" }.joined(separator: " or "))
                }
                return body
            default: throw unexpected("text or a tag")
            }
        }
    }

    private mutating func endTag() throws(ApusError) {
        guard current.kind == .blockEnd else { throw unexpected("'%}'") }
        position += 1
    }

    /// The body of a block and its end tag.
    private mutating func body(until end: String) throws(ApusError) -> [Statement] {
        try endTag()
        let body = try statements(until: [end])
        position += 1
        try endTag()
        return body
    }

    private mutating func statement(_ name: String, _ line: Int) throws(ApusError) -> [Statement] {
        switch name {
        case "if": return [Statement(kind: try conditional(), line: line)]
        case "for": return [Statement(kind: try loop(), line: line)]
        case "set": return [Statement(kind: try set(), line: line)]
        case "macro": return [Statement(kind: try macro(), line: line)]
        case "call": return [Statement(kind: try call(), line: line)]
        case "with": return [Statement(kind: try with(), line: line)]
        case "filter":
            let content = Expression(.blockContent, line: line, depth: 1)
            let filters = try filters(of: content, startsInline: true)
            return [Statement(kind: .filter(filters, try body(until: "endfilter")), line: line)]
        case "generation":
            // A mark for training, transparent but for having variables of its own.
            let outer = loops
            loops = 0
            defer { loops = outer }
            return [Statement(kind: .scope(try body(until: "endgeneration")), line: line)]
        case "break", "continue":
            guard loops > 0 else { throw templateError(line, "'\(name)' outside of a loop") }
            try endTag()
            return [Statement(kind: name == "break" ? .breakLoop : .continueLoop, line: line)]
        case "print":
            var outputs: [Statement] = []
            while current.kind != .blockEnd {
                if !outputs.isEmpty { try expect(",") }
                outputs.append(Statement(kind: .output(try expression()), line: line))
            }
            try endTag()
            return outputs
        case "block", "extends", "include", "import", "from", "autoescape", "do", "trans", "debug":
            throw templateError(line, "the tag '\(name)' is not supported", code: .unsupported)
        default:
            throw templateError(line, "unknown tag \(ApusError.quoted(name))", code: .unsupported)
        }
    }

    private mutating func conditional() throws(ApusError) -> Statement.Kind {
        var branches: [(test: Expression, body: [Statement])] = []
        while true {
            let test = try tuple(conditional: false)
            try endTag()
            branches.append((test, try statements(until: ["elif", "else", "endif"])))
            let end = try expectName()
            if end == "elif" { continue }
            guard end == "else" else {
                try endTag()
                return .conditional(branches, otherwise: [])
            }
            return .conditional(branches, otherwise: try body(until: "endif"))
        }
    }

    private mutating func loop() throws(ApusError) -> Statement.Kind {
        let target = try target()
        guard skipName("in") else { throw unexpected("'in'") }
        let sequence = try tuple(conditional: false, end: "recursive")
        let filter = skipName("if") ? try expression() : nil
        let isRecursive = skipName("recursive")
        try endTag()
        loops += 1
        let inside = try statements(until: ["endfor", "else"])
        loops -= 1
        var otherwise: [Statement] = []
        if try expectName() == "else" { otherwise = try body(until: "endfor") } else { try endTag() }
        return .loop(
            Loop(
                target: target, sequence: sequence, filter: filter, isRecursive: isRecursive, body: inside,
                otherwise: otherwise))
    }

    private mutating func set() throws(ApusError) -> Statement.Kind {
        let target = try target(namespaces: true)
        if skip("=") {
            let value = try tuple()
            try endTag()
            return .set(target, value)
        }
        let content = Expression(.blockContent, line: line, depth: 1)
        let filter = sees("|") ? try filters(of: content, startsInline: false) : nil
        return .setBlock(target, filter, try body(until: "endset"))
    }

    private mutating func target(namespaces: Bool = false) throws(ApusError) -> Target {
        func one(_ parser: inout Parser) throws(ApusError) -> Target {
            if parser.skip("(") {
                try parser.descend()
                defer { parser.depth -= 1 }
                let inner = try parser.target()
                try parser.expect(")")
                return inner
            }
            let line = parser.line
            let name = try parser.expectName()
            if ["true", "false", "none", "True", "False", "None"].contains(name) {
                throw templateError(line, "cannot assign to '\(name)'")
            }
            if namespaces, parser.skip(".") {
                return .attribute(parser.mention(name), Text(try parser.expectName()))
            }
            return .name(parser.symbol(name))
        }
        let first = try one(&self)
        guard sees(",") else { return first }
        var all = [first]
        while skip(",") {
            guard case .name(let name) = current.kind, name != "in" else {
                if sees("(") {
                    all.append(try one(&self))
                    continue
                }
                break
            }
            all.append(try one(&self))
        }
        return .tuple(all)
    }

    private mutating func parameters() throws(ApusError) -> [MacroDefinition.Parameter] {
        var parameters: [MacroDefinition.Parameter] = []
        try expect("(")
        while !skip(")") {
            if !parameters.isEmpty { try expect(",") }
            let name = try expectName()
            let fallback = skip("=") ? try expression() : nil
            if fallback == nil, parameters.last?.fallback != nil {
                throw templateError(line, "a parameter without a default after one that has it")
            }
            parameters.append(.init(symbol: symbol(name), name: Text(name), fallback: fallback))
        }
        return parameters
    }

    private mutating func definition(
        _ name: String, _ parameters: [MacroDefinition.Parameter], end: String
    ) throws(ApusError) -> MacroDefinition {
        let outer = loops
        loops = 0
        mentioned.append([])
        let body = try body(until: end)
        loops = outer
        let used = mentioned.removeLast()
        if let last = mentioned.indices.last { mentioned[last].formUnion(used) }
        return MacroDefinition(
            name: name, parameters: parameters, body: body, usesVarargs: used.contains(symbol("varargs")),
            usesKwargs: used.contains(symbol("kwargs")), usesCaller: used.contains(symbol("caller")))
    }

    private mutating func macro() throws(ApusError) -> Statement.Kind {
        let name = try expectName()
        let parameters = try parameters()
        return .macro(symbol(name), try definition(name, parameters, end: "endmacro"))
    }

    private mutating func call() throws(ApusError) -> Statement.Kind {
        let parameters = sees("(") ? try parameters() : []
        let call = try expression()
        guard case .call = call.kind else { throw templateError(line, "'call' wants a call") }
        return .call(try definition("caller", parameters, end: "endcall"), call)
    }

    private mutating func with() throws(ApusError) -> Statement.Kind {
        var pairs: [(Target, Expression)] = []
        while current.kind != .blockEnd {
            if !pairs.isEmpty { try expect(",") }
            let target = Target.name(symbol(try expectName()))
            try expect("=")
            pairs.append((target, try expression()))
        }
        return .with(pairs, try body(until: "endwith"))
    }
}
