/// Keeps the tokens whose logit is at most n standard deviations below the highest one.
///
/// From "Top-nσ: Not All Logits Are You Need", https://arxiv.org/abs/2411.07641. The deviation is that of all logits
/// above -infinity, so a temperature before this sampler does not change what is kept.
public struct TopNSigma: Sampler {
    /// How many standard deviations; 0 and below keeps all.
    public let n: Float

    /// Creates the sampler.
    ///
    /// - Parameter n: How many standard deviations; 0 and below keeps all.
    public init(_ n: Float) {
        self.n = n
    }

    /// Drops the candidates below the threshold.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        guard n > 0 && candidates.count > 1 else { return }
        let threshold = Float(Double(candidates.highestLogit) - Double(n) * candidates.logitDeviation)
        if threshold.isFinite { candidates.keepLogits(atLeast: threshold) }
    }
}
