internal import Apus
internal import ApusAPI
internal import ApusJSON

extension LlamaServerRoutes {
    /// `GET /slots`: what is being computed, a place for each sequence, and places that are free.
    func slots(_ call: Call) async throws -> JSONValue {
        let name = try call.query("model").map { name throws(RequestError) in
            try services.entry(named: name).entry.name
        }
        if name == nil, !services.isReady { throw RequestError.unavailable("Loading model") }
        let engines = await services.library.loaded.filter { name == nil || $0.entry.name == name }.map(\.engine)
        var slots: [JSONValue] = []
        for engine in engines {
            for sequence in engine.metrics.sequences {
                slots.append(Slot.json(slots.count, sequence, contextLength: engine.contextLength))
            }
        }
        let places = services.library.options.engine.maxRunning
        let isFull = slots.count >= places
        if isFull, let word = call.query("fail_on_no_slot"), !word.isEmpty, word != "0" {
            throw RequestError.unavailable("no slot available")
        }
        let contextLength = engines.first?.contextLength ?? services.library.options.load.contextLength ?? 0
        while slots.count < places { slots.append(Slot.json(slots.count, nil, contextLength: contextLength)) }
        return .array(slots)
    }
}

/// A place for a sequence, as llama-server tells of it. Here it is only a number: places hold nothing.
enum Slot {
    /// What comes next where nothing does.
    static let nothing: JSONValue = [
        ["has_next_token": false, "has_new_line": false, "n_remain": -1, "n_decoded": 0]
    ]

    /// The object.
    ///
    /// - Parameters:
    ///   - id: The number of the place.
    ///   - sequence: What has it; nil for nothing.
    ///   - contextLength: Tokens that it may have.
    static func json(_ id: Int, _ sequence: EngineSequence?, contextLength: Int) -> JSONValue {
        guard let sequence else {
            return [
                "id": .int(id), "id_task": -1, "n_ctx": .int(contextLength), "speculative": false,
                "is_processing": false, "next_token": nothing,
            ]
        }
        let remaining = sequence.maxTokens.map { $0 - sequence.completionTokens } ?? -1
        return [
            "id": .int(id), "id_task": .int(sequence.request), "n_ctx": .int(contextLength), "speculative": false,
            "is_processing": true, "n_prompt_tokens": .int(sequence.promptTokens),
            "n_prompt_tokens_processed": .int(min(sequence.computedTokens, sequence.promptTokens)),
            "next_token": [
                [
                    "has_next_token": true, "has_new_line": false, "n_remain": .int(remaining),
                    "n_decoded": .int(sequence.completionTokens),
                ]
            ],
        ]
    }
}
