internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import Hummingbird

/// Ollama's API.
struct OllamaRoutes: RouteGroup {
    static let errorStyle = ErrorStyle.ollama
    /// The version of Ollama whose API this is: clients read it as numbers, and some ask for a certain one.
    static let version = "0.14.2"

    let services: Services

    init(_ services: Services) { self.services = services }

    func addRoutes(to routes: Routes) {
        routes.get("/") { _ in Response(text: "Ollama is running") }
        routes.get("/api/version") { _ in
            Response(json: ["version": .string(Self.version), "apus": .string(ApusVersion.text)])
        }
        routes.get("/api/tags") { _ in Response(json: await tags()) }
        routes.get("/api/ps") { _ in Response(json: try await running()) }
        routes.post("/api/show") { call in Response(json: try await show(call.fields())) }
        routes.post("/api/chat") { call in try await chat(call) }
        routes.post("/api/generate") { call in try await generate(call) }
        routes.post("/api/embed") { call in try await embed(call) }
        routes.post("/api/embeddings") { call in try await embeddings(call) }
        routes.post("/api/copy") { call in try await copy(call.fields()) }
        routes.on(.delete, "/api/delete") { call in try await delete(call.fields()) }
        for path in ["/api/pull", "/api/push", "/api/create", "/api/blobs/{digest}"] {
            routes.post(path) { _ in
                throw RequestError.invalid(
                    nil, "\(path) is not supported: models are GGUF files that are put into the server's folder",
                    code: "unsupported")
            }
        }
    }

    /// The name of the model that a request is about.
    ///
    /// - Throws: 400 when it says none.
    func modelName(_ fields: Fields) throws(RequestError) -> String {
        for key in ["model", "name"] {
            if let name = try fields.string(key), !name.isEmpty { return name }
        }
        throw fields.missing("model", wanted: "the name of a model")
    }

    /// The file of the model that a request is about.
    ///
    /// - Throws: 400 when it says none, 404 when there is none of that name.
    func entry(_ fields: Fields) throws(RequestError) -> (entry: LibraryEntry, name: String) {
        try services.entry(named: try modelName(fields))
    }

    /// Lets a request use its model.
    func use(_ fields: Fields, signal: CancelSignal) async throws -> ModelUse {
        try await services.use(
            try modelName(fields), keepAlive: try KeepAlive.read(fields), whileLoading: .wait, signal: signal)
    }
}
