internal import ApusAPI
internal import ApusGGUF

/// Says a Go template in Jinja: text becomes literals, so that Jinja's rules for white space do not matter; variables, which
/// Go can assign from inside a loop, become members of a namespace; the dot becomes a variable for each `range` and `with`.
struct GoTemplateTranslator {
    /// The names of all fields that the template reads from its data.
    private(set) var fields: Set<String> = []

    private enum Block {
        case branch, loop, scope
    }

    private var output = "{% set go = namespace() %}"
    /// The blocks that are open, each with the variable that is its dot, if it has one of its own.
    private var blocks: [(kind: Block, dot: String?, ends: String)] = []
    private var dots = 0
    /// Blocks that may be open at the same time.
    private static let mostBlocks = 100

    /// Translates a template.
    ///
    /// - Parameter source: The template.
    /// - Returns: It in Jinja.
    /// - Throws: `ApusError` with code `format` or `unsupported` that names the construct.
    mutating func translate(_ source: String) throws(ApusError) -> String {
        for piece in try GoTemplatePiece.pieces(of: source) {
            switch piece {
            case .text(let text): output += "{{ \(Self.literal(text)) }}"
            case .action(let action):
                try translate(action: action)
                if blocks.count > Self.mostBlocks { throw Self.fault("blocks are nested too deeply") }
            }
        }
        guard blocks.isEmpty else { throw Self.fault("a block has no {{ end }}") }
        return output
    }

    /// The variable that is the dot now; nil at the top, where it is the data.
    private var dot: String? { blocks.last { $0.dot != nil }?.dot }

    private mutating func translate(action: String) throws(ApusError) {
        var tokens = try GoTemplateToken.tokens(of: action)[...]
        guard case .name(let word)? = tokens.first else { return try translate(output: tokens) }
        switch word {
        case "if":
            output += "{% if \(try expression(tokens.dropFirst())) %}"
            blocks.append((.branch, nil, "{% endif %}"))
        case "else": try translate(otherwise: tokens.dropFirst())
        case "range": try translate(loop: tokens.dropFirst())
        case "with":
            tokens.removeFirst()
            let name = takeVariable(&tokens)
            let value = try expression(tokens)
            output += "{% if \(value) %}" + begin(.scope, "{% endif %}", is: value)
            if let name { output += "{% set go.\(name) = \(value) %}" }
        case "end":
            guard let block = blocks.popLast() else { throw Self.fault("{{ end }} ends nothing") }
            output += block.ends
        case "break", "continue":
            guard blocks.contains(where: { $0.kind == .loop }) else { throw Self.fault("{{ \(word) }} is in no range") }
            output += "{% \(word) %}"
        case "define", "template", "block":
            throw ApusError(.unsupported, "template: {{ \(word) }} is not supported")
        default: try translate(output: tokens)
        }
    }

    private mutating func translate(output tokens: ArraySlice<GoTemplateToken>) throws(ApusError) {
        var tokens = tokens
        if let name = takeVariable(&tokens) {
            output += "{% set go.\(name) = \(try expression(tokens)) %}"
        } else {
            output += "{{ \(try expression(tokens)) }}"
        }
    }

    private mutating func translate(otherwise tokens: ArraySlice<GoTemplateToken>) throws(ApusError) {
        guard let block = blocks.popLast() else { throw Self.fault("{{ else }} is in no block") }
        if tokens.isEmpty {
            output += "{% else %}"
        } else {
            guard block.kind == .branch, tokens.first == .name("if") else {
                throw Self.fault("{{ else }} is followed by something that is no condition")
            }
            output += "{% elif \(try expression(tokens.dropFirst())) %}"
        }
        // In the other part the dot is the one from outside.
        blocks.append((block.kind, nil, block.ends))
    }

    private mutating func translate(loop tokens: ArraySlice<GoTemplateToken>) throws(ApusError) {
        var tokens = tokens
        var names: [String] = []
        if case .variable(let first, [])? = tokens.first {
            let rest = tokens.dropFirst()
            if rest.first == .mark(","), case .variable(let second, [])? = rest.dropFirst().first,
                rest.dropFirst(2).first == .mark(":=")
            {
                names = [first, second]
                tokens = rest.dropFirst(3)
            } else if let name = takeVariable(&tokens) {
                names = [name]
            }
        }
        let value = try expression(tokens)
        dots += 1
        let dot = "dot\(dots)"
        output += "{% for \(dot) in \(value) %}"
        blocks.append((.loop, dot, "{% endfor %}"))
        if names.count == 2 { output += "{% set go.\(names[0]) = loop.index0 %}" }
        if let last = names.last { output += "{% set go.\(last) = \(dot) %}" }
    }

    /// Opens a block whose dot is a value.
    private mutating func begin(_ kind: Block, _ ends: String, is value: String) -> String {
        dots += 1
        blocks.append((kind, "dot\(dots)", ends))
        return "{% set dot\(dots) = \(value) %}"
    }

