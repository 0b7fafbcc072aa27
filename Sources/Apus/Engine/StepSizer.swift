/// How many tokens a step may have, so that it takes a given time: learnt from the steps before. (Tokens as
/// `TokenWeights` counts them.)
package struct StepSizer {
    /// Fewer are no quicker: the weights are read for one token as for eight.
    package static let least = 8

    /// The tokens that the next step may have.
    package private(set) var tokens: Int
    /// The most tokens that a step can have.
    let limit: Int

    /// Makes a sizer.
    ///
    /// - Parameters:
    ///   - parameters: Numbers in the model, by which the first step's time is guessed.
    ///   - target: What a step may take.
    ///   - limit: The most tokens that a step can have.
    package init(parameters: Int, target: Duration, limit: Int) {
        self.limit = limit
        // A slow core does some 2 · 10¹⁰ multiplications a second.
        let guess = target.seconds * 2e10 / Double(max(1, parameters))
        tokens = max(1, min(limit, max(Self.least, Int(min(guess, 1e9)))))
    }

    /// When tokens would be computed that had the steps for themselves since they came.
    ///
    /// - Parameters:
    ///   - count: The tokens.
    ///   - start: When they came.
    ///   - target: What a step may take.
    package func dueTime(
        of count: Double, since start: ContinuousClock.Instant, target: Duration
    ) -> ContinuousClock.Instant { start + target * (count / Double(max(1, tokens))) }

    /// Learns from a step.
    ///
    /// - Parameters:
    ///   - count: The tokens that it had.
    ///   - duration: What it took.
    ///   - target: What a step may take.
    package mutating func record(_ count: Int, took duration: Duration, target: Duration) {
        let fitting = Double(count) * target.seconds / max(duration.seconds, 1e-6)
        if fitting < Double(tokens) {
            // At once, but a single hiccup of the machine must not cost more than half.
            tokens = max(min(Self.least, limit), max(tokens / 2, Int(fitting)))
        } else if count >= tokens - tokens / 8 {
            // Half of the way: the step may have been a lucky one.
            let half = tokens + (Int(min(fitting, 1e9)) - tokens + 1) / 2
            tokens = min(limit, min(tokens * 2, half))
        }
    }
}
