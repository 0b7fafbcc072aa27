package import Apus
internal import ApusGGUF
internal import ApusTemplate
internal import ApusTokenizer

/// What bodies of requests become: prompts, and requests to the engine of a model.
package final class Requests: Sendable {
    /// What holds where a request does not say it.
    package let defaults: RequestDefaults

    private let formats = PerModel<ChatFormat>()
    private let longestTokens = PerModel<Int>()

    /// Remembers what is worked out once for a model.
    ///
    /// - Parameter defaults: What holds where a request does not say it.
    package init(defaults: RequestDefaults) { self.defaults = defaults }

    /// How a model wants a conversation.
    ///
    /// - Throws: 400 when the model has no template and shows no form of chat.
    package func chatFormat(_ use: ModelUse) throws(RequestError) -> ChatFormat {
        try chatFormat(use.model, name: use.name)
    }

    /// The same.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - name: What it is called.
    package func chatFormat(_ model: Model, name: String) throws(RequestError) -> ChatFormat {
        do {
            let source = defaults.chatTemplate
            return try formats.value(for: model) { model throws(ApusError) in
                try ChatFormat.find(model.metadata, model.tokenizer, replacedBy: source)
            }
        } catch {
            throw .invalid(
                "model", "model \(ApusError.quoted(name)) cannot be conversed with: \(error.message)",
                code: "no_chat_template")
        }
    }

    /// The prompt of a conversation, in which only the template makes control tokens.
    ///
    /// - Parameters:
    ///   - messages: The conversation.
    ///   - use: The model.
    ///   - options: What else the template is told, beside the defaults.
    /// - Throws: 400, with what the template has to say against the messages.
    package func chatPrompt(
        _ messages: [ChatMessage], _ use: ModelUse, options: ChatPromptOptions = ChatPromptOptions()
    ) throws(RequestError) -> ChatPrompt {
        let format = try chatFormat(use)
        let limit = use.engine.contextLength
        let bytes = messages.reduce(0) { $0 + ($1.content?.utf8.count ?? 0) }
        try checkLength(bytes, use: use, limit: limit, parameter: "messages")
        let prompt: RenderedPrompt
        do {
            prompt = try format.prompt(messages, options: options.with(defaults))
        } catch {
            throw .invalid("messages", error.message, code: "template_error")
        }
        // Templates write more than the contents.
        try checkLength(prompt.bytes.count, use: use, limit: limit, parameter: "messages")
        let ids = ChatFormat.ids(of: prompt, tokenizer: use.tokenizer)
        guard format.marksThoughts else { return ChatPrompt(ids: ids, thoughts: nil) }
        let begun = options.continuesFinalMessage ? messages.last?.content : nil
        return ChatPrompt(
            ids: ids,
            thoughts: begun.map(ThoughtSplitter.init(continuing:)) ?? ThoughtSplitter(after: prompt.bytes))
    }

    /// Starts requests that make up one reply.
    ///
    /// - Parameters:
    ///   - requests: One for each prompt.
    ///   - use: The model.
    ///   - signal: Calls them off.
    ///   - parameter: What the prompts were made of, for errors: `messages` or `prompt`.
    /// - Throws: 400 with the parameter, and 503 when too many requests wait; then none is under way.
    package func generate(
        _ requests: [EngineRequest], use: ModelUse, signal: CancelSignal, parameter: String
    ) throws(RequestError) -> Generation {
        var requests = requests
        for index in requests.indices { try resolve(&requests[index], use: use, parameter: parameter) }
        do {
            return try Generation(requests, use: use, signal: signal)
        } catch {
            throw RequestError(error, parameter: parameter)
        }
    }

    /// Makes ids of a request's prompt, and checks that the context holds them.
    private func resolve(_ request: inout EngineRequest, use: ModelUse, parameter: String) throws(RequestError) {
        let limit = min(use.engine.contextLength, request.contextLength ?? .max)
        if case .text(let bytes, _) = request.prompt {
            try checkLength(bytes.count, use: use, limit: limit, parameter: parameter)
        }
        let ids = request.prompt.ids(use.tokenizer)
        if ids.isEmpty {
            throw .invalid(parameter, "\(parameter) has no tokens, wanted: at least one", code: "invalid_value")
        }
        request.prompt = .ids(ids)
        request.pace = defaults.pace
        if ids.count > limit {
            throw .contextFull(
                promptTokens: ids.count, completionTokens: request.generation.maxTokens ?? 0, limit: limit,
                parameter: parameter)
        }
        try checkProbabilities(request, room: limit - ids.count + 1)
    }

    /// Refuses so many log probabilities that they would fill the memory: a whole vocabulary's for a long reply.
    private func checkProbabilities(_ request: EngineRequest, room: Int) throws(RequestError) {
        guard let top = request.logProbabilities, top > Self.freeProbabilities else { return }
        let tokens = min(request.generation.maxTokens ?? room, room) * request.choices
        guard tokens > Self.mostProbabilities / top else { return }
        throw .invalid(
            "n_probs",
            "n_probs is \(top) for up to \(tokens) tokens, wanted: at most \(Self.freeProbabilities), or fewer tokens "
                + "(at most \(Self.mostProbabilities) probabilities altogether)",
            code: "invalid_value")
    }

    /// As many for each token are nobody's concern; of more there may be so many altogether, about 100 MB of a reply.
    private static let (freeProbabilities, mostProbabilities) = (128, 1 << 18)

    /// Refuses a text that has more tokens than the context holds, however it is cut: nobody waits while it is.
    ///
    /// - Parameters:
    ///   - bytes: Bytes of the text.
    ///   - use: The model.
    ///   - limit: Tokens that the context holds.
    ///   - parameter: What the text is, for the error.
    /// - Throws: 400, with the fewest tokens that the text can have.
    package func checkLength(_ bytes: Int, use: ModelUse, limit: Int, parameter: String) throws(RequestError) {
        // No token has less than a byte.
        guard bytes > limit else { return }
        let tokens = bytes / longestToken(of: use.model)
        guard tokens > limit else { return }
        throw .contextFull(promptTokens: tokens, completionTokens: 0, limit: limit, parameter: parameter)
    }

    /// The beginning of a text that has more tokens than the context holds in any case, or all of it.
    package func beginning(of text: [UInt8], use: ModelUse, limit: Int) -> [UInt8] {
        // A token more than there is room for, and whole characters.
        let (most, overflow) = longestToken(of: use.model).multipliedReportingOverflow(by: limit + 1)
        guard !overflow, text.count > most else { return text }
        let end = text[...most].lastIndex { $0 & 0xC0 != 0x80 } ?? 0
        return Array(text[..<end])
    }

    /// Bytes of a vocabulary's longest token.
    private func longestToken(of model: Model) -> Int {
        longestTokens.value(for: model) { $0.tokenizer.longestToken }
    }
}

/// The prompt of a conversation.
package struct ChatPrompt: Sendable {
    /// Its tokens.
    package let ids: [Int32]
    /// Tells thoughts from the answer in the reply; nil where the template knows of none.
    package let thoughts: ThoughtSplitter?
}

extension ChatPromptOptions {
    /// The same with the variables that hold where the request does not say them.
    package func with(_ defaults: RequestDefaults) -> ChatPromptOptions {
        var options = self
        options.variables = defaults.templateVariables + variables
        return options
    }
}
