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
        // Ollama's list too, as llama-server has it.
        let models = await OllamaRoutes(services).tags()["models"] ?? []
        return Response(json: ["object": "list", "data": .array(data), "models": models])
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
            // Of a loaded model what its requests can have; of another one what it is to have.
            let engine = loaded.first { $0.entry == entry }?.engine
            let context =
                engine?.contextLength ?? services.library.options.load.contextLength ?? description.contextLength
            meta = [
                .init("n_params", .int(description.parameterCount)), .init("size", .int(description.fileBytes)),
                .init("n_vocab", .int(description.vocabularySize)), .init("n_ctx", .int(context)),
                .init("n_ctx_train", .int(description.contextLength)), .init("n_embd", .int(description.dimensions)),
            ]
        }
        return [
            "id": .string(id), "object": "model", "created": .int(entry.modified), "owned_by": "apus",
            "meta": .object(meta),
        ]
    }
}
