internal import Glibc

/// A lock whose holders can wait for each other, with a limit.
final class Monitor: Sendable {
    // Safe to share: they are made for it, and the addresses never change.
    nonisolated(unsafe) private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    nonisolated(unsafe) private let condition: UnsafeMutablePointer<pthread_cond_t>

    init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // The other clock jumps when somebody sets the time.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Does something that nobody else does at the same time.
    func locked<R, E: Error>(_ work: () throws(E) -> R) throws(E) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try work()
    }

    /// Lets all go on that wait. Best outside of `locked`: who wakes up wants the lock.
    func notify() { pthread_cond_broadcast(condition) }

    /// Lets others go on until `notify`, or until it is time. Inside of `locked`.
    ///
    /// - Returns: False when it is time.
    func wait(until deadline: Deadline) -> Bool {
        if deadline.isNow { return false }
        guard let time = deadline.time else { return pthread_cond_wait(condition, mutex) == 0 }
        var copy = time
        return pthread_cond_timedwait(condition, mutex, &copy) == 0
    }
}

/// The time since some moment, which nobody can set.
func nanosecondsNow() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

/// When to stop waiting.
struct Deadline {
    /// Nil for never.
    fileprivate let time: timespec?
    /// Whether nothing is to be waited for.
    let isNow: Bool

    /// In some time from now.
    ///
    /// - Parameter nanoseconds: How long; a negative number for ever.
    init(nanoseconds: Int64) {
        isNow = nanoseconds == 0
        let (sum, overflow) = nanoseconds.addingReportingOverflow(nanosecondsNow())
        guard nanoseconds >= 0, !overflow else {
            time = nil
            return
        }
        time = timespec(tv_sec: Int(sum / 1_000_000_000), tv_nsec: Int(sum % 1_000_000_000))
    }
}

/// Gives a thread what a task computes.
final class Waiting<Value: Sendable>: Sendable {
    private let monitor = Monitor()
    // Safe to share: touched inside of `monitor` only.
    nonisolated(unsafe) private var result: Result<Value, any Error>?

    private func end(_ result: Result<Value, any Error>) {
        monitor.locked {
            self.result = result
            monitor.notify()
        }
    }

    /// Runs a task and waits for it. Not for Swift's own threads.
    static func wait(for work: @escaping @Sendable () async throws -> Value) throws -> Value {
        let waiting = Waiting()
        Task.detached {
            do {
                waiting.end(.success(try await work()))
            } catch {
                waiting.end(.failure(error))
            }
        }
        return try waiting.monitor.locked {
            while true {
                if let result = waiting.result { return try result.get() }
                _ = waiting.monitor.wait(until: Deadline(nanoseconds: -1))
            }
        }
    }
}
