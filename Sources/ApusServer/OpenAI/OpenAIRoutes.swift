internal import Apus
internal import ApusJSON
internal import Hummingbird

/// OpenAI's API.
struct OpenAIRoutes: RouteGroup {
    static let errorStyle = ErrorStyle.openAI

    let services: Services

    init(_ services: Services) { self.services = services }

    func addRoutes(to routes: Routes) {
        routes.get("/v1/models") { _ in await models() }
        routes.get("/v1/models/**") { call in try await model(call) }
        routes.post("/v1/chat/completions") { call in try await chatCompletion(call) }
        routes.post("/v1/completions") { call in try await completion(call) }
        routes.post("/v1/embeddings") { call in try await embeddings(call) }
    }
}

/// Numbers and names that OpenAI's replies carry.
enum OpenAI {
    /// A name for a reply, such as `chatcmpl-…`.
    static func id(_ prefix: String) -> String {
        let digits = String(UInt128.random(in: .min ... .max), radix: 36)
        return "\(prefix)-\(digits)"
    }

    /// How a choice ended, in OpenAI's words.
    static func finishReason(_ completion: EngineCompletion?) -> String {
        switch completion?.reason {
        case .endOfGeneration, .stopString: "stop"
        default: "length"
        }
    }

    /// What a reply took: tokens of the prompts, each counted once, and of all choices.
    static func usage(_ completions: [[EngineUsage]]) -> JSONValue {
        let prompt = completions.reduce(0) { $0 + ($1.first?.promptTokens ?? 0) }
        let cached = completions.reduce(0) { $0 + ($1.first?.reusedTokens ?? 0) }
        let reply = completions.joined().reduce(0) { $0 + $1.completionTokens }
        return [
            "prompt_tokens": .int(prompt), "completion_tokens": .int(reply), "total_tokens": .int(prompt + reply),
            "prompt_tokens_details": ["cached_tokens": .int(cached)],
        ]
    }
}
