internal import ApusModel
internal import CApus

/// Where lines about what the library does go: nowhere, unless a program wants them.
enum Log {
    /// How much a line matters.
    enum Level: Int32 {
        case error = 1
        case warning = 2
        case information = 3
    }

    private struct Target: Sendable {
        let callback: apus_log_callback
        // Safe to share: it is the caller's, who knows that callbacks come on any thread.
        nonisolated(unsafe) let user: UnsafeMutableRawPointer?
    }

    private static let target = Locked<Target?>(nil)

    /// Sends lines to a callback from now on.
    static func send(to callback: apus_log_callback?, _ user: UnsafeMutableRawPointer?) {
        let new = callback.map { Target(callback: $0, user: user) }
        target.withLock { $0 = new }
    }

    /// Tells a line. The lock is not held meanwhile.
    static func write(_ level: Level, _ message: @autoclosure () -> String) {
        guard let target = target.withLock({ $0 }) else { return }
        var message = message()
        message.withUTF8 { bytes in
            guard let line = copy(Array(bytes)) else { return }
            target.callback(level.rawValue, line, bytes.count, target.user)
            apus_free(line)
        }
    }
}
