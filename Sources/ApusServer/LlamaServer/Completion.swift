internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import ApusTokenizer
internal import Hummingbird

extension LlamaServerRoutes {
    /// `POST /completion`: llama-server's own kind of completion.
    func completion(_ call: Call) async throws -> Response {
        let fields = try call.fields()
        let use = try await use(fields, call)
        let signal = await call.cancelSignal()
        let request = try CompletionRequest(fields, use: use, services: services)
        let generation = try services.requests.generate(request.requests, use: use, signal: signal, parameter: "prompt")
        let reply = CompletionReply(
            use: use, request: request, promptIDs: request.requests.indices.map(generation.promptIDs))
        if request.isStreamed { return Response(streaming: generation, CompletionStream(reply), to: call) }
        var objects: [JSONValue] = []
        for (source, result) in try await generation.collect().enumerated() {
            for choice in result.replies {
                // A request that was called off has no end; its client is gone.
                guard let completion = choice.completion else { continue }
                objects.append(
                    reply.end(
                        choice.text, choice.tokens, completion, source: source,
                        hasNewLine: choice.text.contains("\n")))
            }
        }
        return Response(json: objects.count == 1 ? objects[0] : .array(objects))
    }
}

/// Writes the objects of a completion, streamed or not.
struct CompletionReply: Sendable {
    let use: ModelUse
    let request: CompletionRequest
    /// The texts of the prompts, as the model sees them.
    private let prompts: [String]

