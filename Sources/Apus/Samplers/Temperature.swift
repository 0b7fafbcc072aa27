/// Divides the logits by a temperature: below 1 the likely tokens gain, above 1 the unlikely ones.
public struct Temperature: Sampler {
    /// The divisor. At 0 only the highest logit is kept, of equal ones the lowest id.
    public let temperature: Float

    /// Creates the sampler.
    ///
    /// - Parameter temperature: Finite, 0 or above.
    public init(_ temperature: Float) {
        self.temperature = temperature
    }

    /// Divides the logits, or keeps the highest.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        if temperature > 0 {
            candidates.divideLogits(by: temperature)
        } else {
            candidates.keepHighest(1)
        }
    }
}
