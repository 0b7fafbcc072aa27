#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Points in time as Ollama writes them: RFC 3339, in UTC, to the microsecond.
package enum Timestamp {
    /// Now.
    static func now() -> String {
        let (seconds, nanoseconds) = clock()
        return text(seconds: seconds, nanoseconds: nanoseconds)
    }

    /// Some time after now.
    static func after(_ duration: Duration) -> String {
        let (seconds, nanoseconds) = clock()
        let (whole, rest) = duration.components
        let sum = nanoseconds + Int(rest / 1_000_000_000)
        return text(
            seconds: seconds + Int(clamping: whole) + sum / 1_000_000_000, nanoseconds: sum % 1_000_000_000)
    }

    /// A point in time.
    ///
    /// - Parameters:
    ///   - seconds: Since 1970.
    ///   - nanoseconds: Beside them.
    package static func text(seconds: Int, nanoseconds: Int = 0) -> String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        func padded(_ value: some BinaryInteger, _ digits: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let clock = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(clock).\(padded(nanoseconds / 1000, 6))Z"
    }

    private static func clock() -> (seconds: Int, nanoseconds: Int) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return (Int(now.tv_sec), Int(now.tv_nsec))
    }
}

extension Duration {
    /// The duration in whole nanoseconds, as Go has durations.
    var nanoseconds: Int {
        let (seconds, attoseconds) = components
        let (whole, overflow) = Int(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : whole &+ Int(attoseconds / 1_000_000_000)
    }
}
