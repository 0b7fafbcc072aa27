internal import CKernels

/// Calls off work from another thread or a signal handler.
///
/// The work looks at the flag between its steps, down to the ops of a plan, and then throws `ApusError` with code
/// `cancelled`, or ends early.
public final class CancellationFlag: Sendable {
    // Safe to share: every access is atomic, by the two C functions below, and the address never changes.
    nonisolated(unsafe) let word: UnsafeMutablePointer<Int32>

    /// A flag that is not raised.
    public init() {
        word = .allocate(capacity: 1)
        word.initialize(to: 0)
    }

    deinit { word.deallocate() }

    /// Whether the work was called off.
    public var isCancelled: Bool { apus_flag_load(word) != 0 }

    /// Calls the work off. Neither locks nor allocates, so that a signal handler may call it.
    public func cancel() { apus_flag_store(word, 1) }

    /// Lowers the flag, for the next piece of work.
    public func reset() { apus_flag_store(word, 0) }
}
