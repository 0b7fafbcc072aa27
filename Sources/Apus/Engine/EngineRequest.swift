internal import ApusGGUF
public import ApusTokenizer

/// What an engine is asked for: a prompt, and how it is to be continued.
public struct EngineRequest: Sendable, Hashable {
    /// What the text begins with.
    public enum Prompt: Sendable, Hashable {
        /// Tokens, to which nothing is added.
        case ids([Int32])
        /// Text, UTF-8, to which the begin and end tokens are added that the model wants. With `parseSpecial` the texts of
        /// control tokens become these tokens: only for text that is trusted.
        case text([UInt8], parseSpecial: Bool)

        /// The prompt's tokens; those of an empty text are the token that begins one, if the model has it.
        ///
        /// - Parameter tokenizer: The model's.
        public func ids(_ tokenizer: any Tokenizer) -> [Int32] {
            switch self {
            case .ids(let ids): return ids
            case .text(let bytes, let parseSpecial):
                let ids = tokenizer.encode(bytes, addSpecial: true, parseSpecial: parseSpecial)
                return ids.isEmpty ? [tokenizer.bosID].compactMap(\.self) : ids
            }
        }
    }

    /// What the text begins with.
    public var prompt: Prompt
    /// How tokens are drawn. Choice i starts its random generator with the seed + i.
    public var sampling = SamplingOptions()
    /// What ends the text.
    public var generation = GenerationOptions()
    /// How many texts to generate; the prompt is computed once for all.
    public var choices = 1
    /// Gives the log probability of every token drawn, and those of this many likeliest tokens; nil for none.
    public var logProbabilities: Int?
    /// Gives the log probability of every token of the prompt but the first, and those of this many likeliest tokens in
    /// its place; nil for none. The prompt is then computed whole.
    public var promptLogProbabilities: Int?
    /// The most positions that prompt and reply may have together; the model's limit, or the pool's size, if less.
    public var contextLength: Int?
    /// When the reply ends at the latest, with what there is.
    public var deadline: ContinuousClock.Instant?
    /// How long the reply may take from the logits after the prompt on; nil for any time.
    public var maxGenerationDuration: Duration?
    /// Requests of a higher priority come first, and are the last to make room; equal ones in the order they came.
    public var priority = 0
    /// Tokens that come sooner than this after those that were told last are told together with the next ones, so that the reader is
    /// woken less often; never later than the prompt of another request makes them wait. The first one, and the end, are told at once.
    public var pace = Duration.zero
    /// Whether what was computed for earlier texts may be used.
    public var reusesPrefix = true

    /// One text, as the model continues the prompt.
    ///
    /// - Parameter prompt: What the text begins with.
    public init(_ prompt: Prompt) { self.prompt = prompt }

    /// The most texts that a request may ask for.
    public static let maxChoices = 128

    func validate(vocabularySize: Int) throws(ApusError) {
        guard (1...Self.maxChoices).contains(choices) else {
            throw ApusError(.invalidArgument, "n is \(choices), wanted: 1 to \(Self.maxChoices)")
        }
        for (name, value) in [("logprobs", logProbabilities), ("prompt_logprobs", promptLogProbabilities)] {
            guard let value, !(0...vocabularySize).contains(value) else { continue }
            throw ApusError(.invalidArgument, "\(name) is \(value), wanted: 0 to \(vocabularySize)")
        }
        if let contextLength, contextLength < 1 {
            throw ApusError(.invalidArgument, "context length is \(contextLength), wanted: at least 1")
        }
        if let maxTokens = generation.maxTokens, maxTokens < 0 {
            throw ApusError(.invalidArgument, "max_tokens is \(maxTokens), wanted: 0 or more")
        }
    }
}
