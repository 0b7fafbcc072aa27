internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import ApusTokenizer

/// Writes the objects of a chat or generate reply, streamed or not.
struct OllamaReply: Sendable {
    /// Which route's.
    enum Kind: Sendable, Hashable {
        case chat
        /// With the tokens of prompt and reply at the end, or without.
        case generate(hasContext: Bool)
    }

    let kind: Kind
    let use: ModelUse
    /// When the request came.
    let start: ContinuousClock.Instant
    /// Whether log probabilities were asked for.
    let hasLogProbabilities: Bool
    /// How many messages were left out to make the prompt fit.
    var droppedMessages = 0
    /// Tells thoughts from the answer; nil where there are none.
    var thoughts: ThoughtSplitter?

    /// A reply without text: the model was loaded, or unloaded.
    ///
    /// - Parameters:
    ///   - kind: Which route's.
    ///   - model: What the request called it.
    ///   - reason: `load` or `unload`.
    static func empty(_ kind: Kind, model: String, reason: String) -> JSONValue {
        .object(
            head(kind, model: model, ThoughtSplitter.Piece()) + [
                .init("done", true), .init("done_reason", .string(reason)),
            ])
    }

    /// A piece of the text.
    func piece(_ text: ThoughtSplitter.Piece, _ tokens: [TokenLogProbability]) -> JSONValue {
        .object(Self.head(kind, model: use.name, text) + [.init("done", false)] + logProbabilities(tokens))
    }

    /// The end, with all of the text or nothing more of it.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - tokens: The log probabilities of its tokens.
    ///   - completion: How it ended; nil when it was called off.
    ///   - ids: The tokens of prompt and reply.
    func end(
        _ text: ThoughtSplitter.Piece, _ tokens: [TokenLogProbability], _ completion: EngineCompletion?, ids: [Int32]
    ) -> JSONValue {
        var members = Self.head(kind, model: use.name, text)
        members += [.init("done", true), .init("done_reason", .string(Self.doneReason(completion?.reason)))]
        if kind == .generate(hasContext: true) { members.append(.init("context", .ints(ids))) }
        if droppedMessages > 0 { members.append(.init("truncated_messages", .int(droppedMessages))) }
        members.append(.init("total_duration", .int((ContinuousClock.now - start).nanoseconds)))
        members.append(.init("load_duration", .int(use.loadDuration.nanoseconds)))
        if let usage = completion?.usage {
            // Clients divide by durations, and the first token comes with the end of the prompt.
            members += [
                .init("prompt_eval_count", .int(usage.promptTokens)),
                .init("prompt_eval_duration", .int(max(1, usage.promptDuration.nanoseconds))),
                .init("eval_count", .int(usage.completionTokens)),
                .init("eval_duration", .int(max(1, usage.generationDuration.nanoseconds))),
            ]
        }
        return .object(members + logProbabilities(tokens))
    }

    private static func head(_ kind: Kind, model: String, _ text: ThoughtSplitter.Piece) -> [JSONValue.Member] {
        let thinking: [JSONValue.Member] = text.thought.isEmpty ? [] : [.init("thinking", .string(text.thought))]
        let content: [JSONValue.Member] =
            kind == .chat
            ? [
                .init(
                    "message", .object([.init("role", "assistant"), .init("content", .string(text.answer))] + thinking))
            ]
            : [.init("response", .string(text.answer))] + thinking
        return [.init("model", .string(model)), .init("created_at", .string(Timestamp.now()))] + content
    }

    private static func doneReason(_ reason: StopReason?) -> String {
        switch reason {
        case .endOfGeneration, .stopString: "stop"
        default: "length"
        }
    }

    private func logProbabilities(_ tokens: [TokenLogProbability]) -> [JSONValue.Member] {
        guard hasLogProbabilities, !tokens.isEmpty else { return [] }
        return [
            .init(
                "logprobs",
                .array(
                    tokens.map { token in
                        guard !token.top.isEmpty else { return .object(entry(token.token)) }
                        return .object(
                            entry(token.token) + [
                                .init("top_logprobs", .array(token.top.map { .object(entry($0)) }))
                            ])
                    }))
        ]
    }

    private func entry(_ entry: TokenLogProbability.Entry) -> [JSONValue.Member] {
        let bytes = use.tokenizer.bytes(of: entry.id, renderSpecial: true)
        return [
            .init("token", .string(String(decoding: bytes, as: UTF8.self))),
            .init("logprob", .double(entry.jsonValue)), .init("bytes", .ints(bytes)),
        ]
    }
}

/// Streams a chat or generate reply: an object for each piece of text, none of which is empty but the last.
struct OllamaStream: StreamRenderer {
    let format = StreamFormat.lines
    let errorStyle = ErrorStyle.ollama
    private let reply: OllamaReply
    /// The tokens so far.
    private var ids: [Int32]
    /// The log probabilities of tokens whose text is held back.
    private var pending: [TokenLogProbability] = []
    private var thoughts: ThoughtSplitter?

    init(_ reply: OllamaReply, promptIDs: [Int32]) {
        self.reply = reply
        thoughts = reply.thoughts
        ids = promptIDs
    }

    mutating func start() -> [JSONValue] { [] }

    mutating func render(_ event: EngineEvent, of source: Int) throws(RequestError) -> [JSONValue] {
        switch event {
        case .prompt, .promptLogProbabilities: return []
        case .token(let token):
            ids.append(token.id)
            if let value = token.logProbability { pending.append(value) }
            return piece(thoughts?.add(token.text) ?? .init(answer: token.text))
        case .finished(let completion):
            var last = thoughts?.add(completion.text) ?? .init(answer: completion.text)
            if let rest = thoughts?.finish() { last += rest }
            return piece(last) + [reply.end(.init(), pending, completion, ids: ids)]
        }
    }

    mutating func finish() -> [JSONValue] { [] }

    private mutating func piece(_ text: ThoughtSplitter.Piece) -> [JSONValue] {
        if text == .init() { return [] }
        defer { pending = [] }
        return [reply.piece(text, pending)]
    }
}
