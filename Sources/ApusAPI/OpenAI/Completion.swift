internal import Apus
internal import ApusJSON
internal import ApusTokenizer

/// The body of a request of `/v1/completions`.
package struct CompletionBody: OpenAIBody {
    package let model: String?
    private let fields: Fields
    private let options: ReplyOptions

    package init(_ fields: Fields) throws(RequestError) {
        self.fields = fields
        try RequestRules.check(fields)
        if let suffix = try fields.string("suffix"), !suffix.isEmpty {
            throw .unsupported("suffix", "suffix is not supported yet")
        }
        options = try ReplyOptions(fields)
        model = try fields.string("model")
    }

    package func start(
        _ use: ModelUse, _ requests: Requests, signal: CancelSignal
    ) throws(RequestError) -> OpenAIReply {
        let prompts = try TextPrompt.read(fields, "prompt", use: use, parsesSpecial: true)
        var request = EngineRequest(.ids([]))
        try request.read(fields, use: use, defaults: requests.defaults)
        let most = request.choices
        if let best = try fields.int("best_of", in: 1...EngineRequest.maxChoices), best != most {
            throw .unsupported("best_of", "best_of is \(best), wanted: n, which is \(most)")
        }
        let echoes = try fields.bool("echo") ?? false
        request.logProbabilities = try options.textLogProbabilities(fields, use: use)
        request.promptLogProbabilities = echoes ? request.logProbabilities : nil
        let all = prompts.map { prompt in
            var copy = request
            copy.prompt = prompt.prompt
            return copy
        }
        let generation = try requests.generate(all, use: use, signal: signal, parameter: "prompt")
        let shape = TextReplyShape(
            generation, texts: prompts.map(\.text), echoes: echoes, options: options)
        return OpenAIReply(
            generation: generation, isStreamed: options.isStreamed, stream: TextStream(shape: shape), whole: shape.whole
        )
    }
}

/// Writes the objects of a text reply, streamed or not.
struct TextReplyShape: Sendable {
    let use: ModelUse
    let prompts: [Prompt]
    /// Texts of each prompt.
    let choices: Int
    let options: ReplyOptions
    /// Whether there are log probabilities.
    let hasLogProbabilities: Bool
    let id = OpenAI.id("cmpl")
    let created = UnixTime.now

    /// A prompt, as it comes back.
    struct Prompt: Sendable {
        /// Its tokens.
        let ids: [Int32]
        /// The text that the reply begins with; nil when it does not begin with the prompt.
        let echo: String?
        /// Whether the first token is one that the tokenizer added, and no part of the text.
        let hasAddedToken: Bool
    }

    /// Takes a generation.
    ///
    /// - Parameters:
    ///   - generation: What is under way.
    ///   - texts: The prompts, where they came as text.
    ///   - echoes: Whether replies begin with the prompt.
    ///   - options: The form of the reply.
    init(_ generation: Generation, texts: [String?], echoes: Bool, options: ReplyOptions) {
        use = generation.use
        let tokenizer = use.tokenizer
        choices = generation.requests.first?.choices ?? 1
        hasLogProbabilities = generation.requests.first?.logProbabilities != nil
        self.options = options
        prompts = zip(generation.requests, texts).map { request, text in
            let ids = request.prompt.ids(tokenizer)
            guard echoes else { return Prompt(ids: ids, echo: nil, hasAddedToken: false) }
            let bytes = ids.flatMap { tokenizer.bytes(of: $0, renderSpecial: true) }
            guard let text, let first = ids.first, first == tokenizer.bosID else {
                return Prompt(ids: ids, echo: text ?? String(decoding: bytes, as: UTF8.self), hasAddedToken: false)
            }
            let mark = String(decoding: tokenizer.bytes(of: first, renderSpecial: true), as: UTF8.self)
            return Prompt(ids: ids, echo: text, hasAddedToken: !text.hasPrefix(mark))
        }
    }

    private func head(_ choices: [JSONValue]) -> [JSONValue.Member] {
        [
            .init("id", .string(id)), .init("object", "text_completion"), .init("created", .int(created)),
            .init("model", .string(use.name)), .init("system_fingerprint", .string(ReplyOrigin.fingerprint)),
            .init("choices", .array(choices)),
        ]
    }

    /// The reply in one piece.
    func whole(_ results: [Generation.Result]) -> JSONValue {
        var objects: [JSONValue] = []
        for (source, result) in results.enumerated() {
            for (index, reply) in result.replies.enumerated() {
                var scores = TextScores(use.tokenizer)
                if hasLogProbabilities {
                    addPrompt(source, result.promptLogProbabilities, to: &scores)
                    for token in reply.tokens { scores.add(token.id, token.logProbability) }
                    addEnd(source, reply.completion, to: &scores)
                }
                objects.append([
                    "text": .string((prompts[source].echo ?? "") + reply.text),
                    "index": .int(source * choices + index),
                    "logprobs": hasLogProbabilities ? scores.json : .null,
                    "finish_reason": .string(OpenAI.finishReason(reply.completion)),
                ])
            }
        }
        let usages = results.map(\.usages)
        return .object(
            head(objects) + [.init("usage", OpenAI.usage(usages)), .init("timings", Timings.json(usages.first ?? []))])
    }

