/// What an engine holds at a moment, and what it has done since it was made.
public struct EngineMetrics: Sendable, Hashable {
    /// Sequences that are being computed.
    public var running = 0
    /// Sequences that wait: for room in the cache, or for one of the running ones to end.
    public var waiting = 0
    /// Requests that have ended, whatever the reason.
    public var requestsEnded = 0
    /// Pages of 64 positions in the cache.
    public var pages = 0
    /// Pages that hold nothing.
    public var pagesFree = 0
    /// Pages that hold only what may be of use again, and are given up when somebody needs them.
    public var pagesCached = 0
    /// Pages that a sequence holds.
    public var pagesUsed: Int { pages - pagesFree - pagesCached }
    /// Steps, each of which read all weights once.
    public var steps = 0
    /// Sequences that steps computed, each counted for each step.
    public var stepSequences = 0
    /// Tokens that were computed, of prompts and of replies.
    public var tokensComputed = 0
    /// Tokens of prompts that were not computed, because an earlier text began with them.
    public var tokensReused = 0
    /// Tokens of prompts that were computed.
    public var promptTokens = 0
    /// What prompts took, from their turn to the logits after them.
    public var promptDuration = Duration.zero
    /// What replies took, from there to their ends.
    public var generationDuration = Duration.zero
    /// The most tokens that a prompt and its reply had.
    public var longestSequence = 0
    /// Tokens that were drawn.
    public var tokensGenerated = 0
    /// Tokens that were guessed and computed, and those of them that were drawn.
    public var speculation = SpeculationStatistics()
    /// Sequences that had to make room for an older one, to be computed again later.
    public var preemptions = 0
    /// What the longest step took that computed a part of a prompt beside the next token of another sequence.
    public var longestMixedStep = Duration.zero

    /// The sequences that are being computed.
    public var sequences: [EngineSequence] = []

    /// Nothing yet.
    public init() {}

    /// The same without what holds for a moment only: what was done.
    var past: EngineMetrics {
        var past = self
        (past.running, past.waiting, past.sequences) = (0, 0, [])
        (past.pages, past.pagesFree, past.pagesCached) = (0, 0, 0)
        return past
    }

    /// Adds what another engine holds and has done.
    mutating func add(_ other: EngineMetrics) {
        let counts: [WritableKeyPath<EngineMetrics, Int>] = [
            \.running, \.waiting, \.requestsEnded, \.pages, \.pagesFree, \.pagesCached, \.steps, \.stepSequences,
            \.tokensComputed, \.tokensReused, \.promptTokens, \.tokensGenerated, \.preemptions,
            \.speculation.drafted, \.speculation.accepted,
        ]
        for count in counts { self[keyPath: count] += other[keyPath: count] }
        promptDuration += other.promptDuration
        generationDuration += other.generationDuration
        longestSequence = max(longestSequence, other.longestSequence)
        longestMixedStep = max(longestMixedStep, other.longestMixedStep)
        sequences += other.sequences
    }
}

/// A sequence while it is computed.
public struct EngineSequence: Sendable, Hashable {
    /// The number of its request, in the order in which requests came.
    public let request: Int
    /// Which of the request's choices it is, from 0.
    public let choice: Int
    /// Tokens of the prompt.
    public let promptTokens: Int
    /// Tokens that are computed, of the prompt and of the reply.
    public let computedTokens: Int
    /// Tokens of the reply.
    public let completionTokens: Int
    /// The most tokens that the reply may have; nil for no limit.
    public let maxTokens: Int?
}
