internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import Hummingbird

/// OpenAI's API.
struct OpenAIRoutes: RouteGroup {
    static let errorStyle = ErrorStyle.openAI

    /// What other servers have and this one not yet.
    static let later = ["/v1/responses", "/v1/messages", "/infill"]

    let services: Services

    init(_ services: Services) { self.services = services }

    func addRoutes(to routes: Routes) {
        routes.get("/v1/models") { _ in await models() }
        routes.get("/v1/models/**") { call in try await model(call) }
        routes.post("/v1/chat/completions") { call in try await reply(to: ChatCompletionBody(call.fields()), call) }
        routes.post("/v1/completions") { call in try await reply(to: CompletionBody(call.fields()), call) }
        routes.post("/v1/embeddings") { call in try await embeddings(call) }
        for path in Self.later {
            routes.post(path) { _ in
                throw RequestError.invalid(
                    nil, "\(path) is not supported yet, wanted: /v1/chat/completions or /v1/completions",
                    code: "unsupported")
            }
        }
    }

    /// `POST /v1/chat/completions`, `POST /v1/completions`
    private func reply(to body: some OpenAIBody, _ call: Call) async throws -> Response {
        let signal = await call.cancelSignal()
        let use = try await services.use(body.model, signal: signal)
        let reply = try body.start(use, services.requests, signal: signal)
        if reply.isStreamed { return Response(streaming: reply.generation, reply.stream, to: call) }
        return Response(json: reply.whole(try await reply.generation.collect()))
    }

    /// `POST /v1/embeddings`
    private func embeddings(_ call: Call) async throws -> Response {
        let body = try EmbeddingsBody(call.fields())
        let signal = await call.cancelSignal()
        let use = try await services.use(body.model, signal: signal)
        return Response(json: try await body.prepare(use, services.requests, signal: signal)())
    }
}
