package import Apus

/// What holds where a request does not say it.
package struct RequestDefaults: Sendable {
    /// How tokens are drawn.
    package var sampling = SamplingOptions()
    /// The most tokens of a reply; nil for no limit but the context.
    package var maxTokens: Int?
    /// A chat template in place of the models' own, or the name of one; nil for the models' own.
    package var chatTemplate: String?
    /// Which states make the vector of an embedding.
    package var pooling = EmbeddingPooling.mean

    /// The engine's own.
    package init() {}
}
