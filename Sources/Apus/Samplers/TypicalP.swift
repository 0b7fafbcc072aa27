/// Keeps the tokens whose surprise is nearest to the expected one, until their probabilities add up to more than p.
///
/// From "Locally Typical Sampling", https://arxiv.org/abs/2202.00666. Surprise is -ln probability and the expected one
/// is the entropy. Both contain the same constant, so their distance is that of a logit from the probability-weighted
/// mean of the logits: no logarithm is needed.
public struct TypicalP: Sampler {
    /// The mass to keep. At 1 and above all are kept, at 0 and below the most typical one.
    public let p: Float

    /// Creates the sampler.
    ///
    /// - Parameter p: The mass to keep, 0 ... 1.
    public init(_ p: Float) {
        self.p = p
    }

    /// Narrows the candidates to the typical ones, in the order that they had.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        if p >= 1 { return }
        let center = Float(Double(candidates.highestLogit) + candidates.meanDepth)
        if center.isFinite { candidates.keepProbabilityMass(moreThan: Double(max(p, 0)), nearestTo: center) }
    }
}
