internal import Apus
internal import ApusJSON
internal import ApusTokenizer

/// The body of a request of `/v1/chat/completions`.
package struct ChatCompletionBody: OpenAIBody {
    package let model: String?
    private let fields: Fields
    private let options: ReplyOptions
    private let messages: [ChatMessage]
    /// What becomes of thoughts before the answer, in llama-server's words: they stay in it, or are told apart.
    private let reasoningFormat: ReasoningFormat?

    private enum ReasoningFormat: String, CaseIterable { case none, auto, deepseek }

    package init(_ fields: Fields) throws(RequestError) {
        self.fields = fields
        try RequestRules.check(fields)
        options = try ReplyOptions(fields)
        reasoningFormat = try fields.word("reasoning_format", as: ReasoningFormat.self)
        messages = try Messages.read(fields)
        model = try fields.string("model")
    }

    package func start(
        _ use: ModelUse, _ requests: Requests, signal: CancelSignal
    ) throws(RequestError) -> OpenAIReply {
        let defaults = requests.defaults
        let prompt = try requests.chatPrompt(
            messages, use, options: ChatPromptOptions(fields, messages: messages, defaults: defaults))
        var request = EngineRequest(.ids(prompt.ids))
        try request.read(fields, use: use, defaults: defaults)
        request.logProbabilities = try options.chatLogProbabilities(fields, use: use)
        let generation = try requests.generate([request], use: use, signal: signal, parameter: "messages")
        let isApart = reasoningFormat.map { $0 != .none } ?? defaults.separatesThoughts
        let shape = ChatReplyShape(use: use, options: options, thoughts: isApart ? prompt.thoughts : nil)
        return OpenAIReply(
            generation: generation, isStreamed: options.isStreamed,
            stream: ChatStream(shape: shape, choices: request.choices)
        ) { results in shape.whole(results[0]) }
    }
}

/// Writes the objects of a chat reply, streamed or not.
struct ChatReplyShape: Sendable {
    let use: ModelUse
    let options: ReplyOptions
    /// Tells thoughts from answers; nil where there is nothing to tell.
    let thoughts: ThoughtSplitter?
    let id = OpenAI.id("chatcmpl")
    let created = UnixTime.now

    private func head(_ object: String) -> [JSONValue.Member] {
        [
            .init("id", .string(id)), .init("object", .string(object)), .init("created", .int(created)),
            .init("model", .string(use.name)), .init("system_fingerprint", .string(ReplyOrigin.fingerprint)),
        ]
    }

    /// The reply in one piece.
    func whole(_ result: Generation.Result) -> JSONValue {
        let choices = result.replies.enumerated().map { index, reply -> JSONValue in
            var thoughts = thoughts
            let text = thoughts?.split(reply.text) ?? .init(answer: reply.text)
            var message: [JSONValue.Member] = [.init("role", "assistant"), .init("content", .string(text.answer))]
            if !text.thought.isEmpty { message.append(.init("reasoning_content", .string(text.thought))) }
            return [
                "index": .int(index), "message": .object(message),
                "logprobs": options.logProbabilities
                    ? logProbabilities(reply.tokens.compactMap(\.logProbability)) : .null,
                "finish_reason": .string(OpenAI.finishReason(reply.completion)),
            ]
        }
        return .object(
            head("chat.completion") + [
                .init("choices", .array(choices)), .init("usage", OpenAI.usage([result.usages])),
                .init("timings", Timings.json(result.usages)),
            ])
    }

    /// A piece of a choice.
    func chunk(
        _ choice: Int, _ delta: JSONValue, logProbability: TokenLogProbability? = nil, finishReason: String? = nil
    ) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = [.init("index", .int(choice)), .init("delta", delta)]
        if options.logProbabilities {
            members.append(.init("logprobs", logProbability.map { logProbabilities([$0]) } ?? .null))
        }
        members.append(.init("finish_reason", finishReason.map(JSONValue.string) ?? .null))
        return head("chat.completion.chunk") + [.init("choices", [.object(members)])]
    }

    /// The piece that tells what the reply took.
    func usageChunk(_ usages: [EngineUsage]) -> JSONValue {
        .object(head("chat.completion.chunk") + [.init("choices", []), .init("usage", OpenAI.usage([usages]))])
    }

    private func logProbabilities(_ values: [TokenLogProbability]) -> JSONValue {
        let content = values.map { value -> JSONValue in
            guard case .object(let members) = entry(value.token) else { return .null }
            return .object(members + [.init("top_logprobs", .array(value.top.map(entry)))])
        }
        return ["content": .array(content), "refusal": .null]
    }

    private func entry(_ entry: TokenLogProbability.Entry) -> JSONValue {
        let bytes = use.tokenizer.bytes(of: entry.id, renderSpecial: true)
        return [
            "token": .string(String(decoding: bytes, as: UTF8.self)), "logprob": .double(entry.jsonValue),
            "bytes": .ints(bytes),
        ]
    }
}

/// Streams a chat reply.
struct ChatStream: StreamRenderer {
    let format = StreamFormat.events(endWithDone: true)
    let errorStyle = ErrorStyle.openAI
    private let shape: ChatReplyShape
    private let choices: Int
    private var usages: [EngineUsage] = []
    private let beginning = ContinuousClock.now
    /// Tells thoughts from answers, for each choice.
    private var thoughts: [ThoughtSplitter?]

    init(shape: ChatReplyShape, choices: Int) {
        self.shape = shape
        self.choices = choices
        thoughts = .init(repeating: shape.thoughts, count: choices)
    }

    mutating func start() -> [JSONValue] {
        (0..<choices).map { .object(shape.chunk($0, ["role": "assistant", "content": ""])) }
    }

    mutating func render(_ event: EngineEvent, of source: Int) throws(RequestError) -> [JSONValue] {
        switch event {
        case .promptLogProbabilities: return []
        case .prompt(let progress):
            guard shape.options.returnsProgress else { return [] }
            return [.object(shape.chunk(0, [:]) + [progress.member(since: beginning)])]
        case .token(let token):
            let delta = delta(token.text, token.choice)
            if delta.isEmpty, token.logProbability == nil { return [] }
            let content: JSONValue = delta.isEmpty ? ["content": ""] : .object(delta)
            return [.object(shape.chunk(token.choice, content, logProbability: token.logProbability))]
        case .finished(let completion):
            usages.append(completion.usage)
            let delta = delta(completion.text, completion.choice, isLast: true)
            var objects: [JSONValue] = []
            if !delta.isEmpty { objects.append(.object(shape.chunk(completion.choice, .object(delta)))) }
            var last = shape.chunk(completion.choice, [:], finishReason: OpenAI.finishReason(completion))
            if usages.count == choices { last.append(.init("timings", Timings.json(usages))) }
            return objects + [.object(last)]
        }
    }

    mutating func finish() -> [JSONValue] { shape.options.includesUsage ? [shape.usageChunk(usages)] : [] }

    /// What a piece of text adds to a choice's message; nothing while it is not known whether it is a thought.
    private mutating func delta(_ text: String, _ choice: Int, isLast: Bool = false) -> [JSONValue.Member] {
        var piece = thoughts[choice]?.add(text) ?? .init(answer: text)
        if isLast, let rest = thoughts[choice]?.finish() { piece += rest }
        return [("reasoning_content", piece.thought), ("content", piece.answer)].filter { !$0.1.isEmpty }
            .map { .init($0, .string($1)) }
    }
}
