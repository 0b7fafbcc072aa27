/// Guesses the next tokens of one text from what it has said before.
///
/// A value: what a text guesses depends on its tokens, and on how long steps take. What is drawn does not depend on it.
package struct Speculator: Sendable {
    /// What it came to so far.
    package private(set) var statistics = SpeculationStatistics()

    private var lookup = PromptLookup()
    private var policy = DraftPolicy()
    /// What was expected the last time; the first `drafted` tokens were computed.
    private var expected: (tokens: [Int32], drafted: Int, matching: Int, spent: Double)?
    /// How many tokens there were the last time.
    private var count: Int?

    /// Knows nothing of the text yet.
    package init() {}

    /// Guesses how a text goes on.
    ///
    /// - Parameters:
    ///   - tokens: The text, the token included that was drawn last; it begins with what was given the last time.
    ///   - limit: The most tokens to guess.
    ///   - sequences: Texts that get a token with the step.
    ///   - cost: What guessed tokens take beside them.
    /// - Returns: The tokens worth computing together with the last one; often none.
    package mutating func draft(_ tokens: [Int32], atMost limit: Int, sequences: Int, cost: DraftCost) -> [Int32] {
        settle(tokens)
        guard let match = lookup.match(tokens) else { return [] }
        func worthy(atMost most: Int, cost: Double) -> Int {
            policy.count(matching: match.length, atMost: min(limit, most), sequences: sequences, cost: cost)
        }
        var count = cost.wantsPlain ? 0 : worthy(atMost: cost.mostGuesses, cost: cost.perToken)
        if count == 0 && cost.wantsTrial { count = worthy(atMost: 1, cost: DraftCost.first) }
        let guesses = PromptLookup.continuation(match, tokens, count: max(1, count))
        expected = (guesses, count, match.length, Double(count * sequences) * cost.perToken)
        statistics.drafted += count
        return count > 0 ? guesses : []
    }

    /// Compares what was expected with what came.
    ///
    /// - Parameter tokens: The text as it is now.
    package mutating func settle(_ tokens: [Int32]) {
        defer { (expected, count) = (nil, tokens.count) }
        guard let count, tokens.count > count else { return }
        var (accepted, spent) = (0, 0.0)
        if let expected {
            let hits = zip(expected.tokens, tokens[count...]).prefix { $0 == $1 }.count
            policy.learn(
                matching: expected.matching, hits: hits,
                missed: hits < min(expected.tokens.count, tokens.count - count))
            accepted = min(hits, expected.drafted)
            spent = expected.spent
            statistics.accepted += accepted
        }
        policy.balance(tokens: tokens.count - count, accepted: accepted, spent: spent)
    }
}
