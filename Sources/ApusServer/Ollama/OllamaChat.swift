internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import Hummingbird

extension OllamaRoutes {
    /// `POST /api/chat`: a reply to a conversation; without messages the model is loaded or unloaded.
    func chat(_ call: Call) async throws -> Response {
        let start = ContinuousClock.now
        let fields = try call.fields()
        let options = try OllamaOptions(fields)
        let signal = await call.cancelSignal()
        if fields.value("messages") == nil { return try await loadOrUnload(fields, .chat, signal: signal) }
        let messages = try Self.messages(fields)
        let use = try await use(fields, signal: signal)
        var request = EngineRequest(.ids([]))
        try request.readOptions(fields, use: use, services: services)
        request.logProbabilities = options.logProbabilities
        var reply = OllamaReply(
            kind: .chat, use: use, start: start, hasLogProbabilities: options.logProbabilities != nil)
        let promptOptions = try options.promptOptions(try services.requests.chatFormat(use))
        var prompt = try services.requests.chatPrompt(messages, use, options: promptOptions)
        let limit = min(use.engine.contextLength, request.contextLength ?? .max)
        if options.truncates, prompt.ids.count > limit {
            (prompt, reply.droppedMessages) = try fit(messages, prompt, limit: limit, use: use, options: promptOptions)
        }
        request.prompt = .ids(prompt.ids)
        reply.thoughts = services.told(prompt.thoughts)
        return try await answer(request, reply, isStreamed: options.isStreamed, parameter: "messages", to: call)
    }

    /// The messages; roles may be in capitals.
    private static func messages(_ fields: Fields) throws(RequestError) -> [ChatMessage] {
        try Messages.read(fields).enumerated().map { index, message throws(RequestError) in
            guard [nil, .array([])].contains(message.json["images"]) else {
                throw .unsupported("messages[\(index)].images", "messages[\(index)].images is not supported yet")
            }
            guard message.role != message.role.lowercased(), case .object(var members) = message.json else {
                return message
            }
            for place in members.indices where members[place].name == "role" {
                members[place].value = .string(message.role.lowercased())
            }
            return (try? ChatMessage(.object(members), name: "messages[\(index)]")) ?? message
        }
    }

    /// Generates a reply and writes it.
    func answer(
        _ request: EngineRequest, _ reply: OllamaReply, isStreamed: Bool, parameter: String, to call: Call
    ) async throws -> Response {
        let signal = await call.cancelSignal()
        let generation = try services.requests.generate([request], use: reply.use, signal: signal, parameter: parameter)
        if isStreamed {
            return Response(
                streaming: generation, OllamaStream(reply, promptIDs: generation.promptIDs(0)), to: call)
        }
        let result = try await generation.collect()[0]
        let choice = result.replies[0]
        var thoughts = reply.thoughts
        let text = thoughts?.split(choice.text) ?? .init(answer: choice.text)
        return Response(
            json: reply.end(
                text, choice.tokens.compactMap(\.logProbability), choice.completion,
                ids: generation.promptIDs(0) + choice.tokens.map(\.id)))
    }

    /// Loads the model, or unloads it where that is what `keep_alive` asks for.
    func loadOrUnload(_ fields: Fields, _ kind: OllamaReply.Kind, signal: CancelSignal) async throws -> Response {
        if try KeepAlive.read(fields) == .duration(.zero) {
            let (entry, name) = try entry(fields)
            await services.library.unload(entry.name)
            return Response(json: OllamaReply.empty(kind, model: name, reason: "unload"))
        }
        let use = try await use(fields, signal: signal)
        return Response(json: OllamaReply.empty(kind, model: use.name, reason: "load"))
    }

    /// The prompt without as many of the oldest exchanges as it takes to fit; instructions and the last message stay.
    ///
    /// - Returns: The tokens, and how many messages are left out. Where nothing helps, the shortest prompt there is.
    private func fit(
        _ messages: [ChatMessage], _ whole: ChatPrompt, limit: Int, use: ModelUse, options: ChatPromptOptions
    ) throws(RequestError) -> (prompt: ChatPrompt, dropped: Int) {
        let isKept = { (message: ChatMessage) in message.role == "system" }
        let talk = messages.indices.filter { !isKept(messages[$0]) }
        // What remains begins with a question where there is one.
        let cuts = talk.indices.dropFirst().filter { messages[talk[$0]].role == "user" || $0 == talk.count - 1 }
        var (low, high) = (0, cuts.count - 1)
        var best: (prompt: ChatPrompt, dropped: Int)?
        while low <= high {
            let middle = (low + high) / 2
            let dropped = Set(talk.prefix(cuts[middle]))
            let rest = messages.indices.filter { !dropped.contains($0) }.map { messages[$0] }
            let prompt = try services.requests.chatPrompt(rest, use, options: options)
            // Room for a token of the reply too.
            if prompt.ids.count < limit {
                best = (prompt, dropped.count)
                high = middle - 1
            } else {
                if best == nil { best = (prompt, dropped.count) }
                low = middle + 1
            }
        }
        return best ?? (whole, 0)
    }
}
