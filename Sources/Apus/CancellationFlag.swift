import Synchronization

/// Calls off work from another thread or a signal handler.
///
/// The work looks at the flag between its steps and then throws `ApusError` with code `cancelled`, or ends early.
public final class CancellationFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    /// A flag that is not raised.
    public init() {}

    /// Whether the work was called off.
    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    /// Calls the work off. Neither locks nor allocates, so that a signal handler may call it.
    public func cancel() { flag.store(true, ordering: .relaxed) }
}
