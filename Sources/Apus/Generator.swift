public import ApusGGUF
public import ApusModel
public import ApusTokenizer

/// What ends a generation, and what becomes of the tokens.
public struct GenerationOptions: Sendable, Hashable {
    /// The most tokens to generate; nil until the model ends the text or the context is full.
    public var maxTokens: Int?
    /// Strings that end the text; the text stops before them.
    public var stops: [String] = []
    /// Whether the tokens that end a text are never drawn.
    public var ignoresEndOfGeneration = false
    /// Whether the texts of control tokens are part of the text.
    public var rendersSpecialTokens = false

    /// No limit and no stop strings.
    public init() {}
}

/// Why a generation ended.
public enum StopReason: String, Sendable, Hashable {
    /// The model drew a token that ends a text.
    case endOfGeneration = "eos"
    /// A stop string was found.
    case stopString = "stop"
    /// As many tokens as asked for were generated.
    case maxTokens = "length"
    /// The context is full.
    case contextFull = "context"
    /// It was called off, by the flag or by whom the text was given to.
    case cancelled = "cancelled"
    /// The time for it was over.
    case deadline = "deadline"
}

/// What a generation gave.
public struct GenerationResult: Sendable {
    /// The tokens generated, without one that ends a text.
    public var ids: [Int32] = []
    /// Their text, up to the stop string if one ended it.
    public var text = ""
    /// Why it ended.
    public var stopReason = StopReason.cancelled
    /// The time from the start to the logits after the prompt.
    public var promptDuration = Duration.zero
    /// The time from there to the end, without what making room took.
    public var generationDuration = Duration.zero
    /// The time that making room in a full context took.
    public var recomputeDuration = Duration.zero
    /// The time from the start until the first token was drawn; nil when none was.
    public var timeToFirstToken: Duration?
    /// Tokens after which the next one was drawn, which is what decoding speed is measured by: the first one is drawn
    /// after the prompt.
    public var decodedTokens = 0
    /// The steps that computed them, each of which read all weights once; fewer than tokens where guesses were right.
    public var decodeSteps = 0
    /// What guessing tokens came to.
    public var speculation = SpeculationStatistics()
    /// The id of the token that ended the text, when one did.
    public var endToken: Int32?
}

/// Generates text: feeds the prompt, then draws a token and feeds it, until something ends the text.
///
/// Runs on the caller's thread. A value: each generation starts from the chain as it was given.
public struct Generator {
    private let source: any LogitsSource
    private let tokenizer: any Tokenizer
    private var chain: SamplerChain
    private let options: GenerationOptions
    private let matcher: StopMatcher
    private let speculation: Speculation
    private let cancellation: CancellationFlag?
    /// What guesses are held to cost at first.
    package var draftCost = DraftCost()

    /// Makes a generator.
    ///
    /// - Parameters:
    ///   - source: The sequence to extend; what it holds already comes before the prompt.
    ///   - tokenizer: Turns tokens into text.
    ///   - chain: Draws the tokens.
    ///   - options: What ends the text.
    ///   - speculation: Whether tokens are guessed; only a `VerifyingLogitsSource` makes use of that. What is generated does
    ///     not depend on it.
    ///   - cancellation: Is looked at before every token, and inside the model's work.
    /// - Throws: `ApusError` with code `invalidArgument` that names the option.
    public init(
        source: any LogitsSource, tokenizer: any Tokenizer, chain: SamplerChain, options: GenerationOptions,
        speculation: Speculation = .lookup, cancellation: CancellationFlag? = nil
    ) throws(ApusError) {
        if let maxTokens = options.maxTokens, maxTokens < 0 {
            throw ApusError(.invalidArgument, "max_tokens is \(maxTokens), wanted: 0 or more")
        }
        self.source = source
        self.tokenizer = tokenizer
        self.chain = chain
        self.options = options
        self.speculation = speculation
        self.cancellation = cancellation
        matcher = try StopMatcher(options.stops)
    }

    /// Generates text after a prompt.
    ///
    /// - Parameters:
    ///   - prompt: At least one token of the vocabulary.
    ///   - beginning: The tokens that the source holds already; guesses are taken from them too.
    ///   - onText: Gets the text piece by piece, whole characters only; false ends the generation.
    ///   - whenFull: Is called when the context is full, with the tokens generated so far. It may make room: true says
    ///     that the source now holds another beginning, and all of these tokens but the last. False ends the text.
    /// - Returns: Everything that was generated; also when it was cancelled while tokens were drawn.
    /// - Throws: `ApusError` with code `invalidArgument` for an empty prompt, `contextFull` when the prompt does not fit
    ///   the context, `cancelled` when called off before the prompt was done, `format` when the model gives NaN or
    ///   +infinity for a logit, and what the model throws.
    public mutating func run(
        prompt: [Int32], after beginning: [Int32] = [], onText: @escaping (String) -> Bool = { _ in true },
        whenFull: ([Int32]) throws(ApusError) -> Bool = { _ in false }
    ) throws(ApusError) -> GenerationResult {
        guard !prompt.isEmpty else {
            throw ApusError(.invalidArgument, "the prompt has no tokens, wanted: at least one")
        }
        let room = source.contextLength - source.position
        guard prompt.count <= room else {
            let held = source.position > 0 ? ", of which \(source.position) are taken" : ""
            throw ApusError(
                .contextFull,
                "the prompt has \(prompt.count) tokens and does not fit the context of \(source.contextLength)\(held)")
        }
        var reply = Reply(
            text: TextGeneration(chain: chain, matcher: matcher, tokenizer: tokenizer, options: options),
            onText: onText, cancellation: cancellation)
        defer { chain = reply.text.chain }
        try source.eval(prompt, cancellation: cancellation)
        reply.text.accept(prompt: prompt)
        let prefilled = ContinuousClock.now
        reply.result.promptDuration = prefilled - reply.start

        if let token = try reply.next(source) {
            try decode(after: beginning + prompt, token, whenFull: whenFull, &reply)
        }
        reply.finish()
        reply.result.generationDuration = ContinuousClock.now - prefilled - reply.result.recomputeDuration
        return reply.result
    }

