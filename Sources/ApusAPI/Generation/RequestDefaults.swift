package import Apus
package import ApusJSON

/// What holds where a request does not say it.
package struct RequestDefaults: Sendable {
    /// How tokens are drawn.
    package var sampling = SamplingOptions()
    /// Texts that end a repetition, for DRY.
    package var dryBreakers = DRYBreakers.standard
    /// The most tokens of a reply; nil for no limit but the context.
    package var maxTokens: Int?
    /// A chat template in place of the models' own, or the name of one; nil for the models' own.
    package var chatTemplate: String?
    /// Variables of the template, such as `enable_thinking`.
    package var templateVariables: [JSONValue.Member] = []
    /// Whether thoughts are told apart from the answer, where the model's template knows of them.
    package var separatesThoughts = true
    /// Whether a last message of the assistant's is continued.
    package var continuesLastAnswer = false
    /// Whether the texts of control tokens are part of a reply.
    package var rendersSpecialTokens = false
    /// How soon after others tokens are told: `EngineRequest.pace`.
    package var pace = Duration.zero
    /// Which states make the vector of an embedding.
    package var pooling = EmbeddingPooling.mean

    /// The engine's own.
    package init() {}
}
