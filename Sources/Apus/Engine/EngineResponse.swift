public import ApusGGUF
internal import ApusModel

/// The events of a request, as they come. For one consumer.
///
/// Nothing is computed for a consumer that is gone: when its task is cancelled, when it lets go of the response and its
/// iterator, or when `cancel()` is called, the request ends within a step (0.3 s) and what it held is free. A slow consumer
/// holds nobody up: events wait for it, at most one a token.
public struct EngineResponse: AsyncSequence, Sendable {
    /// What comes.
    public typealias Element = EngineEvent
    /// What can go wrong once a request has been taken: damaged weights, or an engine that was closed.
    public typealias Failure = ApusError

    let stream: AsyncThrowingStream<EngineEvent, any Error>
    let call: EngineCall

    /// The tokens of the prompt.
    public var promptIDs: [Int32] { call.promptIDs }
    /// What starts the random generators of the choices.
    public var seeds: [UInt64] { call.seeds }

    /// Calls the request off; its choices end with reason `cancelled`.
    public func cancel() { call.cancel() }

    /// The events from now on.
    public func makeAsyncIterator() -> Iterator { Iterator(base: stream.makeAsyncIterator()) }

    /// Gives one event after another.
    public struct Iterator: AsyncIteratorProtocol {
        var base: AsyncThrowingStream<EngineEvent, any Error>.Iterator

        /// The next event; nil after the last one, and when the task is cancelled.
        ///
        /// - Throws: `ApusError` when the request fails.
        public mutating func next() async throws(ApusError) -> EngineEvent? { try await next(isolation: nil) }

        /// The next event; nil after the last one, and when the task is cancelled.
        ///
        /// - Parameter actor: The caller's, which is not left.
        /// - Throws: `ApusError` when the request fails.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(ApusError) -> EngineEvent? {
            do {
                return try await base.next(isolation: actor)
            } catch let error as ApusError {
                throw error
            } catch {
                throw ApusError(.internalError, "\(error)")
            }
        }
    }

    /// Waits for the end and puts the events together.
    ///
    /// - Returns: The choices in order. When the task is cancelled, they are what there was until then.
    /// - Throws: `ApusError` when the request fails.
    public func collect() async throws(ApusError) -> [EngineReply] {
        var replies = [EngineReply](repeating: EngineReply(), count: seeds.count)
        for try await event in self {
            switch event {
            case .prompt, .promptLogProbabilities: break
            case .token(let token):
                replies[token.choice].ids.append(token.id)
                replies[token.choice].text += token.text
                if let value = token.logProbability { replies[token.choice].logProbabilities.append(value) }
            case .finished(let completion):
                replies[completion.choice].text += completion.text
                replies[completion.choice].completion = completion
            }
        }
        return replies
    }
}

/// The line from who made a request to its engine.
package struct EngineCall: Sendable {
    /// The tokens of the prompt.
    package let promptIDs: [Int32]
    /// What starts the random generators of the choices.
    package let seeds: [UInt64]

    let flag: CancellationFlag
    let scheduler: Scheduler

    /// Calls the request off; its choices end with reason `cancelled` within a step.
    package func cancel() {
        flag.cancel()
        scheduler.wake()
    }
}
