public import ApusGGUF
public import ApusJSON
public import ApusTemplate
public import ApusTokenizer

/// How a model wants a conversation: its chat template and the texts of the tokens that the template knows by name.
public struct ChatFormat: Sendable {
    /// Whether the template knows of models that think before they answer, in `<think>` and `</think>`.
    public let marksThoughts: Bool

    private let template: ChatTemplate
    private let specialTokens: [JSONValue.Member]

    /// The names that `init(named:metadata:)` knows in any model.
    public static var names: [String] { ChatForm.all.map(\.name) }

    /// Takes a template.
    ///
    /// - Parameters:
    ///   - source: The template's text.
    ///   - metadata: The metadata of the model's file, which names the begin and end tokens.
    /// - Throws: `ApusError` of `ChatTemplate.init`, or `format` when the file names tokens that it has not.
    public init(source: String, metadata: Metadata) throws(ApusError) {
        template = try ChatTemplate(source: source)
        marksThoughts = Self.marksThoughts(source)
        specialTokens = try Self.specialTokens(metadata)
    }

    /// Takes the template that a model's file has, if it has one.
    ///
    /// - Parameter metadata: The metadata of the file.
    /// - Throws: As `init(source:metadata:)`.
    public init?(_ metadata: Metadata) throws(ApusError) {
        guard let source = try metadata.optionalString("tokenizer.chat_template") else { return nil }
        try self.init(source: source, metadata: metadata)
    }

    /// Takes a template by its name: one of `names`, or of the further ones that the file has
    /// (`tokenizer.chat_template.NAME`).
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - metadata: The metadata of the file.
    /// - Throws: As `init(source:metadata:)`.
    public init?(named name: String, metadata: Metadata) throws(ApusError) {
        if let form = ChatForm.all.first(where: { $0.name == name }) {
            try self.init(source: form.source, metadata: metadata)
        } else if let source = try metadata.optionalString("tokenizer.chat_template.\(name)") {
            try self.init(source: source, metadata: metadata)
        } else {
            return nil
        }
    }

    /// The format that the file's template describes, or else the one that the vocabulary shows.
    ///
    /// - Parameters:
    ///   - metadata: The metadata of the file.
    ///   - tokenizer: The file's tokenizer.
    /// - Returns: The format.
    /// - Throws: As `init(source:metadata:)`; `format` that says what is missing when there is no telling.
    public static func find(_ metadata: Metadata, _ tokenizer: any Tokenizer) throws(ApusError) -> ChatFormat {
        if let own = try ChatFormat(metadata) { return own }
        guard let form = ChatForm.all.first(where: { $0.fits(tokenizer) }) else {
            let marks = ChatForm.all.map { "\($0.marks[0]) (\($0.name))" }.joined(separator: ", ")
            throw ApusError(
                .format,
                "no tokenizer.chat_template, and none of the tokens that show a form of chat: \(marks); "
                    + "a template can be given by name or file")
        }
        return try ChatFormat(source: form.source, metadata: metadata)
    }

    /// The format that a name or a template describes, or where there is none the one of the model.
    ///
    /// - Parameters:
    ///   - metadata: The metadata of the file.
    ///   - tokenizer: The file's tokenizer.
    ///   - template: The text of a template, or a name as in `init(named:metadata:)`; nil for the model's own.
    /// - Returns: The format.
    /// - Throws: As `find(_:_:)`.
    public static func find(
        _ metadata: Metadata, _ tokenizer: any Tokenizer, replacedBy template: String?
    ) throws(ApusError) -> ChatFormat {
        guard let template else { return try find(metadata, tokenizer) }
        if let named = try ChatFormat(named: template, metadata: metadata) { return named }
        return try ChatFormat(source: template, metadata: metadata)
    }

