internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import CApus

/// A reply as it comes about, and the events that tell of it. A value; knows nothing of threads.
struct Reply: Sendable {
    private var results: [Generation.Result]
    private var renderer: (any StreamRenderer)?
    private let whole: @Sendable ([Generation.Result]) -> JSONValue
    private let tellsProgress: Bool
    /// Whether who reads it has read enough.
    var isStopped = false

    /// Takes what is under way.
    ///
    /// - Parameters:
    ///   - reply: What is under way.
    ///   - tellsProgress: Whether there are events for the prompt's progress.
    init(_ reply: OpenAIReply, tellsProgress: Bool) {
        results = reply.generation.requests.map { Generation.Result(choices: $0.choices) }
        renderer = reply.isStreamed ? reply.stream : nil
        whole = reply.whole
        self.tellsProgress = tellsProgress
    }

    /// What comes before all else.
    mutating func begin() -> [Event] { chunks(renderer?.start()) }

    /// Makes events of an engine's event.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - source: Which prompt it belongs to.
    ///   - events: Where they go.
    mutating func take(
        _ event: EngineEvent, of source: Int, into events: inout [Event]
    ) throws(RequestError) {
        var event = event
        if isStopped {
            guard case .finished(let completion) = event else { return }
            event = .finished(completion.endedByReader)
        }
        results[source].add(event)
        let base = source * results[source].replies.count
        switch event {
        case .prompt(let progress):
            if !tellsProgress { break }
            var new = Event(
                Int(APUS_EVENT_PROGRESS),
                json: [
                    "total": .int(progress.total), "cache": .int(progress.reused),
                    "processed": .int(progress.processed),
                ])
            new.choice = base
            events.append(new)
        case .promptLogProbabilities: break
        case .token(let token):
            var new = Event(Int(token.text.isEmpty ? APUS_EVENT_TOKEN : APUS_EVENT_TEXT))
            (new.choice, new.token) = (base + token.choice, token.id)
            if !token.text.isEmpty { new.text = token.text }
            if let value = token.logProbability { new.logProbability = Float(value.token.value) }
            events.append(new)
        case .finished(let completion):
            if completion.text.isEmpty { break }
            var new = Event(Int(APUS_EVENT_TEXT))
            (new.choice, new.text) = (base + completion.choice, completion.text)
            events.append(new)
        }
        if let chunks = try renderer?.render(event, of: source) { events += self.chunks(chunks) }
    }

    /// What comes at the end of it all.
    mutating func end() -> (events: [Event], reply: JSONValue) {
        let reply = whole(results)
        return (chunks(renderer?.finish()) + [Event(Int(APUS_EVENT_DONE), json: reply)], reply)
    }

    private func chunks(_ objects: [JSONValue]?) -> [Event] {
        (objects ?? []).map { Event(Int(APUS_EVENT_CHUNK), json: $0) }
    }
}
