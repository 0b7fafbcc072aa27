internal import ApusModel

/// Tells work that it is no longer wanted: who asked is gone, or the engine's time is over. Raised once, for good.
package final class CancelSignal: Sendable {
    /// Why work is no longer wanted.
    package enum Reason: Sendable {
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

    private let state = Locked(State())

    /// A signal that nobody has raised yet.
    package init() {}

    /// Whether nobody wants the work any more.
    package var isRaised: Bool { state.withLock { $0.reason != nil } }

    /// What the reply is, if anybody is there to see it.
    package var error: RequestError {
        switch state.withLock(\.reason) {
        case .serverEnding: .unavailable("the server is ending")
        // Never seen by HTTP clients but in the log, where nginx has this number too.
        default:
            RequestError(
                status: 499, type: "invalid_request_error",
                code: "client_closed_request", message: "the client did not wait for the reply")
        }
    }

    /// Calls all work off. The first reason counts.
    package func raise(_ reason: Reason) {
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
    package func onRaise(_ action: @escaping @Sendable () -> Void) -> Int? {
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
    package func forget(_ number: Int?) {
        guard let number else { return }
        state.withLock { $0.actions[number] = nil }
    }

    /// Runs work that is cancelled when the signal is raised.
    ///
    /// - Parameter work: The work.
    package func run<R: Sendable>(_ work: @escaping @Sendable () async throws -> R) async throws -> R {
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