    /// The prompt for a conversation.
    ///
    /// - Parameters:
    ///   - messages: The conversation.
    ///   - options: What else the template is told.
    /// - Returns: The prompt, and which parts of it are the messages'.
    /// - Throws: `ApusError` of `ChatTemplate.render`, or `invalidArgument` when the last message cannot go on.
    public func prompt(
        _ messages: [ChatMessage], options: ChatPromptOptions = ChatPromptOptions()
    ) throws(ApusError) -> RenderedPrompt {
        try prompt(.array(messages.map(\.json)), options: options)
    }

    /// The prompt for a conversation in JSON, whatever the template makes of it.
    ///
    /// - Parameters:
    ///   - messages: An array of messages.
    ///   - options: What else the template is told.
    /// - Returns: The prompt, and which parts of it are the messages'.
    /// - Throws: `ApusError` of `ChatTemplate.render`, or `invalidArgument` when the last message cannot go on.
    public func prompt(
        _ messages: JSONValue, options: ChatPromptOptions = ChatPromptOptions()
    ) throws(ApusError) -> RenderedPrompt {
        let open = options.continuesFinalMessage ? try OpenMessage(messages) : nil
        let own: [JSONValue.Member] = [
            .init("messages", open?.messages ?? messages), .init("tools", options.tools), .init("documents", .null),
            .init("add_generation_prompt", .bool(open == nil && options.addsGenerationPrompt)),
        ]
        let prompt = try template.prompt(.object(options.variables + own), trusted: specialTokens)
        return try open?.open(prompt) ?? prompt
    }

    /// The tokens of a conversation's prompt.
    ///
    /// - Parameters:
    ///   - messages: The conversation.
    ///   - tokenizer: The model's.
    ///   - options: What else the template is told.
    ///   - parsesSpecial: Whether control tokens' texts in the messages become these tokens. Only for messages that are
    ///     trusted.
    /// - Returns: The tokens.
    /// - Throws: As `prompt`.
    public func ids(
        _ messages: [ChatMessage], tokenizer: any Tokenizer, options: ChatPromptOptions = ChatPromptOptions(),
        parsesSpecial: Bool = false
    ) throws(ApusError) -> [Int32] {
        Self.ids(of: try prompt(messages, options: options), tokenizer: tokenizer, parsesSpecial: parsesSpecial)
    }

    /// The tokens of a prompt.
    ///
    /// The template and its messages are cut into tokens as one text, as the model saw it in training, but only what the
    /// template writes gives control tokens. The begin token is added where the model wants it and the template does
    /// not write it.
    ///
    /// - Parameters:
    ///   - prompt: What `prompt` gave.
    ///   - tokenizer: The model's.
    ///   - parsesSpecial: Whether control tokens' texts in the messages become these tokens. Only for messages that are
    ///     trusted.
    /// - Returns: The tokens.
    public static func ids(
        of prompt: RenderedPrompt, tokenizer: any Tokenizer, parsesSpecial: Bool = false
    ) -> [Int32] {
        let ids = tokenizer.encode(
            prompt.bytes, addSpecial: false, parseSpecial: true, literal: parsesSpecial ? [] : prompt.foreign)
        guard tokenizer.addsBOS, let bos = tokenizer.bosID, ids.first != bos else { return ids }
        return [bos] + ids
    }

    /// Whether a template's text has the marks of thoughts.
    package static func marksThoughts(_ source: String) -> Bool {
        source.contains("<think>") || source.contains("</think>")
    }

    /// The texts of the tokens that templates know by name.
    private static func specialTokens(_ metadata: Metadata) throws(ApusError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        guard let tokens = try metadata.optionalStringArray("tokenizer.ggml.tokens") else { return [] }
        for (name, key) in [
            ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding"),
        ] {
            guard let id = try metadata.optionalInt("tokenizer.ggml.\(key)_token_id"), id >= 0, id < tokens.count else {
                continue
            }
            members.append(.init(name, .string(tokens[id])))
        }
        return members
    }
}
