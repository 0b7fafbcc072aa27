// Ctrl-C: what it ends depends on what is going on.

import ApusModel
import Synchronization

/// The state that the signal handler shares with the work.
enum Interrupt {
    /// What a shell reports for a command that SIGINT ended.
    static let exitCode: Int32 = 130

    /// Raised by Ctrl-C while the work is one that can end in good order.
    static let flag = CancellationFlag()

    /// What Ctrl-C does.
    enum Effect: Int {
        /// Ends the process at once.
        case endsProcess
        /// Raises the flag; once that is raised, ends the process.
        case raisesFlagOnce
        /// Raises the flag, however often it comes.
        case raisesFlag
    }

    private static let effect = Atomic<Int>(Effect.endsProcess.rawValue)

    /// Takes over SIGINT.
    static func install() {
        // Statics are made on first use, which takes a lock: not in a signal handler.
        _ = flag
        _ = effect.load(ordering: .relaxed)
        // A parent with blocked signals hands them down blocked; Ctrl-C must work all the same.
        var interrupt = sigset_t()
        sigemptyset(&interrupt)
        sigaddset(&interrupt, SIGINT)
        sigprocmask(SIG_UNBLOCK, &interrupt, nil)
        signal(SIGINT) { _ in
            let effect = Interrupt.effect.load(ordering: .relaxed)
            if effect == Effect.raisesFlag.rawValue
                || effect == Effect.raisesFlagOnce.rawValue && !Interrupt.flag.isCancelled
            {
                Interrupt.flag.cancel()
            } else {
                _exit(Interrupt.exitCode)
            }
        }
    }

    /// From here on Ctrl-C has another effect.
    static func set(_ effect: Effect) {
        self.effect.store(effect.rawValue, ordering: .relaxed)
    }

    /// From here on the first Ctrl-C raises the flag instead of ending the process.
    static func beginGraceful() { set(.raisesFlagOnce) }
}
