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
    /// Tokens that were computed, of prompts and of replies.
    public var tokensComputed = 0
    /// Tokens of prompts that were not computed, because an earlier text began with them.
    public var tokensReused = 0
    /// Tokens that were drawn.
    public var tokensGenerated = 0
    /// Sequences that had to make room for an older one, to be computed again later.
    public var preemptions = 0
    /// What the longest step took that computed a part of a prompt beside the next token of another sequence.
    public var longestMixedStep = Duration.zero

    /// Nothing yet.
    public init() {}
}
