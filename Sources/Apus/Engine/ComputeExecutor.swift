internal import ApusModel

/// Runs the jobs of actors on the process's compute thread, so that what such an actor holds is touched there only.
final class ComputeExecutor: SerialExecutor {
    static let shared = ComputeExecutor()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        ComputeThread.shared.submit { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    /// Called where code that is no task's asks for isolation: the jobs that `Scheduler` queues itself.
    func checkIsolated() {
        precondition(ComputeThread.shared.isCurrent, "this must run on the compute thread")
    }
}
