internal import ApusGGUF

/// How an engine shares a model between requests.
public struct EngineOptions: Sendable, Hashable {
    /// Positions of the KV cache that all requests share, rounded up to whole pages of 64; nil for what the free memory
    /// allows (half of it, and no more than `maxRunning` whole contexts).
    public var poolPositions: Int?
    /// Sequences that are computed at the same time, at the most.
    public var maxRunning = 64
    /// Requests that there may be beside `maxRunning`; more are refused with code `busy`. Nil for any number.
    public var maxWaiting: Int?
    /// Whether what was computed for one text is used for others that begin with the same tokens.
    public var sharesPrefixes = true
    /// Whether tokens are guessed while few texts are generated; replies do not depend on it.
    public var speculation = Speculation.lookup
    /// What a step that computes a part of a prompt may take: so long do the other requests wait for a token.
    public var stepDuration = Duration.milliseconds(140)

    /// As many positions as the memory allows, 64 sequences at a time.
    public init() {}

    func validate() throws(ApusError) {
        func check(_ name: String, _ value: Int?, atLeast least: Int, atMost most: Int) throws(ApusError) {
            guard let value, !(least...most).contains(value) else { return }
            throw ApusError(.invalidArgument, "\(name) is \(value), wanted: \(least) to \(most)")
        }
        try check("pool positions", poolPositions, atLeast: 1, atMost: Int(Int32.max))
        try check("running sequences", maxRunning, atLeast: 1, atMost: 4096)
        try check("waiting requests", maxWaiting, atLeast: 0, atMost: .max)
        guard stepDuration >= .milliseconds(1) else {
            throw ApusError(.invalidArgument, "step duration is \(stepDuration), wanted: at least a millisecond")
        }
    }
}
