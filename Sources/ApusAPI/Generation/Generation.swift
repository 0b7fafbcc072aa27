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
        /// Of the requests that were submitted, in order.
        var calls: [EngineCall] = []
        /// Prompts that have not ended, whether they were submitted or not.
        var open: Int
        var isCancelled = false
        /// What is thrown when everything else was taken.
        var failure: (any Error)?
    }

    private let state: Locked<State>
    private let inbox = Inbox()
    private let signal: CancelSignal
    private let registration = Locked<Int?>(nil)

    /// Prompts of a reply that are with the engine at the same time.
    private static let window = 8

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
        state = Locked(State(open: requests.count))
        for _ in requests.prefix(Self.window) {
            do throws(ApusError) {
                try submitNext()
            } catch {
                cancel()
                throw error
            }
        }
        let number = signal.onRaise { [weak self] in self?.cancel() }
        registration.withLock { $0 = number }
    }

    deinit {
        signal.forget(registration.withLock { $0 })
        if state.withLock({ $0.open > 0 }) { cancel() }
    }

    /// Whether nobody waits for the reply any more.
    package var isUnwanted: Bool { signal.isRaised }

    /// The tokens of a prompt.
    ///
    /// - Parameter source: Which prompt, from 0.
    package func promptIDs(_ source: Int) -> [Int32] { requests[source].prompt.ids(use.tokenizer) }

    /// Calls the requests off.
    package func cancel() {
        let calls = state.withLock { state in
            state.isCancelled = true
            return state.calls
        }
        for call in calls { call.cancel() }
    }

    /// Submits the first request that was not yet, if there is one.
    private func submitNext() throws(ApusError) {
        let source = state.withLock { $0.calls.count }
        guard source < requests.count else { return }
        let call = try use.engine.submit(requests[source]) { [inbox] news in inbox.put(news, from: source) }
        let isCancelled = state.withLock { state in
            state.calls.append(call)
            return state.isCancelled
        }
        if isCancelled { call.cancel() }
    }
}

// MARK: - What comes

extension Generation {
    /// What there is to wait for.
    package enum Wanted: Sendable {
        /// Anything.
        case events
        /// The end of a prompt.
        case ends
    }

    /// Events, and which prompt each belongs to.
    package typealias News = [(event: EngineEvent, source: Int)]

    /// Does something as soon as there is something to take; at once if there is.
    ///
    /// It takes the place of what was to be done, if that has not been. The two then wait together: for anything, if one of them does.
    ///
    /// - Parameters:
    ///   - wanted: What to wait for.
    ///   - action: What to do, once, on any thread, the computing one too: it must not block.
    package func onNews(_ wanted: Wanted, _ action: @escaping @Sendable () -> Void) { inbox.wait(for: wanted, action) }

    /// Takes the events that have come since the last time. For one reader at a time.
    ///
    /// - Returns: What there is; nothing when there is none yet, nil when all prompts have ended and everything was taken.
    /// - Throws: What a request failed with; then the others are called off.
    package func take() throws -> News? {
        var news: News = []
        for post in inbox.take() {
            for event in post.news.events { news.append((event, post.source)) }
            guard let end = post.news.end else { continue }
            let goesOn = state.withLock { state in
                state.open -= 1
                if case .failure(let error) = end { state.failure = state.failure ?? error }
                return state.failure == nil && !state.isCancelled
            }
            do throws(ApusError) {
                if goesOn { try submitNext() }
            } catch {
                state.withLock { $0.failure = error }
            }
        }
        state.withLock { state in
            let unsubmitted = requests.count - state.calls.count
            guard state.isCancelled, unsubmitted > 0, state.open == unsubmitted else { return }
            // No end comes of those.
            state.open = 0
            if signal.isRaised { state.failure = state.failure ?? signal.error }
        }
        if !news.isEmpty { return news }
        let (failure, isOver) = state.withLock { ($0.failure, $0.open == 0) }
        if let failure {
            cancel()
            throw failure
        }
        return isOver ? nil : []
    }

    /// Waits for the end of all.
    ///
    /// - Returns: What became of the prompts, in order.
    /// - Throws: What a request failed with; `CancelSignal.error` when nobody wants them any more.
    package func collect() async throws -> [Result] {
        var results = requests.map { Result(choices: $0.choices) }
        try await forEach(.ends) { event, source in results[source].add(event) }
        if signal.isRaised { throw signal.error }
        return results
    }

    /// Goes through the events until all requests have ended, which they do when the task is cancelled.
    private func forEach(_ wanted: Wanted, _ body: (EngineEvent, Int) -> Void) async throws {
        try await withTaskCancellationHandler {
            while let news = try take() {
                for (event, source) in news { body(event, source) }
                guard news.isEmpty else { continue }
                await withCheckedContinuation { continuation in onNews(wanted) { continuation.resume() } }
            }
        } onCancel: {
            cancel()
        }
    }
}

/// Holds what comes of requests until their reader takes it, and tells the reader of it.
private final class Inbox: Sendable {
    /// What came of a prompt at once.
    struct Post: Sendable {
        let news: EngineNews
        let source: Int
    }

    private struct State {
        var posts: [Post] = []
        var hasEnds = false
        var wanted = Generation.Wanted.events
        var action: (@Sendable () -> Void)?

        /// What to do, if there is what is waited for.
        mutating func takeAction() -> (@Sendable () -> Void)? {
            guard hasEnds || wanted == .events && !posts.isEmpty else { return nil }
            defer { action = nil }
            return action
        }
    }

    private let state = Locked(State())

    /// Adds something.
    func put(_ news: EngineNews, from source: Int) {
        change { state in
            state.posts.append(Post(news: news, source: source))
            if news.end != nil { state.hasEnds = true }
        }
    }

    /// Does something as soon as something is there.
    func wait(for wanted: Generation.Wanted, _ action: @escaping @Sendable () -> Void) {
        change { state in
            if state.action == nil || wanted == .events { state.wanted = wanted }
            state.action = action
        }
    }

    /// Takes everything.
    func take() -> [Post] {
        state.withLock { state in
            defer { (state.posts, state.hasEnds) = ([], false) }
            return state.posts
        }
    }

    private func change(_ work: (inout State) -> Void) {
        let action = state.withLock { state in
            work(&state)
            return state.takeAction()
        }
        action?()
    }
}
