/// Keeps the k highest logits; of equal ones the lowest ids.
public struct TopK: Sampler {
    /// How many are kept; 0 or less keeps all.
    public let k: Int

    /// Creates the sampler.
    ///
    /// - Parameter k: How many to keep; 0 or less keeps all.
    public init(_ k: Int) {
        self.k = k
    }

    /// Narrows the candidates to the k highest, in descending order.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        if k > 0 { candidates.keepHighest(k) }
    }
}