    /// Adds the tokens of an echoed prompt.
    func addPrompt(_ source: Int, _ values: [TokenLogProbability], to scores: inout TextScores) {
        let prompt = prompts[source]
        guard prompt.echo != nil else { return }
        for (index, id) in prompt.ids.enumerated() {
            scores.add(
                id, index > 0 && index <= values.count ? values[index - 1] : nil,
                isText: index > 0 || !prompt.hasAddedToken)
        }
    }

    /// Adds the token that ended the text: who scores a prompt counts on a token after it.
    func addEnd(_ source: Int, _ completion: EngineCompletion?, to scores: inout TextScores) {
        guard prompts[source].echo != nil, let token = completion?.endToken else { return }
        scores.add(token, completion?.endLogProbability)
    }

    /// A piece of a choice.
    func chunk(
        _ source: Int, _ choice: Int, _ text: String, scores: TextScores? = nil, finishReason: String? = nil
    ) -> JSONValue {
        .object(
            head([
                [
                    "text": .string(text), "index": .int(source * choices + choice), "logprobs": scores?.json ?? .null,
                    "finish_reason": finishReason.map(JSONValue.string) ?? .null,
                ]
            ]))
    }

    /// A piece that tells how far a prompt has come.
    func progressChunk(_ source: Int, _ progress: PromptProgress, since beginning: ContinuousClock.Instant) -> JSONValue
    {
        guard case .object(let members) = chunk(source, 0, "") else { return [:] }
        return .object(members + [progress.member(since: beginning)])
    }

    /// The piece that tells what the reply took.
    func usageChunk(_ usages: [[EngineUsage]]) -> JSONValue {
        .object(head([]) + [.init("usage", OpenAI.usage(usages))])
    }
}

/// Streams a text reply.
struct TextStream: StreamRenderer {
    let format = StreamFormat.events(endWithDone: true)
    let errorStyle = ErrorStyle.openAI
    private let shape: TextReplyShape
    private var usages: [[EngineUsage]]
    private let beginning = ContinuousClock.now
    /// The scores so far of each choice, whose offsets go on.
    private var scores: [TextScores]
    /// Prompts that have been given back.
    private var echoed: Set<Int> = []

    init(shape: TextReplyShape) {
        self.shape = shape
        usages = shape.prompts.map { _ in [] }
        scores = .init(repeating: TextScores(shape.use.tokenizer), count: shape.prompts.count * shape.choices)
    }

    mutating func start() -> [JSONValue] { [] }

    mutating func render(_ event: EngineEvent, of source: Int) throws(RequestError) -> [JSONValue] {
        switch event {
        case .prompt(let progress):
            return shape.options.returnsProgress ? [shape.progressChunk(source, progress, since: beginning)] : []
        case .promptLogProbabilities(let values): return echo(source, values)
        case .token(let token):
            var objects = echo(source, [])
            if token.text.isEmpty, token.logProbability == nil { return objects }
            let scored = take(source, token.choice) { scores in
                if token.logProbability != nil { scores.add(token.id, token.logProbability) }
            }
            objects.append(shape.chunk(source, token.choice, token.text, scores: scored))
            return objects
        case .finished(let completion):
            var objects = echo(source, [])
            usages[source].append(completion.usage)
            let scored = take(source, completion.choice) { [shape] in shape.addEnd(source, completion, to: &$0) }
            objects.append(
                shape.chunk(
                    source, completion.choice, completion.text, scores: scored,
                    finishReason: OpenAI.finishReason(completion)))
            return objects
        }
    }

    mutating func finish() -> [JSONValue] { shape.options.includesUsage ? [shape.usageChunk(usages)] : [] }

    /// The prompt itself, once, where it is wanted.
    private mutating func echo(_ source: Int, _ values: [TokenLogProbability]) -> [JSONValue] {
        guard let text = shape.prompts[source].echo, echoed.insert(source).inserted else { return [] }
        return (0..<shape.choices).map { choice in
            let scored = take(source, choice) { [shape] in shape.addPrompt(source, values, to: &$0) }
            return shape.chunk(source, choice, text, scores: scored)
        }
    }

    /// Adds to a choice's scores, and takes what is new.
    private mutating func take(
        _ source: Int, _ choice: Int, _ add: (inout TextScores) -> Void
    ) -> TextScores? {
        guard shape.hasLogProbabilities else { return nil }
        let place = source * shape.choices + choice
        add(&scores[place])
        return scores[place].taken()
    }
}
