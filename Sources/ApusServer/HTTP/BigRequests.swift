internal import ApusAPI
internal import NIOPosix
internal import Synchronization

/// Requests with long bodies: how many bytes of them there may be at a time, and the thread that handles them.
///
/// Of a body of many megabytes comes a multiple of its size, and it takes seconds to be parsed and cut into tokens. Swift's
/// own threads are as many as processors, and all other requests need them.
final class BigRequests: Sendable {
    /// A body of more bytes is a long one.
    private static let leastBytes = 1 << 20

    /// Handles a request, on the thread for them if its body is long.
    static func handle<R>(_ bytes: Int, _ work: () async throws -> R) async throws -> R {
        try await withTaskExecutorPreference(bytes > leastBytes ? ThreadExecutor.shared : nil, operation: work)
    }

    private let limit: Int
    private let bytes = Mutex(0)

    /// None yet.
    ///
    /// - Parameter limit: Bytes of long bodies that there may be at a time; one alone may have that many.
    init(limit: Int) { self.limit = limit }

    /// Takes bytes for a body that becomes a long one.
    ///
    /// - Parameter count: How many more.
    /// - Returns: Whether they are free.
    private func take(_ count: Int) -> Bool {
        bytes.withLock { bytes in
            guard bytes + count <= limit else { return false }
            bytes += count
            return true
        }
    }

    /// What a body has taken of the bytes; free again when this is gone.
    final class Share: Sendable {
        private let owner: BigRequests
        private let bytes = Mutex(0)

        init(_ owner: BigRequests) { self.owner = owner }

        deinit {
            let bytes = bytes.withLock { $0 }
            owner.bytes.withLock { $0 -= bytes }
        }

        /// Takes what a body of a size needs.
        ///
        /// - Throws: 503 when others have it.
        func grow(to size: Int) throws(RequestError) {
            guard size > BigRequests.leastBytes else { return }
            let isThere = bytes.withLock { bytes in
                guard size > bytes else { return true }
                guard owner.take(size - bytes) else { return false }
                bytes = size
                return true
            }
            if !isThere { throw .unavailable("other requests' bodies take all the memory that there is for them") }
        }
    }
}

/// Runs tasks on a thread of the process's, one after another.
final class ThreadExecutor: TaskExecutor {
    /// The thread; it begins with the first task.
    static let shared = ThreadExecutor()

    private let pool = NIOThreadPool(numberOfThreads: 1)

    private init() { pool.start() }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pool.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
