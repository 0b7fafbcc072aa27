internal import CApus
internal import Glibc

/// A thread of an engine's for callbacks, which run there one after another: none of these holds up Swift's own threads or the computation,
/// and an event comes with one change of threads.
final class DeliveryThread: Sendable {
    /// What the thread and its owner share.
    private final class Queue: Sendable {
        let monitor = Monitor()
        // Safe to share: touched inside of `monitor` only.
        nonisolated(unsafe) var jobs: [@Sendable () -> Void] = []
        nonisolated(unsafe) var thread: pthread_t?
        nonisolated(unsafe) var isEnding = false

        func run() {
            while true {
                let batch = monitor.locked {
                    while jobs.isEmpty, !isEnding { _ = monitor.wait(until: Deadline(nanoseconds: -1)) }
                    defer { jobs = [] }
                    return jobs
                }
                if batch.isEmpty { return }
                for job in batch { job() }
            }
        }
    }

    private let queue = Queue()

    deinit {
        let queue = queue
        queue.monitor.locked {
            queue.isEnding = true
            queue.monitor.notify()
        }
    }

    /// Whether the caller is on this thread, in a callback that is.
    var isCurrent: Bool {
        queue.monitor.locked { queue.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    /// Queues a job. After `start`.
    func submit(_ job: @escaping @Sendable () -> Void) {
        queue.monitor.locked { queue.jobs.append(job) }
        queue.monitor.notify()
    }

    /// Starts the thread, if it has not been.
    ///
    /// - Throws: `CallError` with APUS_OUT_OF_MEMORY when the process can have no more threads.
    func start() throws(CallError) {
        try queue.monitor.locked { () throws(CallError) in if queue.thread == nil { try create() } }
    }

    /// Inside of the monitor.
    private func create() throws(CallError) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(queue)
        let status = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Queue>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            throw CallError(
                Int(APUS_OUT_OF_MEMORY), "the process can have no more threads, wanted: one for the engine's callbacks")
        }
        pthread_detach(thread)
        queue.thread = thread
    }
}
