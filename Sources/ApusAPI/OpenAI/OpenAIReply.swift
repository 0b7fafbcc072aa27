internal import Apus
package import ApusJSON

/// The body of a request of OpenAI's that text is generated for.
package protocol OpenAIBody: Sendable {
    /// The model that it names.
    var model: String? { get }

    /// Reads what can be read before the model is there.
    ///
    /// - Throws: 400 with the parameter.
    init(_ fields: Fields) throws(RequestError)

    /// Starts what is asked for.
    ///
    /// - Parameters:
    ///   - use: The model.
    ///   - requests: Makes requests to its engine.
    ///   - signal: Calls them off.
    /// - Throws: 400 with the parameter, and 503 when too many requests wait; then nothing is under way.
    func start(_ use: ModelUse, _ requests: Requests, signal: CancelSignal) throws(RequestError) -> OpenAIReply
}

/// A reply of OpenAI's API that is under way.
package struct OpenAIReply: Sendable {
    /// What comes of it.
    package let generation: Generation
    /// Whether the request wants it in pieces.
    package let isStreamed: Bool
    /// Makes the pieces.
    package let stream: any StreamRenderer
    /// Makes it in one piece.
    package let whole: @Sendable ([Generation.Result]) -> JSONValue
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
