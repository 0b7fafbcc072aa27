internal import Apus
internal import ApusJSON
internal import Hummingbird

extension OpenAIRoutes {
    /// `GET /v1/models`
    func models() -> Response {
        let aliases = services.library.options.aliases.keys.sorted()
        let entries = services.library.entries()
        var data = entries.map { object($0, id: $0.shortName) }
        for alias in aliases {
            if let entry = services.library.entry(named: alias) { data.append(object(entry, id: alias)) }
        }
        return Response(json: ["object": "list", "data": .array(data)])
    }

    /// `GET /v1/models/{id}`; the id may have slashes.
    func model(_ call: Call) throws(ServerError) -> Response {
        let id = call.rest(after: "/v1/models/")
        guard let entry = services.library.entry(named: id) else { throw .modelNotFound(id) }
        return Response(json: object(entry, id: id))
    }

    private func object(_ entry: LibraryEntry, id: String) -> JSONValue {
        [
            "id": .string(id), "object": "model", "created": .int(entry.modified), "owned_by": "apus",
        ]
    }
}
