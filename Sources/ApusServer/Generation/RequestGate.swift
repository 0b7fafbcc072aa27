internal import ApusAPI
internal import Synchronization

/// Counts the requests that are being worked on, and lets no more in than there may be.
final class RequestGate: Sendable {
    private let limit: Int?
    private let count = Mutex(0)

    /// Makes a gate.
    ///
    /// - Parameter limit: Requests that there may be; nil for any number.
    init(limit: Int?) { self.limit = limit }

    /// Requests that are inside.
    var openCount: Int { count.withLock { $0 } }

    /// Lets a request in.
    ///
    /// - Returns: Its place, which is free again when this is gone.
    /// - Throws: 503 when all places are taken.
    func enter() throws(RequestError) -> Place {
        let isFull = count.withLock { count in
            if let limit, count >= limit { return true }
            count += 1
            return false
        }
        if isFull { throw .unavailable("the server has \(limit ?? 0) requests to work on, which is all that may be") }
        return Place(gate: self)
    }

    /// The place of a request.
    final class Place: Sendable {
        private let gate: RequestGate

        fileprivate init(gate: RequestGate) { self.gate = gate }

        deinit { gate.count.withLock { $0 -= 1 } }
    }
}
