// Ctrl-C: the first ends the work in good order, the second at once.

import ApusModel
import Synchronization

/// The state that the signal handler shares with the work.
enum Interrupt {
    /// What a shell reports for a command that SIGINT ended.
    static let exitCode: Int32 = 130

    /// Raised by the first Ctrl-C while the work is one that can end in good order.
    static let flag = CancellationFlag()

    private static let isGraceful = Atomic<Bool>(false)

    /// Takes over SIGINT.
    static func install() {
        // Statics are made on first use, which takes a lock: not in a signal handler.
        _ = flag
        _ = isGraceful.load(ordering: .relaxed)
        // A parent with blocked signals hands them down blocked; Ctrl-C must work all the same.
        var interrupt = sigset_t()
        sigemptyset(&interrupt)
        sigaddset(&interrupt, SIGINT)
        sigprocmask(SIG_UNBLOCK, &interrupt, nil)
        signal(SIGINT) { _ in
            if Interrupt.isGraceful.load(ordering: .relaxed) && !Interrupt.flag.isCancelled {
                Interrupt.flag.cancel()
            } else {
                _exit(Interrupt.exitCode)
            }
        }
    }

    /// From here on the first Ctrl-C raises the flag instead of ending the process.
    static func beginGraceful() {
        isGraceful.store(true, ordering: .relaxed)
    }
}
