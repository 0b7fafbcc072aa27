package import Apus
internal import ApusGGUF
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

    /// The tokens of a conversation, in which only the template makes control tokens.
    ///
    /// - Parameters:
    ///   - messages: The conversation.
    ///   - use: The model.
    ///   - options: What else the template is told.
    /// - Throws: 400, with what the template has to say against the messages.
    package func promptIDs(
        _ messages: [ChatMessage], _ use: ModelUse, options: ChatPromptOptions = ChatPromptOptions()
    ) throws(RequestError) -> [Int32] {
        let format = try chatFormat(use)
        let bytes = messages.reduce(0) { $0 + ($1.content?.utf8.count ?? 0) }
        try checkLength(bytes, use: use, limit: use.engine.contextLength, parameter: "messages")
        do {
            return try format.ids(messages, tokenizer: use.tokenizer, options: options)
        } catch {
            throw .invalid("messages", error.message, code: "template_error")
        }
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
        if ids.count > limit {
            throw .contextFull(
                promptTokens: ids.count, completionTokens: request.generation.maxTokens ?? 0, limit: limit,
                parameter: parameter)
        }
    }

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

    /// Bytes of a vocabulary's longest token.
    private func longestToken(of model: Model) -> Int {
        longestTokens.value(for: model) { model in
            (0..<Int32(clamping: model.vocabularySize)).reduce(1) {
                max($0, model.tokenizer.bytes(of: $1, renderSpecial: true).count)
            }
        }
    }
}
