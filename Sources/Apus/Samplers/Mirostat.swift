#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Mirostat 2.0: drops surprising tokens, and moves the limit so that the surprise of what is drawn meets a target.
///
/// From "Mirostat: A Neural Text Decoding Algorithm that Directly Controls Perplexity", https://arxiv.org/abs/2007.14966.
/// Surprise is -log2 probability, before dropping for the limit and after it for the feedback, as in llama.cpp. What is
/// learnt from is the draw at the end of the chain, so this sampler belongs there.
public struct Mirostat: Sampler {
    /// The surprise to aim at, in bits.
    public let tau: Float
    /// How fast the limit moves: its change per bit of error.
    public let eta: Float
    /// The limit of surprise now, in bits.
    public private(set) var mu: Float

    /// Creates the sampler, with twice the target as the first limit.
    ///
    /// - Parameters:
    ///   - tau: The surprise to aim at, in bits. Finite, 0 or above.
    ///   - eta: How fast the limit moves. Finite, 0 or above.
    public init(tau: Float, eta: Float) {
        self.tau = tau
        self.eta = eta
        mu = 2 * tau
    }

    /// Drops the candidates above the limit; the likeliest one stays in any case.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        let highest = candidates.highestLogit
        guard highest.isFinite else { return }
        // A logit's surprise in nats is the logarithm of the total weight minus its distance from the highest.
        let distance = candidates.logOfTotalWeight - Double(mu) * log(2)
        if distance > 0 {
            candidates.keepHighest(1)
        } else {
            candidates.keepLogits(atLeast: Float(Double(highest) + distance))
        }
    }

    /// Moves the limit against the error of the surprise.
    ///
    /// - Parameter token: What was drawn.
    public mutating func observe(_ token: TokenCandidate) {
        let surprise = Float(-log2(token.probability))
        let moved = mu - eta * (surprise - tau)
        if moved.isFinite { mu = moved }
    }

    /// Goes back to the first limit.
    public mutating func reset() {
        mu = 2 * tau
    }
}
