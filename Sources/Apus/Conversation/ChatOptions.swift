/// How a reply of a `ChatSession` is generated.
public struct ChatOptions: Sendable, Hashable {
    /// How tokens are drawn.
    public var sampling = SamplingOptions()
    /// What ends the reply.
    public var generation = GenerationOptions()
    /// Tools and further variables for the template.
    public var prompt = ChatPromptOptions()
    /// As `EngineRequest.priority`.
    public var priority = 0
    /// When the reply ends at the latest, with what there is.
    public var deadline: ContinuousClock.Instant?

    /// The defaults, or other values for what is changed most.
    ///
    /// - Parameters:
    ///   - temperature: As `SamplingOptions.temperature`; 0 always takes the likeliest token.
    ///   - maximumResponseTokens: The most tokens of the reply; nil until the model ends it or the context is full.
    ///   - seed: Starts the random generator; nil takes one from the system, which `ChatSession.Response.usage` tells.
    public init(temperature: Float? = nil, maximumResponseTokens: Int? = nil, seed: UInt64? = nil) {
        if let temperature { sampling.temperature = temperature }
        generation.maxTokens = maximumResponseTokens
        sampling.seed = seed
    }
}
