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
        for token in prompt { chain.accept(token) }
        let prefilled = ContinuousClock.now

        var result = GenerationResult()
        result.promptDuration = prefilled - start
        var stream = TextStream(matcher: matcher, onText: onText)
        try generate(start: start, whenFull: whenFull, into: &result, &stream)
        if stream.finish() == .refused { result.stopReason = .cancelled }
        result.text = stream.text
        result.generationDuration = ContinuousClock.now - prefilled - result.recomputeDuration
        return result
    }

    private mutating func generate(
        start: ContinuousClock.Instant, whenFull: ([Int32]) throws(ApusError) -> Bool,
        into result: inout GenerationResult, _ stream: inout TextStream
    ) throws(ApusError) {
        let ends = tokenizer.endOfGenerationIDs
        let suppressed = options.ignoresEndOfGeneration ? ends.sorted() : []
        while true {
            if cancellation?.isCancelled == true { return result.stopReason = .cancelled }
            if result.ids.count == options.maxTokens { return result.stopReason = .maxTokens }
            let token = try draw(suppressing: suppressed)
            if result.timeToFirstToken == nil { result.timeToFirstToken = ContinuousClock.now - start }
            if ends.contains(token) {
                result.endToken = token
                return result.stopReason = .endOfGeneration
            }
            result.ids.append(token)
            chain.accept(token)
            switch stream.append(tokenizer.bytes(of: token, renderSpecial: options.rendersSpecialTokens)) {
            case .goesOn: break
            case .stopFound: return result.stopReason = .stopString
            case .refused: return result.stopReason = .cancelled
            }
            // The last token wanted is not fed: nobody asks for the logits after it.
            if result.ids.count == options.maxTokens { return result.stopReason = .maxTokens }
            do throws(ApusError) {
                if source.position >= source.contextLength {
                    let full = ContinuousClock.now
                    defer { result.recomputeDuration += ContinuousClock.now - full }
                    guard try whenFull(result.ids), source.position < source.contextLength else {
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

    private mutating func draw(suppressing suppressed: [Int32]) throws(ApusError) -> Int32 {
        let drawn = source.withLogits { logits -> Result<Int32, ApusError> in
            do throws(ApusError) {
                try checkLogits(logits.span)
                return .success(try chain.sample(logits.span, suppressing: suppressed))
            } catch {
                return .failure(error)
            }
        }
        return try drawn.get()
    }
}

/// Refuses logits that no sound model gives. A sampler would pass NaN over, but the text would mean nothing.
private func checkLogits(_ logits: Span<Float>) throws(ApusError) {
    var unsound: UInt32 = 0
    // NaN is not below infinity either. Without a branch, so that the loop handles several at once.
    for i in 0..<logits.count { unsound |= logits[unchecked: i] < .infinity ? 0 : 1 }
    if unsound == 0 { return }
    for i in 0..<logits.count where !(logits[i] < .infinity) {
        throw ApusError(
            .format, "the logit of token \(i) is \(logits[i]), wanted: a finite number; are the weights damaged?")
    }
}

/// From the bytes of tokens to text that is given out: stop strings first, then whole characters.
private struct TextStream {
    enum Outcome {
        case goesOn
        case stopFound
        case refused
    }

    private var matcher: StopMatcher
    private var decoder = StreamDecoder()
    private let onText: (String) -> Bool
    private var isRefused = false
    private(set) var text = ""

    init(matcher: StopMatcher, onText: @escaping (String) -> Bool) {
        self.matcher = matcher
        self.onText = onText
    }

    mutating func append(_ bytes: [UInt8]) -> Outcome {
        give(decoder.append(matcher.append(bytes)))
        if isRefused { return .refused }
        return matcher.found == nil ? .goesOn : .stopFound
    }

    /// Gives out what was held back.
    mutating func finish() -> Outcome {
        if isRefused { return .refused }
        give(decoder.append(matcher.finish()) + decoder.finish())
        return isRefused ? .refused : .goesOn
    }

    private mutating func give(_ piece: String) {
        if piece.isEmpty || isRefused { return }
        text += piece
        isRefused = !onText(piece)
    }
}
