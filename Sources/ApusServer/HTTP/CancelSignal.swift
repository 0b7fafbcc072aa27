internal import HTTPTypes
internal import Synchronization

/// Tells work that it is no longer wanted: the client is gone, or the server's time is over. Raised once, for good.
final class CancelSignal: Sendable {
    /// Why work is no longer wanted.
    enum Reason: Sendable {
        /// The client has closed the connection, or its half of it.
        case clientGone
        /// The server is to end.
        case serverEnding
    }

    private struct State {
        var reason: Reason?
        var nextNumber = 0
        var actions: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// Whether nobody wants the work any more.
    var isRaised: Bool { state.withLock { $0.reason != nil } }

    /// What the reply is, if anybody is there to see it.
    var error: ServerError {
        switch state.withLock(\.reason) {
        case .serverEnding: .unavailable("the server is ending")
        // Never seen but in the log, where nginx has this number too.
        default:
            ServerError(
                status: .init(code: 499, reasonPhrase: "Client Closed Request"), type: "invalid_request_error",
                code: "client_closed_request", message: "the client did not wait for the reply")
        }
    }

    /// Calls all work off. The first reason counts.
    func raise(_ reason: Reason) {
        let actions = state.withLock { state in
            if state.reason == nil { state.reason = reason }
            defer { state.actions = [:] }
            return state.actions
        }
        for action in actions.values { action() }
    }

    /// Does something when the signal is raised; at once when it is already.
    ///
    /// - Parameter action: What to do, on any thread; it must not block.
    /// - Returns: A number for `forget`.
    func onRaise(_ action: @escaping @Sendable () -> Void) -> Int? {
        let number: Int? = state.withLock { state in
            if state.reason != nil { return nil }
            state.nextNumber += 1
            state.actions[state.nextNumber] = action
            return state.nextNumber
        }
        if number == nil { action() }
        return number
    }

    /// Does nothing any more when the signal is raised.
    ///
    /// - Parameter number: What `onRaise` gave.
    func forget(_ number: Int?) {
        guard let number else { return }
        state.withLock { $0.actions[number] = nil }
    }

    /// Runs work that is cancelled when the signal is raised.
    ///
    /// - Parameter work: The work.
    func run<R: Sendable>(_ work: @escaping @Sendable () async throws -> R) async throws -> R {
        let task = Task { try await work() }
        let number = onRaise { task.cancel() }
        defer { forget(number) }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
