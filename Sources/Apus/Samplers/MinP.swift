#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Keeps the tokens that are at least p times as probable as the likeliest one.
///
/// From "Turning Up the Heat: Min-p Sampling", https://arxiv.org/abs/2407.01082. The comparison is made on logits: a
/// token stays when its logit is at least the highest one + ln p.
public struct MinP: Sampler {
    /// The least probability relative to the highest. At 0 and below all are kept.
    public let p: Float
    private let logOfP: Float

    /// Creates the sampler.
    ///
    /// - Parameter p: The least relative probability, 0 ... 1.
    public init(_ p: Float) {
        self.p = p
        // Rounded from double precision: libraries that differ in the last bit of that still give the same float.
        logOfP = p > 0 ? Float(log(Double(min(p, 1)))) : -.infinity
    }

    /// Drops the candidates below the threshold.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        if p > 0 { candidates.keepLogits(atLeast: candidates.highestLogit + logOfP) }
    }
}
