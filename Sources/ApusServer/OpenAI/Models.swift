internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import ApusModel
internal import Hummingbird

extension OpenAIRoutes {
    /// `GET /v1/models`
    func models() async -> Response {
        let loaded = await services.library.loaded
        var named = services.library.entries().map { ($0, $0.shortName) }
        for alias in services.library.options.aliases.keys.sorted() {
            if let entry = services.library.entry(named: alias) { named.append((entry, alias)) }
        }
        var data: [JSONValue] = []
        for (entry, name) in named { data.append(await object(entry, id: name, loaded)) }
        return Response(json: ["object": "list", "data": .array(data)])
    }

    /// `GET /v1/models/{id}`; the id may have slashes.
    func model(_ call: Call) async throws -> Response {
        let id = call.rest(after: "/v1/models/")
        guard let entry = services.library.entry(named: id) else { throw RequestError.modelNotFound(id) }
        return Response(json: await object(entry, id: id, services.library.loaded))
    }

    /// OpenAI's object, and llama-server's `meta` with what is known of the model.
    private func object(_ entry: LibraryEntry, id: String, _ loaded: [ModelLibrary.Loaded]) async -> JSONValue {
        var meta: [JSONValue.Member] = []
        if let description = try? await services.catalog.description(of: entry) {
            meta.append(.init("n_params", .int(description.parameterCount)))
            meta.append(.init("size", .int(description.fileBytes)))
        }
        if let engine = loaded.first(where: { $0.entry == entry })?.engine {
            meta.append(.init("n_vocab", .int(engine.model.vocabularySize)))
            meta.append(.init("n_ctx", .int(engine.contextLength)))
            meta.append(.init("n_ctx_train", .int(engine.model.weights.spec.contextLength)))
            meta.append(.init("n_embd", .int(engine.model.weights.spec.dim)))
        }
        return [
            "id": .string(id), "object": "model", "created": .int(entry.modified), "owned_by": "apus",
            "meta": .object(meta),
        ]
    }
}
