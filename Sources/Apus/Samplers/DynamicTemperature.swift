#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Divides the logits by a temperature that grows with the model's uncertainty.
///
/// llama.cpp's formula: with the entropy as a share of the highest possible one (ln of the number of candidates), it is
/// `lowest + (highest - lowest) · share^exponent`, where lowest and highest are the temperature ∓ the range.
public struct DynamicTemperature: Sampler {
    /// The middle of the temperatures.
    public let temperature: Float
    /// The distance of the lowest and the highest temperature from the middle; the lowest is never below 0.
    public let range: Float
    /// How the share of the entropy is bent: above 1 high temperatures become rarer.
    public let exponent: Float

    /// Creates the sampler.
    ///
    /// - Parameters:
    ///   - temperature: Finite, 0 or above.
    ///   - range: Finite, 0 or above.
    ///   - exponent: Finite, 0 or above.
    public init(temperature: Float, range: Float, exponent: Float) {
        self.temperature = temperature
        self.range = range
        self.exponent = exponent
    }

    /// Divides the logits, or keeps the highest where the temperature is 0.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        guard candidates.count > 1 else { return }
        let entropy = candidates.entropy
        if entropy.isNaN { return }
        // Rounding may take the entropy of equal probabilities past the highest, and that of one token below 0.
        let share = min(max(entropy / log(Double(candidates.count)), 0), 1)
        let lowest = max(0, temperature - range)
        let highest = temperature + range
        let dynamic = lowest + (highest - lowest) * Float(pow(share, Double(exponent)))
        Temperature(min(dynamic, .greatestFiniteMagnitude)).apply(&candidates)
    }
}