    init(use: ModelUse, request: CompletionRequest, promptIDs: [[Int32]]) {
        (self.use, self.request) = (use, request)
        prompts = promptIDs.map { ids in
            let bytes = ids.flatMap { use.tokenizer.bytes(of: $0, renderSpecial: true) }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The number of a reply among all of the request.
    func index(_ choice: Int, of source: Int) -> Int { source * (request.requests.first?.choices ?? 1) + choice }

    /// A piece of a reply.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - tokens: The tokens that it became certain with.
    ///   - index: The number of the reply.
    ///   - predicted: Tokens of the reply so far.
    ///   - evaluated: Tokens of the prompt.
    ///   - more: Further members.
    func piece(
        _ text: String, _ tokens: [EngineToken], index: Int, predicted: Int, evaluated: Int,
        more: [JSONValue.Member] = []
    ) -> JSONValue {
        let members: [JSONValue.Member] = [
            .init("index", .int(index)), .init("content", .string(text)), .init("tokens", .ints(tokens.map(\.id))),
            .init("stop", false), .init("id_slot", .int(request.slot)), .init("tokens_predicted", .int(predicted)),
            .init("tokens_evaluated", .int(evaluated)),
        ]
        return .object(members + more + probabilities(tokens))
    }

    /// The end of a reply, with all of the text and its tokens or nothing more of them.
    func end(
        _ text: String, _ tokens: [EngineToken], _ completion: EngineCompletion, source: Int, hasNewLine: Bool
    ) -> JSONValue {
        let usage = completion.usage
        let returnsTokens = request.returnsTokens && !request.isStreamed
        var members: [JSONValue.Member] = [
            .init("index", .int(index(completion.choice, of: source))), .init("content", .string(text)),
            .init("tokens", .ints(returnsTokens ? tokens.map(\.id) : [])), .init("id_slot", .int(request.slot)),
            .init("stop", true), .init("model", .string(use.name)),
            .init("tokens_predicted", .int(usage.completionTokens)),
            .init("tokens_evaluated", .int(usage.promptTokens)),
            .init(
                "generation_settings",
                GenerationSettings.json(
                    request.requests[source], isStreamed: request.isStreamed, probabilities: request.probabilities,
                    timesTokens: request.timesTokens, seed: usage.seed)),
            .init("prompt", .string(prompts[source])), .init("has_new_line", .bool(hasNewLine)),
            .init("truncated", .bool(completion.reason == .contextFull)),
            .init("stop_type", .string(Self.stopType(completion.reason))),
            .init("stopping_word", .string(completion.stopString ?? "")),
            .init("tokens_cached", .int(usage.reusedTokens)), .init("timings", Timings.json([usage])),
        ]
        members += probabilities(tokens)
        return Self.picked(request.responseFields, from: members)
    }

    private static func stopType(_ reason: StopReason) -> String {
        switch reason {
        case .endOfGeneration: "eos"
        case .stopString: "word"
        default: "limit"
        }
    }

    private func probabilities(_ tokens: [EngineToken]) -> [JSONValue.Member] {
        let values = tokens.compactMap(\.logProbability)
        guard request.probabilities > 0, !values.isEmpty else { return [] }
        let list = values.map { value -> JSONValue in
            .object(
                entry(value.token) + [.init("top_logprobs", .array(value.top.map { .object(entry($0)) }))])
        }
        return [.init("completion_probabilities", .array(list))]
    }

    private func entry(_ entry: TokenLogProbability.Entry) -> [JSONValue.Member] {
        let bytes = use.tokenizer.bytes(of: entry.id, renderSpecial: true)
        return [
            .init("id", .int(Int(entry.id))), .init("token", .string(String(decoding: bytes, as: UTF8.self))),
            .init("bytes", .ints(bytes)), .init("logprob", .double(entry.jsonValue)),
        ]
    }

    /// The members that are wanted; one inside of an object is named by a path and gets the path's last part for its name.
    private static func picked(_ paths: [String], from members: [JSONValue.Member]) -> JSONValue {
        if paths.isEmpty { return .object(members) }
        return .object(
            paths.compactMap { path in
                let names = path.split(separator: "/").map(String.init)
                var value: JSONValue? = .object(members)
                for name in names { value = value?[name] }
                guard let last = names.last, let value else { return nil }
                return .init(last, value)
            })
    }
}

/// Streams a completion: an object for each piece of text, and one at the end that has everything else.
struct CompletionStream: StreamRenderer {
    let format = StreamFormat.events(endWithDone: false)
    let errorStyle = ErrorStyle.llamaServer

    /// A reply as far as it has come.
    private struct State: Sendable {
        var predicted = 0
        /// Tokens whose text is held back.
        var pending: [EngineToken] = []
        var hasNewLine = false
        var firstToken: ContinuousClock.Instant?
    }

    private let reply: CompletionReply
    private let beginning = ContinuousClock.now
    private var states: [Int: State] = [:]
    /// How far the prompts have come.
    private var progress: [Int: PromptProgress] = [:]

    init(_ reply: CompletionReply) { self.reply = reply }

    mutating func start() -> [JSONValue] { [] }

    mutating func render(_ event: EngineEvent, of source: Int) throws(RequestError) -> [JSONValue] {
        switch event {
        case .promptLogProbabilities: return []
        case .prompt(let progress):
            self.progress[source] = progress
            return reply.request.returnsProgress ? [self.progress(source)] : []
        case .token(let token):
            var state = states[reply.index(token.choice, of: source)] ?? State()
            if state.firstToken == nil { state.firstToken = .now }
            state.predicted += 1
            state.pending.append(token)
            defer { states[reply.index(token.choice, of: source)] = state }
            return token.text.isEmpty ? [] : [piece(token.text, &state, token.choice, source)]
        case .finished(let completion):
            let index = reply.index(completion.choice, of: source)
            var state = states[index] ?? State()
            var objects: [JSONValue] = []
            if !completion.text.isEmpty || !state.pending.isEmpty {
                objects.append(piece(completion.text, &state, completion.choice, source))
            }
            states[index] = state
            return objects + [reply.end("", [], completion, source: source, hasNewLine: state.hasNewLine)]
        }
    }

    mutating func finish() -> [JSONValue] { [] }

    private func piece(_ text: String, _ state: inout State, _ choice: Int, _ source: Int) -> JSONValue {
        defer { state.pending = [] }
        if text.contains("\n") { state.hasNewLine = true }
        return reply.piece(
            text, state.pending, index: reply.index(choice, of: source), predicted: state.predicted,
            evaluated: progress[source]?.total ?? 0,
            more: reply.request.timesTokens ? [.init("timings", timings(state, source))] : [])
    }

    /// What it took so far.
    private func timings(_ state: State, _ source: Int) -> JSONValue {
        let progress = progress[source]
        let first = state.firstToken ?? .now
        return Timings.json(
            cached: progress?.reused ?? 0, prompt: (progress?.processed ?? 0) - (progress?.reused ?? 0),
            promptSeconds: (first - beginning).seconds, predicted: state.predicted,
            seconds: (ContinuousClock.now - first).seconds)
    }

    private func progress(_ source: Int) -> JSONValue {
        guard let progress = progress[source] else { return [:] }
        return reply.piece(
            "", [], index: reply.index(0, of: source), predicted: 0, evaluated: progress.total,
            more: [progress.member(since: beginning)])
    }
}
