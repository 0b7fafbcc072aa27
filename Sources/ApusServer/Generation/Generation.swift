internal import Apus
internal import ApusGGUF
internal import Synchronization

/// Requests to an engine that make up one reply, on behalf of a client that may go at any time.
///
/// Of many prompts only some are with the engine at a time, so that others get their turn.
final class Generation: Sendable {
    /// The model, which stays loaded until this is gone.
    let use: ModelUse
    /// One for each prompt, as ids.
    let requests: [EngineRequest]

    private let responses: Mutex<[EngineResponse]>
    private let signal: CancelSignal
    private let registration = Mutex<Int?>(nil)

    /// Prompts of a reply that are with the engine at the same time.
    private static let window = 8

    /// What comes of it.
    enum Item: Sendable {
        /// An event of one of the prompts.
        case event(EngineEvent, source: Int)
        /// A second has passed.
        case second
    }

    /// What became of a prompt.
    struct Result: Sendable {
        /// The log probabilities of the prompt's tokens but the first, where they were asked for.
        var promptLogProbabilities: [TokenLogProbability] = []
        /// The choices, in order.
        var replies: [Reply]

        /// What the choices took.
        var usages: [EngineUsage] { replies.compactMap { $0.completion?.usage } }
    }

    /// A choice that has ended.
    struct Reply: Sendable {
        /// The text.
        var text = ""
        /// The tokens, without one that ended the text.
        var tokens: [EngineToken] = []
        /// How it ended; nil when it was called off before that.
        var completion: EngineCompletion?
    }

    /// Submits the first requests.
    ///
    /// - Parameters:
    ///   - requests: One for each prompt, as ids.
    ///   - use: The model.
    ///   - signal: Calls all off.
    /// - Throws: What the engine refuses a request with; then none is under way.
    init(_ requests: [EngineRequest], use: ModelUse, signal: CancelSignal) throws(ApusError) {
        (self.requests, self.use, self.signal) = (requests, use, signal)
        var first: [EngineResponse] = []
        for request in requests.prefix(Self.window) {
            do throws(ApusError) {
                first.append(try use.engine.submit(request))
            } catch {
                for response in first { response.cancel() }
                throw error
            }
        }
        responses = Mutex(first)
        let number = signal.onRaise { [weak self] in self?.cancel() }
        registration.withLock { $0 = number }
    }

    deinit { signal.forget(registration.withLock { $0 }) }

    /// Whether nobody waits for the reply any more.
    var isUnwanted: Bool { signal.isRaised }

    /// The tokens of a prompt.
    ///
    /// - Parameter source: Which prompt, from 0.
    func promptIDs(_ source: Int) -> [Int32] { requests[source].prompt.ids(use.tokenizer) }

    /// Calls the requests off.
    func cancel() { for response in responses.withLock({ $0 }) { response.cancel() } }

    /// Waits for the end of all.
    ///
    /// - Returns: What became of the prompts, in order.
    /// - Throws: What a request failed with; `CancelSignal.error` when nobody wants them any more.
    func collect() async throws -> [Result] {
        let results = try await forEach { _, response in
            var result = Result(replies: response.seeds.map { _ in Reply() })
            for try await event in response {
                switch event {
                case .prompt: break
                case .promptLogProbabilities(let values): result.promptLogProbabilities = values
                case .token(let token):
                    result.replies[token.choice].tokens.append(token)
                    result.replies[token.choice].text += token.text
                case .finished(let completion):
                    result.replies[completion.choice].text += completion.text
                    result.replies[completion.choice].completion = completion
                }
            }
            return result
        }
        if signal.isRaised { throw signal.error }
        return results
    }

    /// The events of all requests as they come, and the passing of seconds.
    ///
    /// - Returns: For one consumer. The requests are called off when it lets go.
    func items() -> AsyncThrowingStream<Item, any Error> {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: Item.self)
        let reading = Task {
            do {
                _ = try await forEach { source, response in
                    for try await event in response { continuation.yield(.event(event, source: source)) }
                }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        let ticking = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(1))
                continuation.yield(.second)
            }
        }
        continuation.onTermination = { _ in
            reading.cancel()
            ticking.cancel()
        }
        return stream
    }

    /// Does something with every response, of some of them at the same time, and submits the others as these end.
    ///
    /// - Returns: What came of them, in order.
    private func forEach<R: Sendable>(
        _ work: @escaping @Sendable (Int, EngineResponse) async throws -> R
    ) async throws -> [R] {
        let first = responses.withLock { $0 }
        if let only = first.first, requests.count == 1 { return [try await work(0, only)] }
        return try await withThrowingTaskGroup(of: (Int, R).self) { group in
            for (index, response) in first.enumerated() { group.addTask { (index, try await work(index, response)) } }
            var next = first.count
            var results = [R?](repeating: nil, count: requests.count)
            while let (index, result) = try await group.next() {
                results[index] = result
                guard next < requests.count, !signal.isRaised else { continue }
                let index = next
                next += 1
                let response = try use.engine.submit(requests[index])
                responses.withLock { $0.append(response) }
                group.addTask { (index, try await work(index, response)) }
            }
            if signal.isRaised { throw signal.error }
            return results.compactMap(\.self)
        }
    }
}
