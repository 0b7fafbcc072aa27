#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// A value behind a lock.
///
/// As Synchronization's `Mutex`, but on a mutex of pthreads: that one sleeps by a system call of its own, which ThreadSanitizer does not
/// see, so that it takes whatever a lock guards that somebody had to wait for as touched by two threads at once.
package final class Locked<Value: Sendable>: Sendable {
    // Safe to share: the value is touched only while the mutex is held, which never moves.
    nonisolated(unsafe) private var value: Value
    nonisolated(unsafe) private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    /// Puts a value behind a lock of its own.
    package init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Does something with the value that nobody else does at the same time. Not to be called by `body` for the same value.
    package func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
