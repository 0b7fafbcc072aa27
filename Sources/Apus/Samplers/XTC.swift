/// "Exclude top choices": now and then drops all tokens of at least some probability but the least likely of them.
///
/// llama.cpp's rules, after https://github.com/oobabooga/text-generation-webui/pull/6335.
public struct XTC: Sampler {
    /// How often tokens are dropped, 0 ... 1.
    public let probability: Float
    /// How probable a token must be to count as a top choice. Above 0.5 there can be no two of them.
    public let threshold: Float

    /// Creates the sampler.
    ///
    /// - Parameters:
    ///   - probability: How often tokens are dropped, 0 ... 1.
    ///   - threshold: How probable a top choice is, 0 ... 1.
    public init(probability: Float, threshold: Float) {
        self.probability = probability
        self.threshold = threshold
    }

    /// Drops the top choices but the last, whatever the probability of doing so.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        if threshold <= 0.5 && candidates.count > 1 { candidates.dropLikely(threshold: Double(threshold)) }
    }

    /// Drops the top choices but the last, if chance has it.
    ///
    /// - Parameters:
    ///   - candidates: What the samplers before this one left.
    ///   - generator: Gives one number where there can be something to drop.
    public func apply(_ candidates: inout TokenCandidates, with generator: inout Xoshiro256StarStar) {
        guard probability > 0 && threshold <= 0.5 && candidates.count > 1 else { return }
        if generator.nextUnit() < Double(probability) { apply(&candidates) }
    }
}
