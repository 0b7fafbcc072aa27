internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import Hummingbird

/// The routes of llama-server that are not OpenAI's, and those of vLLM about tokens.
struct LlamaServerRoutes: RouteGroup {
    static let errorStyle = ErrorStyle.llamaServer

    let services: Services

    init(_ services: Services) { self.services = services }

    func addRoutes(to routes: Routes) {
        for path in ["/completion", "/completions"] {
            routes.post(path) { call in try await completion(call) }
        }
        routes.post("/tokenize") { call in Response(json: try await tokenize(call)) }
        routes.post("/detokenize") { call in Response(json: try await detokenize(call)) }
        routes.post("/apply-template") { call in Response(json: try await applyTemplate(call)) }
        routes.get("/tokenizer_info") { call in Response(json: try await tokenizerInfo(call)) }
        routes.get("/props") { call in Response(json: try await properties(call)) }
        if services.configuration.exposesSlots {
            routes.get("/slots") { call in Response(json: try await slots(call)) }
        }
        if services.configuration.exposesMetrics {
            routes.get("/metrics") { _ in
                Response(
                    text: LlamaServerMetrics.text(await services.library.metrics), type: LlamaServerMetrics.contentType)
            }
        }
    }

    /// Lets a request use the model that its body names, or the one there is.
    func use(_ fields: Fields, _ call: Call) async throws -> ModelUse {
        try await services.use(try fields.string("model"), signal: await call.cancelSignal())
    }
}
