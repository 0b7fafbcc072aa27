package import Apus
package import ApusGGUF
internal import ApusModel

/// Requests to an engine that make up one reply, on behalf of a client that may go at any time.
///
/// Of many prompts only some are with the engine at a time, so that others get their turn.
package final class Generation: Sendable {
    /// The model, which stays loaded until this is gone.
    package let use: ModelUse
    /// One for each prompt, as ids.
    package let requests: [EngineRequest]

    private struct State {
        var responses: [EngineResponse]
        var isCancelled = false
    }

    private let state: Locked<State>
    private let signal: CancelSignal
    private let registration = Locked<Int?>(nil)

    /// Prompts of a reply that are with the engine at the same time.
    private static let window = 8

    /// What comes of it.
    package enum Item: Sendable {
        /// An event of one of the prompts.
        case event(EngineEvent, source: Int)
        /// A second has passed.
        case second
    }

    /// What became of a prompt.
    package struct Result: Sendable {
        /// The log probabilities of the prompt's tokens but the first, where they were asked for.
        package private(set) var promptLogProbabilities: [TokenLogProbability] = []
        /// The choices, in order.
        package private(set) var replies: [Reply]

        /// Of nothing yet.
        ///
        /// - Parameter choices: How many there are.
        package init(choices: Int) { replies = [Reply](repeating: Reply(), count: choices) }

        /// What the choices took.
        package var usages: [EngineUsage] { replies.compactMap { $0.completion?.usage } }

        /// Puts an event to what was there before.
        package mutating func add(_ event: EngineEvent) {
            switch event {
            case .prompt: break
            case .promptLogProbabilities(let values): promptLogProbabilities = values
            case .token(let token):
                replies[token.choice].tokens.append(token)
                replies[token.choice].text += token.text
            case .finished(let completion):
                replies[completion.choice].text += completion.text
                replies[completion.choice].completion = completion
            }
        }
    }

    /// A choice that has ended.
    package struct Reply: Sendable {
        /// The text.
        package var text = ""
        /// The tokens, without one that ended the text.
        package var tokens: [EngineToken] = []
        /// How it ended; nil when it was called off before that.
        package var completion: EngineCompletion?
    }

    /// Submits the first requests.
    ///
    /// - Parameters:
    ///   - requests: One for each prompt, as ids.
    ///   - use: The model.
    ///   - signal: Calls all off.
    /// - Throws: What the engine refuses a request with; then none is under way.
    package init(_ requests: [EngineRequest], use: ModelUse, signal: CancelSignal) throws(ApusError) {
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
        state = Locked(State(responses: first))
        let number = signal.onRaise { [weak self] in self?.cancel() }
        registration.withLock { $0 = number }
    }

    deinit { signal.forget(registration.withLock { $0 }) }

    /// Whether nobody waits for the reply any more.
    package var isUnwanted: Bool { signal.isRaised }

    /// The tokens of a prompt.
    ///
    /// - Parameter source: Which prompt, from 0.
    package func promptIDs(_ source: Int) -> [Int32] { requests[source].prompt.ids(use.tokenizer) }

    /// Calls the requests off.
    package func cancel() {
        let responses = state.withLock { state in
            state.isCancelled = true
            return state.responses
        }
        for response in responses { response.cancel() }
    }

    /// Waits for the end of all.
    ///
    /// - Returns: What became of the prompts, in order.
    /// - Throws: What a request failed with; `CancelSignal.error` when nobody wants them any more.
    package func collect() async throws -> [Result] {
        let results = try await forEach { _, response in
            var result = Result(choices: response.seeds.count)
            for try await event in response { result.add(event) }
            return result
        }
        if signal.isRaised { throw signal.error }
        return results
    }

    /// Does something with the events of all requests as they come, until all have ended.
    ///
    /// - Parameter body: Gets an event, and which prompt it belongs to; for different prompts at the same time too.
    /// - Throws: As `collect`.
    package func forEachEvent(_ body: @escaping @Sendable (EngineEvent, Int) -> Void) async throws {
        _ = try await forEach { source, response in
            for try await event in response { body(event, source) }
        }
        if signal.isRaised { throw signal.error }
    }

    /// Goes through the events of all requests as they come, and the passing of seconds.
    ///
    /// - Parameter body: What to do with them, on the executor that the caller's task prefers. The requests are called off
    ///   when it returns or throws before the last one.
    /// - Throws: What a request failed with, and what the body throws.
    package func withItems(_ body: (AsyncThrowingStream<Item, any Error>) async throws -> Void) async throws {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: Item.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    _ = try await self.forEach { source, response in
                        for try await event in response { continuation.yield(.event(event, source: source)) }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    try await Task.sleep(for: .seconds(1))
                    continuation.yield(.second)
                }
            }
            try await body(stream)
        }
    }

    /// Does something with every response, of some of them at the same time, and submits the others as these end.
    ///
    /// - Returns: What came of them, in order.
    private func forEach<R: Sendable>(
        _ work: @escaping @Sendable (Int, EngineResponse) async throws -> R
    ) async throws -> [R] {
        let first = state.withLock { $0.responses }
        if let only = first.first, requests.count == 1 { return [try await work(0, only)] }
        return try await withThrowingTaskGroup(of: (Int, R).self) { group in
            for (index, response) in first.enumerated() { group.addTask { (index, try await work(index, response)) } }
            var next = first.count
            var results = [R?](repeating: nil, count: requests.count)
            while let (index, result) = try await group.next() {
                results[index] = result
                guard next < requests.count, !state.withLock(\.isCancelled) else { continue }
                let index = next
                next += 1
                let response = try use.engine.submit(requests[index])
                let isCancelled = state.withLock { state in
                    state.responses.append(response)
                    return state.isCancelled
                }
                if isCancelled { response.cancel() }
                group.addTask { (index, try await work(index, response)) }
            }
            if signal.isRaised { throw signal.error }
            return results.compactMap(\.self)
        }
    }
}
