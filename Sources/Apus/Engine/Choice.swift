internal import ApusGGUF
internal import ApusModel

/// A request as the scheduler works on it. Touched on the compute thread only, like everything that `Scheduler` holds.
final class ActiveRequest {
    let submission: Submission
    /// The order in which requests came.
    let number: Int
    /// Choices that have not ended.
    var openChoices: Int
    /// When its turn came first.
    var started: ContinuousClock.Instant?
    /// When the logits after the prompt were there.
    var prefilled: ContinuousClock.Instant?
    /// Tokens of the prompt that were not computed.
    var reused = 0
    /// The log probabilities of the prompt's tokens from the second on, as far as they are there.
    var promptLogProbabilities: [TokenLogProbability] = []

    /// Choices that begin when the step that completes the prompt has ended.
    var siblings: [Choice] = []

    /// What its reader has not been told yet.
    private(set) var news = EngineNews()
    /// When its reader was last told of a token.
    private var toldTokens: ContinuousClock.Instant?

    init(_ submission: Submission, number: Int) {
        self.submission = submission
        self.number = number
        openChoices = submission.seeds.count
    }

    var ids: [Int32] { submission.ids }
    var isCancelled: Bool { submission.flag.isCancelled }

    /// Whether the time for the replies is over.
    func isOutOfTime(_ now: ContinuousClock.Instant) -> Bool {
        let request = submission.request
        if let deadline = request.deadline, deadline <= now { return true }
        guard let limit = request.maxGenerationDuration, let prefilled else { return false }
        return now - prefilled >= limit
    }

    /// Whether logits after every token of the prompt are still wanted.
    var wantsPromptLogits: Bool { submission.request.promptLogProbabilities != nil && prefilled == nil }

    /// Whether something is wanted of every token of the prompt, none of which may come from another text then.
    var wantsWholePrompt: Bool {
        wantsPromptLogits || prefilled == nil && ![nil, .last].contains(submission.embedding?.pooling)
    }

    /// Adds an event to what its reader is told next.
    ///
    /// - Returns: Whether it is the first one since the reader was told.
    func send(_ event: EngineEvent) -> Bool {
        defer { news.events.append(event) }
        return news.isEmpty
    }

    /// The same of its end.
    func send(end: Result<Void, ApusError>) -> Bool {
        defer { news.end = end }
        return news.isEmpty
    }

    /// Whether what its reader has not been told can wait for the next step: tokens that came soon after others.
    func mayWait(_ now: ContinuousClock.Instant) -> Bool {
        guard let toldTokens, news.end == nil, now - toldTokens < submission.request.pace else { return false }
        return news.events.allSatisfy(\.isToken)
    }

    /// Tells its reader.
    func deliver(_ now: ContinuousClock.Instant) {
        let news = news
        self.news = EngineNews()
        if news.events.contains(where: \.isToken) { toldTokens = now }
        submission.handler(news)
    }
}

/// One text of a request: the tokens to be computed, and the sequence of the cache that holds them as far as they are.
///
/// There is no difference between a prompt, a token that was just drawn, and a text that had to make room and comes back:
/// all are tokens that the sequence does not hold yet. When it holds all of them, the next one can be drawn.
final class Choice {
    let request: ActiveRequest
    let index: Int
    /// The prompt, and what was drawn.
    private(set) var tokens: [Int32]
    var text: TextGeneration
    /// What is computed; nil while the choice waits.
    var sequence: KVSequence?
    /// The node of the prefix tree that holds the first `depth` pages of the sequence, in an epoch of the tree.
    var node = PrefixTree.root
    var depth = 0
    var epoch = 0
    /// Guesses tokens of the reply.
    var speculator = Speculator()
    var firstToken: ContinuousClock.Instant?
    var preemptions = 0

    init(_ request: ActiveRequest, index: Int) {
        self.request = request
        self.index = index
        tokens = request.ids
        text = request.submission.text.reseeded(request.submission.seeds[index])
    }

    /// Tokens that are not computed yet; 0 never while the choice runs, 1 while it is decoded.
    var remaining: Int { tokens.count - (sequence?.length ?? 0) }

    /// Whether the tokens to be computed are more than the one that was drawn last.
    var isPrefilling: Bool { remaining > 1 || text.ids.isEmpty }

    /// Whether this choice comes before another one, and is the later to make room.
    func isBefore(_ other: Choice) -> Bool {
        let (mine, others) = (request.submission.request.priority, other.request.submission.request.priority)
        if mine != others { return mine > others }
        if request.number != other.request.number { return request.number < other.request.number }
        return index < other.index
    }

    /// Adds a drawn token to those to be computed.
    func append(_ token: Int32) { tokens.append(token) }

    /// Lets go of what is computed.
    func drop() {
        sequence = nil
        (node, depth) = (PrefixTree.root, 0)
    }

    /// Tokens of the page that the next token to compute is on; nil when they do not fill it.
    var nextPage: ArraySlice<Int32>? {
        let first = (sequence?.length ?? 0) / KVCache.pagePositions * KVCache.pagePositions
        let end = first + KVCache.pagePositions
        return end <= tokens.count ? tokens[first..<end] : nil
    }

    /// What is told of the choice while it runs.
    var summary: EngineSequence {
        EngineSequence(
            request: request.number, choice: index, promptTokens: request.ids.count,
            computedTokens: sequence?.length ?? 0, completionTokens: text.ids.count,
            maxTokens: request.submission.request.generation.maxTokens)
    }

    /// The end of the text, as it is told.
    func completion(
        _ reason: StopReason, endLogProbability: TokenLogProbability?, now: ContinuousClock.Instant
    ) -> EngineCompletion {
        let tail = text.finish()
        speculator.settle(tokens)
        let submitted = request.submission.time
        let started = request.started ?? now
        let prefilled = request.prefilled ?? now
        return EngineCompletion(
            choice: index, reason: reason, text: tail, stopString: text.stopString, endToken: text.endToken,
            endLogProbability: endLogProbability,
            usage: EngineUsage(
                promptTokens: request.ids.count, reusedTokens: request.reused, completionTokens: text.ids.count,
                speculation: speculator.statistics, seed: text.chain.seed, preemptions: preemptions,
                queueDuration: started - submitted,
                promptDuration: prefilled - started, generationDuration: now - prefilled,
                timeToFirstToken: firstToken.map { $0 - submitted }))
    }
}

/// A token that was drawn in a step, or why none was.
struct Draw {
    let choice: Choice
    let token: Result<Int32, ApusError>
    let logProbability: TokenLogProbability?
    /// What the token gave, where it has joined its text already: more were drawn after it.
    let outcome: TextGeneration.Outcome?
}
