internal import ApusGGUF
internal import ApusTokenizer

/// One text on its way from logits to characters: what the single-sequence `Generator` and the `Engine` share.
///
/// Draws tokens with a chain of samplers, and turns them into text: stop strings first, then whole characters. It knows
/// nothing of the model and of time.
struct TextGeneration: Sendable {
    /// The tokens drawn so far, without one that ends a text.
    private(set) var ids: [Int32] = []
    /// The token that ended the text, when one did.
    private(set) var endToken: Int32?
    /// Draws the tokens.
    private(set) var chain: SamplerChain

    private let tokenizer: any Tokenizer
    private let options: GenerationOptions
    private let ends: Set<Int32>
    private let suppressed: [Int32]
    private var matcher: StopMatcher
    private var decoder = StreamDecoder()

    /// What a drawn token gave.
    struct Outcome {
        /// The text that is certain now; empty while it may be a part of a stop string or of a character.
        var text = ""
        /// Why the text ends with this token; nil when it goes on.
        var stop: StopReason?
    }

    /// Makes an empty text.
    ///
    /// - Parameters:
    ///   - chain: Draws the tokens.
    ///   - matcher: Has the options' stop strings, and has seen nothing.
    ///   - tokenizer: Turns tokens into text.
    ///   - options: What ends the text.
    init(chain: SamplerChain, matcher: StopMatcher, tokenizer: any Tokenizer, options: GenerationOptions) {
        self.chain = chain
        self.matcher = matcher
        self.tokenizer = tokenizer
        self.options = options
        ends = tokenizer.endOfGenerationIDs
        suppressed = options.ignoresEndOfGeneration ? ends.sorted() : []
    }

    /// The stop string that ended the text.
    var stopString: String? { matcher.found }

    /// Whether there are as many tokens as asked for.
    var isComplete: Bool { ids.count == options.maxTokens }

    /// How many tokens are still wanted.
    var tokensLeft: Int { (options.maxTokens ?? .max) - ids.count }

    /// Tells the samplers of the prompt.
    mutating func accept(prompt: [Int32]) {
        for token in prompt { chain.accept(token) }
    }

    /// The same text, drawn with another generator from here on.
    func reseeded(_ seed: UInt64) -> TextGeneration {
        var copy = self
        copy.chain = chain.reseeded(seed)
        return copy
    }

    /// Draws a token. It joins the text with `take`.
    ///
    /// - Parameters:
    ///   - logits: The model's, (vocabularySize).
    ///   - candidates: Working memory.
    mutating func draw(_ logits: Span<Float>, in candidates: inout TokenCandidates) throws(ApusError) -> Int32 {
        try checkLogits(logits)
        return try chain.sample(logits, suppressing: suppressed, in: &candidates)
    }

    /// Adds a drawn token to the text.
    mutating func take(_ token: Int32) -> Outcome {
        if ends.contains(token) {
            endToken = token
            return Outcome(stop: .endOfGeneration)
        }
        ids.append(token)
        chain.accept(token)
        let bytes = tokenizer.bytes(of: token, renderSpecial: options.rendersSpecialTokens)
        let text = decoder.append(matcher.append(bytes))
        if matcher.found != nil { return Outcome(text: text, stop: .stopString) }
        return Outcome(text: text, stop: isComplete ? .maxTokens : nil)
    }

    /// Ends the text.
    ///
    /// - Returns: What was held back.
    mutating func finish() -> String { decoder.append(matcher.finish()) + decoder.finish() }
}

/// Refuses logits that no sound model gives. A sampler would pass NaN over, but the text would mean nothing.
func checkLogits(_ logits: Span<Float>) throws(ApusError) {
    var sound = 0
    while sound + 16 <= logits.count && logits.isBelow(.infinity, from: sound) { sound += 16 }
    // NaN is not below infinity either.
    for i in sound..<logits.count where !(logits[i] < .infinity) {
        throw ApusError(
            .format, "the logit of token \(i) is \(logits[i]), wanted: a finite number; are the weights damaged?")
    }
}
