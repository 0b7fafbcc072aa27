#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

// What samplers want to know of the candidates as a whole. Logarithms are of double precision: what samplers make of
// them is rounded to single, so that libraries which differ in the last bit still give the same result.

extension TokenCandidates {
    /// The natural logarithm of the sum of e^(logit - highest logit); -infinity where nothing can be drawn.
    ///
    /// A candidate's log probability is its logit's distance from the highest one, minus this.
    public var logOfTotalWeight: Double {
        mutating get {
            computeWeights()
            return log(totalWeight)
        }
    }

    /// The mean distance of the logits from the highest one, weighted by probability: 0 or below; NaN where nothing can
    /// be drawn or the highest is infinite.
    public var meanDepth: Double {
        mutating get {
            computeWeights()
            let highest = highestLogit
            guard highest.isFinite else { return .nan }
            let sum = logits.withUnsafeBufferPointer { logits in
                weights.withUnsafeBufferPointer { weights in
                    SamplingMath.sum(count) { i in
                        // Without the condition a logit of -infinity would give NaN.
                        weights[i] > 0 ? Double(weights[i]) * Double(logits[i] - highest) : 0
                    }
                }
            }
            return sum / totalWeight
        }
    }

    /// The entropy of the probabilities in nats, 0 ... ln count; NaN where nothing can be drawn or the highest logit is
    /// infinite.
    public var entropy: Double {
        mutating get { logOfTotalWeight - meanDepth }
    }

    /// The standard deviation of the logits above -infinity, with their number as the divisor; NaN when there are none,
    /// or infinite ones.
    public var logitDeviation: Double {
        logits.withUnsafeBufferPointer { logits in
            let number = SamplingMath.sum(count) { logits[$0] > -.infinity ? 1 : 0 }
            let mean = SamplingMath.sum(count) { logits[$0] > -.infinity ? Double(logits[$0]) : 0 } / number
            let squares = SamplingMath.sum(count) { i in
                let distance = logits[i] > -.infinity ? Double(logits[i]) - mean : 0
                return distance * distance
            }
            return (squares / number).squareRoot()
        }
    }
}
