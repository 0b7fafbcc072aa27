/// Decides how many guessed tokens are worth computing, by how often such guesses were right in this text.
///
/// How right a guess is depends on how many tokens before it are alike: two are chance, twenty are a copy. Guesses that
/// were not computed teach as much, for the next token tells whether the first one was right; so nothing is spent on
/// trying. Beyond that there is an account: what guessing costs when it is wrong is paid out of what it gained before, and
/// a hundredth of all tokens; so a text never takes much longer than without it, whatever it is.
struct DraftPolicy: Sendable {
    /// The most tokens that are guessed at once.
    static let longest = 15

    /// How often guesses were right, of a kind.
    private struct Tally: Sendable {
        var hits: Double
        var trials: Double
        var rate: Double { hits / trials }

        mutating func count(_ hit: Bool) {
            // What was long ago counts less.
            if trials >= 32 { (hits, trials) = (hits / 2, trials / 2) }
            trials += 1
            if hit { hits += 1 }
        }
    }

    /// By how many tokens are alike: 2, 3, 4 to 7, 8 to 15, more. They begin as two guesses each, of which some were right.
    private var tallies = [0.35, 0.45, 0.6, 0.8, 0.9].map { Tally(hits: 2 * $0, trials: 2) }
    /// What may be lost, in tokens.
    private var credit = 1.0

    private static let mostCredit = 16.0
    private static let creditPerToken = 0.01
    /// What guessing must promise: so much more than nothing.
    private static let leastGain = 1.02

    private static func kind(_ length: Int) -> Int {
        switch length {
        case ..<3: 0
        case 3: 1
        case ..<8: 2
        case ..<16: 3
        default: 4
        }
    }

    /// How many tokens to guess.
    ///
    /// - Parameters:
    ///   - length: How many tokens before the first guess are alike.
    ///   - limit: The most tokens.
    ///   - sequences: Texts that get a token with the step.
    ///   - cost: What a guessed token takes, in steps without any.
    func count(matching length: Int, atMost limit: Int, sequences: Int, cost: Double) -> Int {
        var (best, bestSpeed) = (0, Self.leastGain)
        var (probability, gain) = (1.0, 0.0)
        for count in 1...Self.longest {
            let loss = Double(count) * cost
            if count > limit || loss * Double(sequences) > credit { break }
            probability *= tallies[Self.kind(length + count - 1)].rate
            gain += probability
            let speed = (1 + gain / Double(sequences)) / (1 + loss)
            if speed > bestSpeed { (best, bestSpeed) = (count, speed) }
        }
        return best
    }

    /// Learns from guesses.
    ///
    /// - Parameters:
    ///   - length: How many tokens before the first one were alike.
    ///   - hits: How many were right, from the first one on.
    ///   - missed: Whether the one after these was wrong.
    mutating func learn(matching length: Int, hits: Int, missed: Bool) {
        for index in 0..<hits { tallies[Self.kind(length + index)].count(true) }
        if missed { tallies[Self.kind(length + hits)].count(false) }
    }

    /// Balances the account.
    ///
    /// - Parameters:
    ///   - tokens: How many have joined the text.
    ///   - accepted: Those of them that were guessed and computed in advance.
    ///   - spent: What the guesses took, in tokens.
    mutating func balance(tokens: Int, accepted: Int, spent: Double) {
        credit += Double(tokens) * Self.creditPerToken + Double(accepted) - spent
        credit = min(credit, Self.mostCredit)
    }
}
