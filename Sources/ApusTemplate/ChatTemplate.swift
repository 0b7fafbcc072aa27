// The template that a model's file brings along, which turns a conversation into a prompt.

public import ApusGGUF
public import ApusJSON

/// A chat template: the part of Jinja that such templates use, with the results of Python's jinja2 as Hugging Face
/// sets it up (immutable sandbox, `trim_blocks`, `lstrip_blocks`, `break` and `continue`).
///
/// A template can reach nothing but its arguments and, with `strftime_now`, the date.
public struct ChatTemplate: Sendable {
    /// The most text that is read as a template.
    private static let maxBytes = 1 << 20

    private let program: Program

    /// Parses a template.
    ///
    /// - Parameter source: The template's text, as in `tokenizer.chat_template`.
    /// - Throws: `format` for a fault in the template, `unsupported` for a tag that is not supported; both name the
    ///   construct and its line.
    public init(source: String) throws(ApusError) {
        guard source.utf8.count <= Self.maxBytes else {
            throw ApusError(
                .format, "chat template of \(source.utf8.count) bytes, wanted \(Self.maxBytes) at most")
        }
        program = try Parser.parse(source)
    }

    /// Renders the template.
    ///
    /// - Parameters:
    ///   - arguments: An object with the template's variables: by custom `messages`, `tools`, `documents`,
    ///     `add_generation_prompt`, `bos_token`, `eos_token`.
    ///   - limits: What rendering may cost.
    ///   - time: The time that `strftime_now` tells, in seconds since 1970; nil for now.
    /// - Returns: The prompt.
    /// - Throws: `format` for a fault, also one that the template itself reports with `raise_exception`, and for a
    ///   limit that is met; `unsupported` for what is not supported. Both name the line.
    public func render(
        _ arguments: JSONValue, limits: TemplateLimits = TemplateLimits(), time: Int? = nil
    ) throws(ApusError) -> String {
        try text(arguments, trusted: [], limits: limits, time: time).string
    }

    /// Renders the template and says what of the prompt it did not write itself.
    ///
    /// The arguments' strings are foreign, and what is made of them; but not those that are just a role's name, which
    /// templates write into control tokens.
    ///
    /// - Parameters:
    ///   - arguments: As for `render`.
    ///   - trusted: More variables, whose text counts as the template's own, such as `bos_token`.
    ///   - limits: What rendering may cost.
    ///   - time: The time that `strftime_now` tells, in seconds since 1970; nil for now.
    /// - Returns: The prompt.
    /// - Throws: As `render`.
    public func prompt(
        _ arguments: JSONValue, trusted: [JSONValue.Member] = [], limits: TemplateLimits = TemplateLimits(),
        time: Int? = nil
    ) throws(ApusError) -> RenderedPrompt {
        RenderedPrompt(try text(arguments, trusted: trusted, limits: limits, time: time))
    }

    private func text(
        _ arguments: JSONValue, trusted: [JSONValue.Member], limits: TemplateLimits, time: Int?
    ) throws(ApusError) -> Text {
        guard case .object(let members) = arguments else {
            throw ApusError(.invalidArgument, "the arguments of a chat template: wanted an object")
        }
        var symbols: [String: Int] = [:]
        for (symbol, name) in program.names.enumerated() { symbols[name] = symbol }
        var values = [Value?](repeating: nil, count: program.names.count)
        for (members, isForeign) in [(members, true), (trusted, false)] {
            for member in members {
                guard let symbol = symbols[member.name] else { continue }
                values[symbol] = try Self.value(member.value, depth: 0, isForeign: isForeign)
            }
        }
        return try Interpreter(program, arguments: values, limits: limits, clock: time).run()
    }

    /// The roles that templates know.
    private static let roles: Set<String> = [
        "assistant", "chatbot", "context", "developer", "document", "environment", "function", "human", "ipython",
        "model", "observation", "system", "tool", "tool_response", "user",
    ]

    private static func text(_ string: String, isForeign: Bool) -> Text {
        let isForeign = isForeign && !roles.contains(string)
        return string.unicodeScalars.map { CodePoint($0, isForeign: isForeign) }
    }

    private static func value(_ json: JSONValue, depth: Int, isForeign: Bool) throws(ApusError) -> Value {
        guard depth < Interpreter.maxValueDepth - 10 else {
            throw ApusError(.invalidArgument, "the arguments of a chat template are nested too deeply")
        }
        switch json {
        case .null: return .none
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .double(let value): return .double(value)
        case .string(let value): return .string(text(value, isForeign: isForeign))
        case .array(let elements):
            var items: [Value] = []
            items.reserveCapacity(elements.count)
            var levels = 0
            for element in elements {
                let item = try self.value(element, depth: depth + 1, isForeign: isForeign)
                levels = max(levels, item.depth)
                items.append(item)
            }
            return .list(Value.Sequence(items, depth: levels + 1, isGroup: false))
        case .object(let members):
            var keys: [Value] = []
            var values: [Value] = []
            var index: [Value.Key: Int] = [:]
            var levels = 0
            for member in members {
                let value = try self.value(member.value, depth: depth + 1, isForeign: isForeign)
                let name = text(member.name, isForeign: isForeign)
                levels = max(levels, value.depth)
                // As Python's json has it: the place of the first, the value of the last.
                if let known = index[.string(name)] {
                    values[known] = value
                } else {
                    index[.string(name)] = keys.count
                    keys.append(.string(name))
                    values.append(value)
                }
            }
            return .dictionary(Value.Dictionary(keys: keys, values: values, index: index, depth: levels + 1))
        }
    }
}

/// What rendering a template may cost. A template that wants more ends in an error.
public struct TemplateLimits: Sendable, Hashable {
    /// Steps of work: an expression or statement is one, large values cost more.
    public var steps: Int
    /// Bytes of all texts, lists and dictionaries that are made, also of those that are gone again.
    public var memoryBytes: Int
    /// Bytes that are written, those that macros and blocks return included.
    public var outputBytes: Int
    /// Levels of blocks, expressions and calls.
    public var depth: Int

    /// Makes limits; the standard ones leave room for conversations of some megabytes.
    ///
    /// - Parameters:
    ///   - steps: Steps of work.
    ///   - memoryBytes: Bytes of all values that are made.
    ///   - outputBytes: Bytes that are written.
    ///   - depth: Levels of blocks, expressions and calls.
    public init(
        steps: Int = 10_000_000, memoryBytes: Int = 1 << 29, outputBytes: Int = 1 << 26, depth: Int = 400
    ) {
        self.steps = steps
        self.memoryBytes = memoryBytes
        self.outputBytes = outputBytes
        self.depth = depth
    }
}