    /// Feeds a drawn token and draws the next one, until the text ends.
    ///
    /// - Parameters:
    ///   - beginning: What comes before the token.
    ///   - token: The first token drawn.
    private func decode(
        after beginning: [Int32], _ token: Int32, whenFull: ([Int32]) throws(ApusError) -> Bool, _ reply: inout Reply
    ) throws(ApusError) {
        var guesses = Guesses(
            speculation == .lookup ? source as? any VerifyingLogitsSource : nil, beginning, draftCost)
        var token = token
        do throws(ApusError) {
            while true {
                if source.position >= source.contextLength {
                    let full = ContinuousClock.now
                    defer { reply.result.recomputeDuration += ContinuousClock.now - full }
                    guard try whenFull(reply.text.ids), source.position < source.contextLength else {
                        reply.result.stopReason = .contextFull
                        break
                    }
                }
                guard let next = try step(token, &guesses, &reply) else { break }
                token = next
            }
        } catch {
            guard error.code == .cancelled else { throw error }
            reply.result.stopReason = .cancelled
        }
        reply.result.speculation = guesses.finish()
    }

    /// Feeds a drawn token, together with guesses at those after it if any are worth it.
    ///
    /// - Returns: The last token drawn, which is not fed yet; nil when the text has ended.
    private func step(_ token: Int32, _ guesses: inout Guesses, _ reply: inout Reply) throws(ApusError) -> Int32? {
        // The last token wanted is not fed.
        let draft = guesses.draft(after: token, atMost: reply.text.tokensLeft - 1)
        let start = ContinuousClock.now
        guard let verifier = guesses.source, !draft.isEmpty else {
            try source.eval([token], cancellation: cancellation)
            guesses.cost.record(drafted: 0, took: .now - start)
            reply.result.decodeSteps += 1
            reply.result.decodedTokens += 1
            return try reply.next(source)
        }
        var next: Int32?
        try verifier.verify([token] + draft, cancellation: cancellation) { index, logits throws(ApusError) in
            if index == 0 {
                guesses.cost.record(drafted: draft.count, took: .now - start)
                reply.result.decodeSteps += 1
            }
            reply.result.decodedTokens += 1
            next = try reply.next(logits)
            guard let next, index < draft.count, next == draft[index] else { return false }
            guesses.tokens.append(next)
            return true
        }
        return next
    }
}

/// The guesses at a text that one source computes.
private struct Guesses {
    /// What can compute guesses; nil where none are wanted.
    let source: (any VerifyingLogitsSource)?
    /// The text so far.
    var tokens: [Int32]
    var cost: DraftCost
    private var speculator = Speculator()

    init(_ source: (any VerifyingLogitsSource)?, _ beginning: [Int32], _ cost: DraftCost) {
        self.source = source
        self.cost = cost
        tokens = beginning
    }

    /// Adds a token to the text and guesses how it goes on.
    mutating func draft(after token: Int32, atMost limit: Int) -> [Int32] {
        guard let source else { return [] }
        tokens.append(token)
        let room = min(source.contextLength - source.position, source.verifiableCount) - 1
        return speculator.draft(tokens, atMost: min(limit, room), sequences: 1, cost: cost)
    }

    /// What it came to.
    mutating func finish() -> SpeculationStatistics {
        speculator.settle(tokens)
        return speculator.statistics
    }
}

/// A text on its way from logits to whoever gets it.
private struct Reply {
    let start = ContinuousClock.now
    var text: TextGeneration
    var result = GenerationResult()
    private let onText: (String) -> Bool
    private let cancellation: CancellationFlag?
    private var isRefused = false
    private var candidates = TokenCandidates()

    init(text: TextGeneration, onText: @escaping (String) -> Bool, cancellation: CancellationFlag?) {
        self.text = text
        self.onText = onText
        self.cancellation = cancellation
    }

    /// Draws a token after the last one that the source holds.
    ///
    /// - Returns: The token; nil when the text has ended, for the reason in the result.
    mutating func next(_ source: any LogitsSource) throws(ApusError) -> Int32? {
        try source.withLogits { logits in
            Result { () throws(ApusError) in try next(logits) }
        }.get()
    }

    /// Draws a token from logits, and gives out what is certain of the text.
    ///
    /// - Returns: The token; nil when the text has ended, for the reason in the result.
    mutating func next(_ logits: UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Int32? {
        if cancellation?.isCancelled == true { return end(.cancelled) }
        if text.isComplete { return end(.maxTokens) }
        let token = try text.draw(logits.span, in: &candidates)
        if result.timeToFirstToken == nil { result.timeToFirstToken = ContinuousClock.now - start }
        let outcome = text.take(token)
        give(outcome.text)
        if isRefused { return end(.cancelled) }
        if let stop = outcome.stop { return end(stop) }
        return token
    }

    private mutating func end(_ reason: StopReason) -> Int32? {
        result.stopReason = reason
        return nil
    }

    /// Gives out what was held back; the result is then complete but for what it took.
    mutating func finish() {
        if !isRefused {
            give(text.finish())
            if isRefused { result.stopReason = .cancelled }
        }
        result.ids = text.ids
        result.endToken = text.endToken
    }

    private mutating func give(_ piece: String) {
        if piece.isEmpty || isRefused { return }
        result.text += piece
        isRefused = !onText(piece)
    }
}
