public import ApusGGUF
internal import ApusModel
internal import ApusTokenizer

/// Runs any number of requests on one model at the same time, from any thread or task.
///
/// Each step computes the next token of every running sequence and, beside them, parts of the prompts of new ones. A reply
/// has the same bits as that of a `Generator` alone, whatever else runs. The arithmetic runs on `ComputeThread`; nothing
/// runs, and no processor time is used, while there are no requests. A request keeps its engine alive until it has ended.
public final class Engine: Sendable {
    /// The model.
    public let model: Model
    /// How the model is shared.
    public let options: EngineOptions
    /// The most positions that a request can have: the model's context, or the pool if that is smaller.
    public let contextLength: Int

    let scheduler: Scheduler

    /// Plans the model's steps and reserves the cache. Memory for the cache is taken as it fills.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - options: How it is shared.
    /// - Throws: `ApusError` with code `invalidArgument` that names the option, or `outOfMemory` with the figures.
    public convenience init(model: Model, options: EngineOptions = EngineOptions()) throws(ApusError) {
        try self.init(model: model, options: options, onStep: nil)
    }

    /// The same, with somebody who is told what each step has computed, on the compute thread, and what guesses are held to
    /// cost at first.
    package init(
        model: Model, options: EngineOptions, onStep: StepObserver?, draftCost: DraftCost = DraftCost()
    ) throws(ApusError) {
        try options.validate()
        self.model = model
        self.options = options
        scheduler = try Scheduler(model: model, options: options, onStep: onStep, draftCost: draftCost)
        contextLength = scheduler.contextLength
    }

    /// The same, with a pool, if no size is given, that takes no more than half of some bytes beside the buffers.
    convenience init(model: Model, options: EngineOptions, room: Int) throws(ApusError) {
        var options = options
        if options.poolPositions == nil {
            options.poolPositions = try Scheduler.poolPositions(
                model, options, available: room, least: min(model.contextLength, MemoryBudget.leastContext))
        }
        try self.init(model: model, options: options, onStep: nil)
    }

    /// Bytes of the model, its buffers and the whole pool, whether it is in use or not.
    public var byteCount: Int { model.weights.byteCount + scheduler.byteCount }

    /// What the engine holds now, and what it has done.
    public var metrics: EngineMetrics { scheduler.metrics }

    /// Starts a request.
    ///
    /// - Parameter request: What is asked for.
    /// - Returns: The events to come.
    /// - Throws: `ApusError`, before anything is computed: `invalidArgument` that names the option, `contextFull` for a
    ///   prompt that the context does not hold, `busy` when too many requests wait, `cancelled` when the engine is closed.
    public func submit(_ request: EngineRequest) throws(ApusError) -> EngineResponse {
        try submit(request, embedding: nil)
    }

    /// Starts a request and tells what comes of it as it comes, without a task that waits for it.
    ///
    /// - Parameters:
    ///   - request: What is asked for.
    ///   - handler: Is told, on the compute thread; the request keeps it until it has ended.
    /// - Returns: What calls the request off. Letting go of it does not.
    /// - Throws: As `submit(_:)`.
    package func submit(
        _ request: EngineRequest, handler: @escaping EngineHandler
    ) throws(ApusError) -> EngineCall {
        try submit(request, embedding: nil, handler: handler)
    }

