/// Keeps the smallest set of likeliest tokens whose probabilities add up to at least p ("nucleus sampling").
///
/// From "The Curious Case of Neural Text Degeneration", https://arxiv.org/abs/1904.09751.
public struct TopP: Sampler {
    /// The mass to keep. At 1 and above all are kept, at 0 and below the likeliest one.
    public let p: Float

    /// Creates the sampler.
    ///
    /// - Parameter p: The mass to keep, 0 ... 1.
    public init(_ p: Float) {
        self.p = p
    }

    /// Narrows the candidates to the nucleus.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        if p >= 1 { return }
        if p > 0 {
            candidates.keepProbabilityMass(Double(p))
        } else {
            candidates.keepHighest(1)
        }
    }
}
