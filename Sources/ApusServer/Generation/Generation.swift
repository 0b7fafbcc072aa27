internal import Apus
internal import ApusGGUF

/// Requests to an engine that make up one reply, on behalf of a client that may go at any time.
final class Generation: Sendable {
    /// The model, which stays loaded until this is gone.
    let use: ModelUse
    /// One for each prompt.
    let responses: [EngineResponse]

    private let signal: CancelSignal
    private let registration: Int?

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
        /// The prompt's tokens.
        var promptIDs: [Int32]
        /// The choices, in order.
        var replies: [Reply]
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

    /// Takes requests that were submitted.
    ///
    /// - Parameters:
    ///   - use: The model.
    ///   - responses: One for each prompt.
    ///   - signal: Calls them off.
    init(use: ModelUse, responses: [EngineResponse], signal: CancelSignal) {
        (self.use, self.responses, self.signal) = (use, responses, signal)
        registration = signal.onRaise { for response in responses { response.cancel() } }
    }

    deinit { signal.forget(registration) }

    /// Calls the requests off.
    func cancel() { for response in responses { response.cancel() } }

    /// Waits for the end of all.
    ///
    /// - Returns: What became of the prompts, in order.
    /// - Throws: What a request failed with; `CancellationError` when the client is gone.
    func collect() async throws -> [Result] {
        var results: [Result] = []
        for response in responses {
            var result = Result(
                promptIDs: response.promptIDs, replies: response.seeds.map { _ in Reply() })
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
            results.append(result)
        }
        if signal.isRaised { throw CancellationError() }
        return results
    }

    /// The events of all requests as they come, and the passing of seconds.
    ///
    /// - Returns: For one consumer. The requests are called off when it lets go.
    func items() -> AsyncThrowingStream<Item, any Error> {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: Item.self)
        let reading = Task { [responses] in
            do {
                try await withThrowingTaskGroup { group in
                    for (source, response) in responses.enumerated() {
                        group.addTask {
                            for try await event in response { continuation.yield(.event(event, source: source)) }
                        }
                    }
                    try await group.waitForAll()
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
}
