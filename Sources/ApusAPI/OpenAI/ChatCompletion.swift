internal import Apus
internal import ApusJSON
internal import ApusTokenizer

/// The body of a request of `/v1/chat/completions`.
package struct ChatCompletionBody: OpenAIBody {
    package let model: String?
    private let fields: Fields
    private let options: ReplyOptions
    private let messages: [ChatMessage]

    package init(_ fields: Fields) throws(RequestError) {
        self.fields = fields
        try RequestRules.check(fields)
        options = try ReplyOptions(fields)
        messages = try Messages.read(fields)
        model = try fields.string("model")
    }

    package func start(
        _ use: ModelUse, _ requests: Requests, signal: CancelSignal
    ) throws(RequestError) -> OpenAIReply {
        var request = EngineRequest(.ids(try requests.promptIDs(messages, use, options: ChatPromptOptions(fields))))
        try request.read(fields, use: use, defaults: requests.defaults)
        request.logProbabilities = try options.chatLogProbabilities(fields, use: use)
        let generation = try requests.generate([request], use: use, signal: signal, parameter: "messages")
        let shape = ChatReplyShape(use: use, options: options)
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
            [
                "index": .int(index),
                "message": ["role": "assistant", "content": .string(reply.text)],
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

    init(shape: ChatReplyShape, choices: Int) {
        self.shape = shape
        self.choices = choices
    }

    mutating func start() -> [JSONValue] {
        (0..<choices).map { .object(shape.chunk($0, ["role": "assistant", "content": ""])) }
    }

    mutating func render(_ event: EngineEvent, of source: Int) throws(RequestError) -> [JSONValue] {
        switch event {
        case .prompt, .promptLogProbabilities: return []
        case .token(let token):
            if token.text.isEmpty, token.logProbability == nil { return [] }
            return [
                .object(
                    shape.chunk(
                        token.choice, ["content": .string(token.text)], logProbability: token.logProbability))
            ]
        case .finished(let completion):
            usages.append(completion.usage)
            var objects: [JSONValue] = []
            if !completion.text.isEmpty {
                objects.append(.object(shape.chunk(completion.choice, ["content": .string(completion.text)])))
            }
            var last = shape.chunk(completion.choice, [:], finishReason: OpenAI.finishReason(completion))
            if usages.count == choices { last.append(.init("timings", Timings.json(usages))) }
            return objects + [.object(last)]
        }
    }

    mutating func finish() -> [JSONValue] { shape.options.includesUsage ? [shape.usageChunk(usages)] : [] }
}
