public import ApusGGUF

#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// The thread that runs every step of every engine in the process.
///
/// The kernels' team belongs to the thread that starts it (OpenMP keeps one per such thread), and Swift's cooperative
/// pool must never wait for arithmetic; so there is one thread for it, and engines take turns.
public final class ComputeThread: Sendable {
    /// The process's compute thread; it starts with its first job at the latest.
    public static let shared = ComputeThread()

    /// A piece of work, and who waits for it. The work is let go of before the waiting caller hears of its end.
    private struct Job {
        let work: @Sendable () -> Void
        let finished: Semaphore?
    }

    private struct State {
        var jobs: [Job] = []
        var thread: pthread_t?
    }

    // Safe to share: `state` is touched only while `mutex` is held, and the addresses never change.
    nonisolated(unsafe) private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    nonisolated(unsafe) private let condition: UnsafeMutablePointer<pthread_cond_t>
    nonisolated(unsafe) private let state: UnsafeMutablePointer<State>

    private init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        pthread_cond_init(condition, nil)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    /// Starts the thread, if it has not been; it never ends. Who loads a model does this first.
    ///
    /// - Throws: `ApusError` with code `outOfMemory` when the process can have no more threads.
    public func start() throws(ApusError) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard state.pointee.thread != nil || create() else {
            throw ApusError(.outOfMemory, "the process can have no more threads, wanted: one that computes")
        }
    }

    /// Runs a job on the compute thread and waits for it. On the compute thread itself it runs at once.
    ///
    /// - Parameter job: The work.
    /// - Returns: What the job returns.
    /// - Throws: What the job throws.
    public func run<R, E: Error>(_ job: () throws(E) -> R) throws(E) -> R {
        if isCurrent { return try job() }
        var result: Result<R, E>?
        withoutActuallyEscaping(job) { job in
            // Safe to send: this thread waits until the job has run, and touches `result` only afterwards.
            nonisolated(unsafe) let job = job
            withUnsafeMutablePointer(to: &result) { place in
                nonisolated(unsafe) let place = place
                let finished = Semaphore()
                let work: @Sendable () -> Void = {
                    do throws(E) {
                        place.pointee = .success(try job())
                    } catch {
                        place.pointee = .failure(error)
                    }
                }
                append(Job(work: work, finished: finished))
                finished.wait()
            }
        }
        guard let result else { preconditionFailure("a job ends with a result") }
        return try result.get()
    }

    /// Queues a job and returns at once.
    ///
    /// - Parameter job: The work; jobs run in the order they were queued.
    public func submit(_ job: @escaping @Sendable () -> Void) { append(Job(work: job, finished: nil)) }

    private func append(_ job: Job) {
        pthread_mutex_lock(mutex)
        state.pointee.jobs.append(job)
        precondition(state.pointee.thread != nil || create(), "the process can have no more threads")
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Whether the caller is on the compute thread.
    public var isCurrent: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard let thread = state.pointee.thread else { return false }
        return pthread_equal(thread, pthread_self()) != 0
    }

    /// Starts the thread; the mutex is held.
    ///
    /// - Returns: False when there can be none.
    private func create() -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 8 << 20)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let status = pthread_create(&thread, &attributes, { _ in ComputeThread.shared.loop() }, nil)
        pthread_attr_destroy(&attributes)
        if status == 0 { state.pointee.thread = thread }
        return status == 0
    }

    private func loop() -> Never {
        while true { runNext()?.signal() }
    }

    /// Runs the next job and lets go of it.
    private func runNext() -> Semaphore? {
        pthread_mutex_lock(mutex)
        while state.pointee.jobs.isEmpty { pthread_cond_wait(condition, mutex) }
        let job = state.pointee.jobs.removeFirst()
        pthread_mutex_unlock(mutex)
        job.work()
        return job.finished
    }
}

/// Lets one thread wait for another.
private final class Semaphore: Sendable {
    // Safe to share: sem_t is made for it, and the address never changes.
    nonisolated(unsafe) private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        semaphore.initialize(to: sem_t())
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func signal() { sem_post(semaphore) }

    func wait() {
        while sem_wait(semaphore) != 0 {}  // interrupted by a signal
    }
}
