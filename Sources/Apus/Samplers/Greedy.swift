/// Keeps the highest logit only; of equal ones the lowest id.
public struct Greedy: Sampler {
    /// Creates the sampler.
    public init() {}

    /// Narrows the candidates to one.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        candidates.keepHighest(1)
    }
}
