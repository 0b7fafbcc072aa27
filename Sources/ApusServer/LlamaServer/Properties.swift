internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusTokenizer

extension LlamaServerRoutes {
    /// `GET /props`: the server, and the model that the query names or the one there is. Loads nothing.
    func properties(_ call: Call) async throws -> JSONValue {
        let named = call.query("model")
        let options = services.library.options
        // Of several models that are nobody's choice the server tells nothing but itself.
        let isAnybodys = named == nil && services.configuration.preloadedModels.isEmpty
        if isAnybodys, services.library.entries().count != 1 { return properties(name: "apus", path: "none", nil) }
        if named == nil, !services.isReady { throw RequestError.unavailable("Loading model") }
        let (entry, name) = try services.entry(named: named)
        if let loaded = await services.library.loaded.first(where: { $0.entry == entry }) {
            let model = loaded.engine.model
            return properties(
                name: name, path: entry.path,
                ModelProperties(
                    model.metadata, model.tokenizer, contextLength: loaded.engine.contextLength,
                    chatTemplate: services.configuration.chatTemplate))
        }
        let template = services.configuration.chatTemplate
        let found = try await DetachedThread.run {
            Result { () throws(ApusError) in
                let metadata = try GGUFFile(path: entry.path).metadata
                return try ModelProperties(
                    metadata, Tokenizers.make(metadata), contextLength: options.load.contextLength,
                    chatTemplate: template)
            }
        }.get()
        return properties(name: name, path: entry.path, found)
    }

    private func properties(name: String, path: String, _ model: ModelProperties?) -> JSONValue {
        var request = EngineRequest(.ids([]))
        request.sampling = services.configuration.sampling
        request.generation.maxTokens = services.configuration.maxTokens
        let settings = GenerationSettings.json(request, isStreamed: false, seed: request.sampling.seed)
        func text(_ value: String?) -> JSONValue { .string(value ?? "") }
        return [
            "default_generation_settings": [
                "id": 0, "id_task": -1, "n_ctx": .int(model?.contextLength ?? 0), "speculative": false,
                "is_processing": false, "params": settings, "prompt": "", "next_token": Slot.nothing,
            ],
            "total_slots": .int(services.library.options.engine.maxRunning),
            "model_alias": .string(name), "model_path": .string(path),
            "modalities": ["vision": false, "audio": false],
            "endpoint_slots": .bool(services.configuration.exposesSlots), "endpoint_props": false,
            "endpoint_metrics": .bool(services.configuration.exposesMetrics),
            "chat_template": text(model?.chatTemplate), "bos_token": text(model?.bosToken),
            "eos_token": text(model?.eosToken), "build_info": .string(ReplyOrigin.fingerprint), "is_sleeping": false,
        ]
    }
}

/// What `/props` tells of a model.
private struct ModelProperties: Sendable {
    let contextLength: Int
    let chatTemplate: String?
    let bosToken: String?
    let eosToken: String?

    init(_ metadata: Metadata, _ tokenizer: any Tokenizer, contextLength: Int?, chatTemplate: String?) {
        let architecture = (try? metadata.optionalString("general.architecture")) ?? ""
        let trained = (try? metadata.optionalInt("\(architecture).context_length")) ?? 0
        self.contextLength = contextLength ?? trained
        self.chatTemplate = chatTemplate ?? (try? metadata.optionalString("tokenizer.chat_template"))
        bosToken = tokenizer.text(of: tokenizer.bosID)
        eosToken = tokenizer.text(of: tokenizer.eosID)
    }
}
