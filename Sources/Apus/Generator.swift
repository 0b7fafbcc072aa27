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
    /// How often the model computed the logits after a single token, which is what decoding speed is measured by.
    public var decodeSteps = 0
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
    private let cancellation: CancellationFlag?

    /// Makes a generator.
    ///
    /// - Parameters:
    ///   - source: The sequence to extend; what it holds already comes before the prompt.
    ///   - tokenizer: Turns tokens into text.
    ///   - chain: Draws the tokens.
    ///   - options: What ends the text.
    ///   - cancellation: Is looked at before every token, and inside the model's work.
    /// - Throws: `ApusError` with code `invalidArgument` that names the option.
    public init(
        source: any LogitsSource, tokenizer: any Tokenizer, chain: SamplerChain, options: GenerationOptions,
        cancellation: CancellationFlag? = nil
    ) throws(ApusError) {
        if let maxTokens = options.maxTokens, maxTokens < 0 {
            throw ApusError(.invalidArgument, "max_tokens is \(maxTokens), wanted: 0 or more")
        }
        self.source = source
        self.tokenizer = tokenizer
        self.chain = chain
        self.options = options
        self.cancellation = cancellation
        matcher = try StopMatcher(options.stops)
    }

    /// Generates text after a prompt.
    ///
    /// - Parameters:
    ///   - prompt: At least one token of the vocabulary.
    ///   - onText: Gets the text piece by piece, whole characters only; false ends the generation.
    ///   - whenFull: Is called when the context is full, with the tokens generated so far. It may make room: true says
    ///     that the source now holds another beginning, and all of these tokens but the last. False ends the text.
    /// - Returns: Everything that was generated; also when it was cancelled while tokens were drawn.
    /// - Throws: `ApusError` with code `invalidArgument` for an empty prompt, `contextFull` when the prompt does not fit
    ///   the context, `cancelled` when called off before the prompt was done, `format` when the model gives NaN or
    ///   +infinity for a logit, and what the model throws.
    public mutating func run(
        prompt: [Int32], onText: @escaping (String) -> Bool = { _ in true },
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
        let start = ContinuousClock.now
        try source.eval(prompt, cancellation: cancellation)
        var text = TextGeneration(chain: chain, matcher: matcher, tokenizer: tokenizer, options: options)
        defer { chain = text.chain }
        text.accept(prompt: prompt)
        let prefilled = ContinuousClock.now

        var result = GenerationResult()
        result.promptDuration = prefilled - start
        var output = Output(onText: onText)
        try generate(start: start, whenFull: whenFull, into: &result, &text, &output)
        if !output.isRefused {
            output.give(text.finish())
            if output.isRefused { result.stopReason = .cancelled }
        }
        result.ids = text.ids
        result.endToken = text.endToken
        result.text = output.text
        result.generationDuration = ContinuousClock.now - prefilled - result.recomputeDuration
        return result
    }

    private func generate(
        start: ContinuousClock.Instant, whenFull: ([Int32]) throws(ApusError) -> Bool,
        into result: inout GenerationResult, _ text: inout TextGeneration, _ output: inout Output
    ) throws(ApusError) {
        var candidates = TokenCandidates()
        while true {
            if cancellation?.isCancelled == true { return result.stopReason = .cancelled }
            if text.isComplete { return result.stopReason = .maxTokens }
            let token = try source.withLogits { logits in
                Result { () throws(ApusError) in try text.draw(logits.span, in: &candidates) }
            }.get()
            if result.timeToFirstToken == nil { result.timeToFirstToken = ContinuousClock.now - start }
            let outcome = text.take(token)
            output.give(outcome.text)
            if output.isRefused { return result.stopReason = .cancelled }
            // The last token wanted is not fed: nobody asks for the logits after it.
            if let stop = outcome.stop { return result.stopReason = stop }
            do throws(ApusError) {
                if source.position >= source.contextLength {
                    let full = ContinuousClock.now
                    defer { result.recomputeDuration += ContinuousClock.now - full }
                    guard try whenFull(text.ids), source.position < source.contextLength else {
                        return result.stopReason = .contextFull
                    }
                }
                try source.eval([token], cancellation: cancellation)
            } catch {
                if error.code == .cancelled { return result.stopReason = .cancelled }
                throw error
            }
            result.decodeSteps += 1
        }
    }
}

/// The text as it is given out.
private struct Output {
    let onText: (String) -> Bool
    /// Whether no more is wanted.
    private(set) var isRefused = false
    private(set) var text = ""

    init(onText: @escaping (String) -> Bool) { self.onText = onText }

    mutating func give(_ piece: String) {
        if piece.isEmpty || isRefused { return }
        text += piece
        isRefused = !onText(piece)
    }
}
