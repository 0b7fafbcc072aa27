public import ApusGGUF

/// Samplers in order, and the generator that draws from what they leave.
///
/// A value: a copy continues from the same state and draws the same tokens. The draws depend on the logits, the options,
/// the seed and the tokens accepted, and on nothing else.
public struct SamplerChain: Sendable {
    /// The samplers in the order in which they are applied.
    public private(set) var samplers: [any Sampler]
    /// What the generator was started with.
    public private(set) var seed: UInt64

    private var generator: Xoshiro256StarStar
    private var candidates = TokenCandidates()

    /// Makes a chain of given samplers.
    ///
    /// - Parameters:
    ///   - samplers: In the order in which they are applied; with none, tokens are drawn with the model's probabilities.
    ///   - seed: Starts the generator.
    public init(_ samplers: [any Sampler], seed: UInt64) {
        self.samplers = samplers
        self.seed = seed
        generator = Xoshiro256StarStar(seed: seed)
    }

    /// Makes the chain that options describe.
    ///
    /// - Parameter options: Are validated; without a seed the system's random generator gives one (of 32 bits, so that
    ///   it is short to type again).
    /// - Throws: `ApusError` with code `invalidArgument`.
    public init(_ options: SamplingOptions) throws(ApusError) {
        try options.validate()
        let seed = options.seed ?? UInt64(UInt32.random(in: .min ... .max))
        self.init(SamplerRegistry.samplers(for: options), seed: seed)
    }

    /// Draws a token. The caller tells the chain with `accept` when the token joins the sequence.
    ///
    /// - Parameters:
    ///   - logits: A logit per token, (vocabularySize). NaN counts as -infinity.
    ///   - suppressed: Tokens that must not be drawn; ids outside the vocabulary are ignored.
    /// - Returns: The token's id.
    /// - Throws: `ApusError` with code `internalError` when no logit is above -infinity.
    public mutating func sample(
        _ logits: Span<Float>, suppressing suppressed: [Int32] = []
    ) throws(ApusError) -> Int32 {
        var working = TokenCandidates()
        swap(&working, &candidates)
        defer { swap(&working, &candidates) }
        return try sample(logits, suppressing: suppressed, in: &working)
    }

    /// Draws a token with working memory that several chains use in turn: it is as large as the vocabulary.
    ///
    /// - Parameters:
    ///   - logits: A logit per token, (vocabularySize). NaN counts as -infinity.
    ///   - suppressed: Tokens that must not be drawn; ids outside the vocabulary are ignored.
    ///   - candidates: The working memory; what it holds has no effect.
    /// - Returns: The token's id.
    /// - Throws: `ApusError` with code `internalError` when no logit is above -infinity.
    package mutating func sample(
        _ logits: Span<Float>, suppressing suppressed: [Int32], in candidates: inout TokenCandidates
    ) throws(ApusError) -> Int32 {
        candidates.load(logits)
        for token in suppressed {
            candidates.changeLogit(of: token) { $0 = -.infinity }
        }
        for i in samplers.indices {
            samplers[i].apply(&candidates, with: &generator)
        }
        guard let token = candidates.draw(with: &generator) else {
            throw ApusError(
                .internalError,
                "no token can be drawn: all \(logits.count) logits are NaN or -infinity, as damaged weights make them, "
                    + "or tokens that are banned")
        }
        for i in samplers.indices { samplers[i].observe(token) }
        return token.id
    }

    /// Tells the samplers of a token that joined the sequence: of the prompt, or one that was drawn.
    ///
    /// - Parameter token: The token's id.
    public mutating func accept(_ token: Int32) {
        for i in samplers.indices { samplers[i].accept(token) }
    }

    /// The same samplers in the same state with another generator.
    ///
    /// - Parameter seed: Starts the generator.
    /// - Returns: A chain that has accepted the same tokens.
    package func reseeded(_ seed: UInt64) -> SamplerChain {
        var chain = self
        chain.seed = seed
        chain.generator = Xoshiro256StarStar(seed: seed)
        return chain
    }

    /// Takes note that the sequence is another one now; the generator goes on.
    ///
    /// - Parameter tokens: All that the sequence holds.
    mutating func restart(after tokens: [Int32]) {
        for i in samplers.indices { samplers[i].reset() }
        for token in tokens { accept(token) }
    }

    /// Forgets the accepted tokens and starts the generator again from its seed.
    public mutating func reset() {
        for i in samplers.indices { samplers[i].reset() }
        generator = Xoshiro256StarStar(seed: seed)
    }
}
