/// What a step takes that computes guessed tokens beside the next ones of some texts: learnt from the steps.
package struct DraftCost: Sendable {
    /// What a guessed token takes, in steps without any.
    package private(set) var perToken = Self.first
    /// Seconds of a step without guessed tokens; nil before the first one.
    private var plain: Double?
    private var plainSteps = 0
    private var draftedSteps = 0
    /// Steps with guessed tokens since the last one without.
    private var age = 0
    /// Steps without guessed tokens since the last one with some.
    private var idleSteps = 0

    /// What a guessed token takes as long as that is not known.
    package static let first = 0.25
    /// What a step counts among those before it; the first ones count more.
    private static let weight = 0.125
    /// Less is not believed: what is wrongly held for cheap is not found out soon.
    private static let least = 0.05
    /// Steps with guessed tokens after which one without is measured again.
    private static let longestAge = 64
    /// Steps without guessed tokens after which one is tried that seems too dear.
    private static let longestIdle = 64

    /// Whether it is learnt at all.
    private let learns: Bool

    /// Nothing is known yet.
    package init() { learns = true }

    /// A cost that does not change, so that guesses depend on tokens alone.
    ///
    /// - Parameter perToken: What a guessed token takes, in steps without any.
    package init(fixed perToken: Double) {
        self.perToken = perToken
        learns = false
    }

    /// Whether the next step should be one without guessed tokens, to compare others with.
    package var wantsPlain: Bool { learns && (plain == nil || age >= Self.longestAge) }

    /// The most tokens to guess: few at first, until it is known what they take.
    package var mostGuesses: Int { learns ? 1 + draftedSteps : .max }

    /// Whether a guess is to be tried that seems too dear. It may seem so because some steps were slow for another
    /// reason, and without a trial would do so for ever.
    package var wantsTrial: Bool { learns && idleSteps >= Self.longestIdle }

    /// Learns from a step.
    ///
    /// - Parameters:
    ///   - drafted: The guessed tokens that it computed.
    ///   - duration: What it took.
    package mutating func record(drafted: Int, took duration: Duration) {
        guard learns else { return }
        let seconds = duration.seconds
        guard drafted > 0 else {
            age = 0
            idleSteps += 1
            plainSteps += 1
            let old = plain ?? seconds
            // A hiccup of the machine counts as twice the time at the most.
            plain = old + (min(seconds, 2 * old) - old) * max(Self.weight, 1 / Double(plainSteps))
            return
        }
        age += 1
        idleSteps = 0
        draftedSteps += 1
        guard let plain, plain > 0 else { return }
        let sample = min((seconds - plain) / (plain * Double(drafted)), 2 * perToken)  // hiccups as above
        perToken = max(Self.least, perToken + (sample - perToken) * max(Self.weight, 1 / Double(1 + draftedSteps)))
    }
}
