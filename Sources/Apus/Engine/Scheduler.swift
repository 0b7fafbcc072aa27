internal import ApusGGUF
internal import ApusModel
internal import Synchronization

/// Decides what each step computes, and gives out what comes of it.
///
/// An actor on the compute thread: what it holds is touched by one thread only, and the compiler sees to it. Work reaches
/// it through a box with a lock; a turn is one job of the compute thread, which queues the next one as long as there is
/// anything to do. So engines take turns step by step, and an idle one costs nothing.
actor Scheduler {
    nonisolated var unownedExecutor: UnownedSerialExecutor { ComputeExecutor.shared.asUnownedSerialExecutor() }

    /// What any thread may touch.
    private struct Box: Sendable {
        var arrived: [Submission] = []
        /// Requests that were taken and have not ended.
        var openRequests = 0
        var isClosed = false
        /// Whether a turn is queued or runs.
        var isAwake = false
    }

    private nonisolated let box = Locked(Box())
    private nonisolated let published = Locked(EngineMetrics())

    /// With more texts in a step nothing is guessed.
    static let mostDrafting = 8
    /// The most tokens of a step with guesses.
    static let mostVerified = 32

    /// Engines that have something to do; a step may take its share of the time.
    private static let awakeCount = Atomic<Int>(0)

    nonisolated let options: EngineOptions
    /// The most positions that a request can have.
    nonisolated let contextLength: Int
    /// Bytes of the pool and the buffers.
    nonisolated let byteCount: Int
    nonisolated let pageBytes: Int
    /// Tokens of prompts in a step, at the most.
    let chunkTokens: Int
    let decoder: Decoder
    let cache: KVCache
    var tree: PrefixTree
    var sizer: StepSizer
    let weights: TokenWeights
    /// What guessed tokens cost beside one text, two, three …
    var draftCosts: [DraftCost]
    var counts = EngineMetrics()
    /// Choices that a step computes, in their order: the last ones make room first.
    var running: [Choice] = []
    /// Choices that hold nothing, in their order: the first one is next.
    var waiting: [Choice] = []
    /// Working memory of the samplers, one chain after another.
    var candidates = TokenCandidates()
    var logProbabilities = LogProbabilities()
    /// What the step at hand has drawn.
    var draws: [Draw] = []
    let onStep: StepObserver?
    /// Requests whose handlers have not been told everything yet.
    private var untold: [ActiveRequest] = []
    private var nextNumber = 0
    /// Saved texts on their way into the cache.
    var restoring: [Int: KVSequence] = [:]
    var nextSession = 0

    init(
        model: Model, options: EngineOptions, onStep: StepObserver?, draftCost: DraftCost
    ) throws(ApusError) {
        self.options = options
        draftCosts = [DraftCost](repeating: draftCost, count: Self.mostDrafting)
        self.onStep = onStep
        let spec = model.weights.spec
        let maxTokens = max(model.chunkTokens, options.maxRunning)
        let positions: Int
        if let given = options.poolPositions {
            positions = given
        } else {
            positions = try Self.poolPositions(
                model, options, available: SystemMemory.available, least: model.contextLength)
        }
        cache = try KVCache(spec, positions: positions)
        pageBytes = cache.pageBytes
        byteCount = try Self.bufferBytes(model, options) + cache.pageCount * cache.pageBytes
        contextLength = min(model.contextLength, cache.pageCount * KVCache.pagePositions)
        chunkTokens = model.chunkTokens
        decoder = try Decoder(
            model.weights, cache: cache, maxTokens: maxTokens, maxPositions: model.contextLength,
            threads: model.threads)
        tree = PrefixTree(cache)
        sizer = StepSizer(
            parameters: model.weights.parameterCount, target: options.stepDuration, limit: 4 * maxTokens)
        weights = TokenWeights(DecoderCost(model.weights))
        counts.pages = cache.pageCount
        counts.pagesFree = cache.freePageCount
        let counts = counts
        published.withLock { $0 = counts }
    }

    /// The pool's size where none is given: half of the free memory, at least a context, at most one for each sequence.
    ///
    /// - Parameters:
    ///   - model: The model, which is loaded.
    ///   - options: Of which the number of sequences counts.
    ///   - available: Bytes that are free; nil where nobody knows.
    ///   - least: Positions that there are in any case.
    static func poolPositions(
        _ model: Model, _ options: EngineOptions, available: Int?, least: Int
    ) throws(ApusError) -> Int {
        let (most, overflow) = model.contextLength.multipliedReportingOverflow(by: options.maxRunning)
        let wanted = overflow ? Int(Int32.max) : min(most, Int(Int32.max))
        guard let available else { return min(wanted, model.contextLength * 8) }
        let pages = max(0, available / 2 - (try bufferBytes(model, options))) / KVCache.pageBytes(model.weights.spec)
        return max(least, min(wanted, pages * KVCache.pagePositions))
    }

    private static func bufferBytes(_ model: Model, _ options: EngineOptions) throws(ApusError) -> Int {
        try Decoder.bufferBytes(
            model.weights.spec, vocabularySize: model.vocabularySize,
            maxTokens: max(model.chunkTokens, options.maxRunning), maxPositions: model.contextLength)
    }

    /// The state at the end of the last turn.
    nonisolated var metrics: EngineMetrics {
        box.withLock { box in
            var metrics = published.withLock { $0 }
            metrics.waiting += box.arrived.count
            return metrics
        }
    }

    /// Takes a request.
    nonisolated func submit(_ submission: Submission) throws(ApusError) {
        try box.withLock { box throws(ApusError) in
            if box.isClosed { throw ApusError(.cancelled, "the engine was closed") }
            if let limit = options.maxWaiting, box.openRequests - options.maxRunning >= limit {
                throw ApusError(
                    .busy, "\(options.maxRunning) requests run and \(limit) wait, which is all that may")
            }
            box.openRequests += 1
            box.arrived.append(submission)
        }
        wake()
    }

    /// Refuses new requests and ends those that there are.
    nonisolated func close() {
        box.withLock { $0.isClosed = true }
        wake()
    }

    /// Waits until there is nothing to do. Not for Swift's own threads.
    nonisolated func waitUntilIdle() {
        if ComputeThread.shared.isCurrent { return }
        // Behind the turn that is under way; it may have queued another one.
        while box.withLock({ $0.isAwake }) { ComputeThread.shared.run {} }
        // The last one says so before it has let go of everything.
        ComputeThread.shared.run {}
    }

    /// Sees to it that a turn comes, unless one is to come anyway.
    nonisolated func wake() {
        let wasAwake = box.withLock { box in
            defer { box.isAwake = true }
            return box.isAwake
        }
        if wasAwake { return }
        Self.awakeCount.wrappingAdd(1, ordering: .relaxed)
        queueTurn()
    }

    /// Does something on the compute thread, between two turns, and waits for it. Not for Swift's own threads.
    nonisolated func sync<R: Sendable>(_ work: (isolated Scheduler) -> R) -> R {
        ComputeThread.shared.run { assumeIsolated(work) }
    }

    private nonisolated func queueTurn() {
        ComputeThread.shared.submit { self.assumeIsolated { $0.turn() } }
    }

    /// One step, and what comes before and after it.
    private func turn() {
        takeArrived()
        endCancelled(now: .now)
        admit()
        deliver()
        if !running.isEmpty { step() }
        deliver()
        publish()
        // What arrives or is called off from here on finds `isAwake` as this leaves it.
        let goesOn = box.withLock { box in
            box.isAwake = !box.arrived.isEmpty || !waiting.isEmpty || !running.isEmpty
            return box.isAwake
        }
        if goesOn {
            queueTurn()
        } else {
            Self.awakeCount.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    /// What a step may take now: the engines that are awake take turns.
    var stepTarget: Duration { options.stepDuration / max(1, Self.awakeCount.load(ordering: .relaxed)) }

    private func takeArrived() {
        let (arrived, isClosed) = box.withLock { box in
            defer { box.arrived = [] }
            // Nobody sees a moment at which they are nowhere.
            let arrived = box.arrived.count
            published.withLock { $0.waiting += arrived }
            return (box.arrived, box.isClosed)
        }
        for submission in arrived {
            wait(Choice(ActiveRequest(submission, number: nextNumber), index: 0))
            nextNumber += 1
        }
        if isClosed {
            for request in requests { fail(request, ApusError(.cancelled, "the engine was closed")) }
        }
    }

    /// Tells the state as it is now.
    func publish() {
        counts.running = running.count
        counts.waiting = waiting.count
        counts.pagesFree = cache.freePageCount
        counts.pagesCached = tree.evictableCount
        counts.sequences = running.map(\.summary)
        let counts = counts
        published.withLock { $0 = counts }
    }

    /// The requests that have not ended, each once.
    var requests: [ActiveRequest] {
        var seen: Set<ObjectIdentifier> = []
        return (running + waiting).map(\.request).filter { seen.insert(ObjectIdentifier($0)).inserted }
    }

    /// Puts a choice among the waiting ones, in its order.
    func wait(_ choice: Choice) {
        let place = waiting.firstIndex { choice.isBefore($0) } ?? waiting.count
        waiting.insert(choice, at: place)
    }

    /// Puts a choice among the running ones, in its order.
    func run(_ choice: Choice) {
        let place = running.firstIndex { choice.isBefore($0) } ?? running.count
        running.insert(choice, at: place)
    }
}

// MARK: - Ends

extension Scheduler {
    /// Ends what was called off, and what is out of time.
    private func endCancelled(now: ContinuousClock.Instant) {
        for request in requests {
            if request.isCancelled {
                end(request, .cancelled, now: now)
            } else if request.isOutOfTime(now) {
                end(request, .deadline, now: now)
            }
        }
    }

    /// Ends all choices of a request that have not ended.
    private func end(_ request: ActiveRequest, _ reason: StopReason, now: ContinuousClock.Instant) {
        var open = (running + waiting).filter { $0.request === request }
        if request.prefilled == nil {
            // The other choices are made when the prompt is done.
            open += (open.count..<request.openChoices).map { Choice(request, index: $0) }
        }
        for choice in open { finish(choice, reason, now: now) }
    }

    /// Ends a choice and tells of it.
    func finish(
        _ choice: Choice, _ reason: StopReason, endLogProbability: TokenLogProbability? = nil,
        now: ContinuousClock.Instant
    ) {
        let request = choice.request
        keepTail(choice)
        remove(choice)
        let completion = choice.completion(reason, endLogProbability: endLogProbability, now: now)
        counts.generationDuration += completion.usage.generationDuration
        counts.longestSequence = max(counts.longestSequence, choice.tokens.count)
        send(.finished(completion), to: request)
        request.openChoices -= 1
        if request.openChoices == 0 { close(request, nil) }
    }

    /// Ends a request with an error.
    func fail(_ request: ActiveRequest, _ error: ApusError) {
        for choice in running + waiting where choice.request === request { remove(choice) }
        guard request.openChoices > 0 else { return }
        request.openChoices = 0
        close(request, error)
    }

    private func close(_ request: ActiveRequest, _ error: ApusError?) {
        counts.requestsEnded += 1
        box.withLock { $0.openRequests -= 1 }
        if request.send(end: error.map(Result.failure) ?? .success(())) { untold.append(request) }
    }

    /// Adds an event to what a request's handler is told next.
    func send(_ event: EngineEvent, to request: ActiveRequest) {
        if request.send(event) { untold.append(request) }
    }

    /// Tells the handlers what they have not been told yet.
    ///
    /// - Parameter patient: Whether tokens wait that may.
    func deliver(patient: Bool = true) {
        if untold.isEmpty { return }
        let now = ContinuousClock.now
        let due = untold.filter { !patient || !$0.mayWait(now) }
        untold = patient ? untold.filter { $0.mayWait(now) } : []
        // Whoever sees an end finds it counted.
        if due.contains(where: { $0.news.end != nil }) { publish() }
        for request in due { request.deliver(now) }
    }

    /// Takes a choice off the lists; what it held is free.
    private func remove(_ choice: Choice) {
        running.removeAll { $0 === choice }
        waiting.removeAll { $0 === choice }
        choice.drop()
    }
}