    /// The variable that is assigned, if that is what comes.
    private func takeVariable(_ tokens: inout ArraySlice<GoTemplateToken>) -> String? {
        guard case .variable(let name, [])? = tokens.first, !name.isEmpty,
            let mark = tokens.dropFirst().first, mark == .mark(":=") || mark == .mark("=")
        else { return nil }
        tokens = tokens.dropFirst(2)
        return name
    }

    // MARK: Expressions

    private mutating func expression(_ tokens: ArraySlice<GoTemplateToken>) throws(ApusError) -> String {
        var tokens = tokens
        let value = try pipeline(&tokens, depth: 0)
        if let token = tokens.first { throw Self.fault("found \(token.text) after an expression") }
        return value
    }

    private mutating func pipeline(
        _ tokens: inout ArraySlice<GoTemplateToken>, depth: Int
    ) throws(ApusError) -> String {
        guard depth < 50 else { throw Self.fault("expressions are nested too deeply") }
        var value = try command(&tokens, piped: nil, depth: depth)
        while tokens.first == .mark("|") {
            tokens.removeFirst()
            value = try command(&tokens, piped: value, depth: depth)
        }
        return value
    }

    private mutating func command(
        _ tokens: inout ArraySlice<GoTemplateToken>, piped: String?, depth: Int
    ) throws(ApusError) -> String {
        if case .name(let name)? = tokens.first, !["true", "false", "nil"].contains(name) {
            tokens.removeFirst()
            var arguments: [String] = []
            while let token = tokens.first, token != .mark("|"), token != .mark(")") {
                arguments.append(try operand(&tokens, depth: depth))
            }
            return try call(name, arguments + [piped].compactMap(\.self))
        }
        guard piped == nil else { throw Self.fault("'|' is followed by something that is no function") }
        return try operand(&tokens, depth: depth)
    }

    private mutating func operand(
        _ tokens: inout ArraySlice<GoTemplateToken>, depth: Int
    ) throws(ApusError) -> String {
        guard let token = tokens.popFirst() else { throw Self.fault("an expression ends too early") }
        switch token {
        case .field(let path):
            guard let dot else {
                guard let first = path.first else { throw Self.fault("'.' is the whole data here, wanted: a field") }
                fields.insert(first)
                return path.joined(separator: ".")
            }
            return ([dot] + path).joined(separator: ".")
        case .variable(let name, let path):
            if !name.isEmpty { return (["go", name] + path).joined(separator: ".") }
            guard let first = path.first else { throw Self.fault("'$' is the whole data, wanted: a field") }
            fields.insert(first)
            return path.joined(separator: ".")
        case .string(let text): return Self.literal(text)
        case .number(let text): return text
        case .name("true"): return "true"
        case .name("false"): return "false"
        case .name("nil"): return "none"
        // A function without arguments.
        case .name(let name): return try call(name, [])
        case .mark("("):
            var value = "(\(try pipeline(&tokens, depth: depth + 1)))"
            guard tokens.popFirst() == .mark(")") else { throw Self.fault("'(' has no ')'") }
            if case .member(let path)? = tokens.first {
                tokens.removeFirst()
                value = ([value] + path).joined(separator: ".")
            }
            return value
        case .mark, .member: throw Self.fault("found \(token.text), wanted: a value")
        }
    }

    private func call(_ name: String, _ arguments: [String]) throws(ApusError) -> String {
        func joined(_ word: String) -> String { "(\(arguments.joined(separator: " \(word) ")))" }
        let operators = ["ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="]
        switch (name, arguments.count) {
        case ("and", 1...): return joined("and")
        case ("or", 1...): return joined("or")
        case ("not", 1): return "(not \(arguments[0]))"
        case ("eq", 2...):
            return "(\(arguments.dropFirst().map { "\(arguments[0]) == \($0)" }.joined(separator: " or ")))"
        case ("len", 1): return "(\(arguments[0]) | length)"
        case ("index", 2...): return arguments[0] + arguments.dropFirst().map { "[\($0)]" }.joined()
        case ("slice", 2): return "\(arguments[0])[\(arguments[1]):]"
        case ("slice", 3): return "\(arguments[0])[\(arguments[1]):\(arguments[2])]"
        case ("json", 1): return "(\(arguments[0]) | tojson)"
        case ("print", 1...): return "(\(arguments.map { "(\($0) | string)" }.joined(separator: " ~ ")))"
        case ("currentDate", _): return "(strftime_now('%Y-%m-%d'))"
        case (let name, 2) where operators[name] != nil: return joined(operators[name] ?? "")
        default:
            throw ApusError(
                .unsupported,
                "template: function \(ApusError.quoted(name)) of \(arguments.count) arguments is not supported")
        }
    }

    private static func literal(_ text: String) -> String {
        var literal = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": literal += "\\\""
            case "\\": literal += "\\\\"
            case "\n": literal += "\\n"
            case "\r": literal += "\\r"
            case "\t": literal += "\\t"
            default: literal.unicodeScalars.append(scalar)
            }
        }
        return literal + "\""
    }

    static func fault(_ message: String) -> ApusError { ApusError(.format, "template: \(message)") }
}
