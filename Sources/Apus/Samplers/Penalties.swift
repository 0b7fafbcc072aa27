/// Makes tokens that occurred among the last ones less likely.
///
/// llama.cpp's formulas: with a token's count c > 0 among the last `lastCount` tokens of prompt and output,
/// a positive logit is divided by `repetition` and another multiplied by it; then `c · frequency + presence` is
/// subtracted.
public struct Penalties: Sampler {
    /// The factor against repeated tokens; 1 has no effect.
    public let repetition: Float
    /// What is subtracted once from the logit of a token that occurred.
    public let presence: Float
    /// What is subtracted for each time that a token occurred.
    public let frequency: Float
    /// How many of the last tokens are looked at; a negative number looks at all.
    public let lastCount: Int

    /// The last tokens: a ring once `lastCount` of them are there, whose oldest is at `oldest`.
    private var history: [Int32] = []
    private var oldest = 0
    private var counts: [Int32: Int32] = [:]

    /// Creates the sampler.
    ///
    /// - Parameters:
    ///   - repetition: Finite and above 0; 1 has no effect.
    ///   - presence: Finite; 0 has no effect.
    ///   - frequency: Finite; 0 has no effect.
    ///   - lastCount: How many of the last tokens to look at; 0 turns the sampler off, a negative number looks at all.
    public init(repetition: Float, presence: Float, frequency: Float, lastCount: Int) {
        self.repetition = repetition
        self.presence = presence
        self.frequency = frequency
        self.lastCount = lastCount
    }

    /// Changes the logits of the tokens that occurred.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    public func apply(_ candidates: inout TokenCandidates) {
        if repetition == 1 && presence == 0 && frequency == 0 { return }
        candidates.changeLogits(of: counts) { logit, count in
            logit = logit > 0 ? logit / repetition : logit * repetition
            logit -= Float(count) * frequency + presence
        }
    }

    /// Adds a token to the last ones, and drops the oldest when there are too many.
    ///
    /// - Parameter token: The token's id.
    public mutating func accept(_ token: Int32) {
        if lastCount == 0 { return }
        if lastCount < 0 || history.count < lastCount {
            history.append(token)
        } else {
            let dropped = history[oldest]
            history[oldest] = token
            oldest = (oldest + 1) % history.count
            if let count = counts[dropped] { counts[dropped] = count > 1 ? count - 1 : nil }
        }
        counts[token, default: 0] += 1
    }

    /// Forgets all tokens.
    public mutating func reset() {
        history.removeAll(keepingCapacity: true)
        oldest = 0
        counts.removeAll(keepingCapacity: true)
    }
}