    /// Computes the vector of a text: its tokens' states after the last layer and norm, pooled.
    ///
    /// Runs beside other requests like a prompt. When the task is cancelled, it ends within a step.
    ///
    /// - Parameters:
    ///   - prompt: The text.
    ///   - pooling: Which states make the vector.
    ///   - isNormalized: Whether the vector is divided by its length.
    ///   - priority: As `EngineRequest.priority`.
    ///   - deadline: When to give up.
    /// - Returns: The vector; its bits do not depend on what else runs.
    /// - Throws: As `submit`, and `cancelled` when the task was cancelled or the deadline passed.
    public func embed(
        _ prompt: EngineRequest.Prompt, pooling: EmbeddingPooling, isNormalized: Bool = true, priority: Int = 0,
        deadline: ContinuousClock.Instant? = nil
    ) async throws(ApusError) -> Embedding {
        var request = EngineRequest(prompt)
        request.generation.maxTokens = 0
        (request.priority, request.deadline) = (priority, deadline)
        let sink = EmbeddingSink(pooling, isNormalized: isNormalized)
        let response = try submit(request, embedding: sink)
        guard let end = try await response.collect()[0].completion, end.reason == .maxTokens else {
            throw ApusError(.cancelled, "the computation was cancelled")
        }
        return Embedding(
            vector: sink.vector(count: response.promptIDs.count), tokens: response.promptIDs.count,
            reusedTokens: end.usage.reusedTokens)
    }

    private func submit(_ request: EngineRequest, embedding: EmbeddingSink?) throws(ApusError) -> EngineResponse {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: EngineEvent.self)
        let call = try submit(request, embedding: embedding) { news in
            for event in news.events { continuation.yield(event) }
            switch news.end {
            case .success?: continuation.finish()
            case .failure(let error)?: continuation.finish(throwing: error)
            case nil: break
            }
        }
        continuation.onTermination = { termination in
            if case .cancelled = termination { call.cancel() }
        }
        return EngineResponse(stream: stream, call: call)
    }

    private func submit(
        _ request: EngineRequest, embedding: EmbeddingSink?, handler: @escaping EngineHandler
    ) throws(ApusError) -> EngineCall {
        try request.validate(vocabularySize: model.vocabularySize)
        let ids = request.prompt.ids(model.tokenizer)
        guard !ids.isEmpty else {
            throw ApusError(.invalidArgument, "the prompt has no tokens, wanted: at least one")
        }
        if let index = ids.firstIndex(where: { $0 < 0 || Int($0) >= model.vocabularySize }) {
            throw ApusError(
                .invalidArgument,
                "token \(ids[index]) at position \(index) of the prompt is outside the vocabulary of "
                    + "\(model.vocabularySize)")
        }
        let limit = min(contextLength, request.contextLength ?? contextLength)
        guard ids.count <= limit else {
            throw ApusError(
                .contextFull, "the prompt has \(ids.count) tokens and does not fit the context of \(limit)")
        }
        var text = TextGeneration(
            chain: try SamplerChain(request.sampling), matcher: try StopMatcher(request.generation.stops),
            tokenizer: model.tokenizer, options: request.generation)
        text.accept(prompt: ids)
        let seeds = (0..<request.choices).map { text.chain.seed &+ UInt64($0) }
        let call = EngineCall(promptIDs: ids, seeds: seeds, flag: CancellationFlag(), scheduler: scheduler)
        try scheduler.submit(
            Submission(
                request: request, ids: ids, limit: limit, text: text, seeds: seeds, embedding: embedding,
                flag: call.flag, handler: handler, time: .now))
        return call
    }

    /// Ends all requests with an error of code `cancelled`, and refuses new ones.
    public func close() { scheduler.close() }

    /// Waits until a closed engine has ended its requests and nothing on the compute thread refers to it. Not for Swift's own
    /// threads; on the compute thread itself it does not wait.
    package func waitUntilIdle() { scheduler.waitUntilIdle() }
}

/// Gets what a step has computed: choices, with the number of their request, in the order in which requests came, and of
/// tokens.
package typealias StepObserver = @Sendable ([(request: Int, choice: Int, tokens: Int)]) -> Void

/// A request on its way to the scheduler.
struct Submission: Sendable {
    let request: EngineRequest
    let ids: [Int32]
    /// The most positions that prompt and reply may have.
    let limit: Int
    /// The text to come, whose samplers have seen the prompt.
    let text: TextGeneration
    let seeds: [UInt64]
    /// Gets the states of the prompt's tokens, where they are wanted.
    let embedding: EmbeddingSink?
    let flag: CancellationFlag
    let handler: EngineHandler
    let time: ContinuousClock.Instant
}
