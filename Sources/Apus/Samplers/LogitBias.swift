/// Adds numbers to the logits of given tokens.
public struct LogitBias: Sampler {
    /// What is added, by token; -infinity bans a token.
    public let biases: [Int32: Float]

    /// Creates the sampler.
    ///
    /// - Parameter biases: What is added, by token: finite, or -infinity. Ids outside the vocabulary are ignored.
    public init(_ biases: [Int32: Float]) {
        self.biases = biases
    }

    /// Changes the logits of the given tokens.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        candidates.changeLogits(of: biases) { logit, bias in logit += bias }
    }
}
