// What the system says about the processor, this process's start and its memory.

/// Facts for reports.
enum SystemInfo {
    /// The processor's name: "AMD EPYC"; "CPU" where the system does not say.
    static let processorName: String = {
        for line in lines(of: "/proc/cpuinfo") where line.hasPrefix("model name") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[colon...].dropFirst().drop { $0 == " " || $0 == "\t" }
            if !name.isEmpty { return String(name) }
        }
        return "CPU"
    }()

    /// The time now, in UTC, as RFC 3339 has it.
    static var timestamp: String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(1900 + parts.tm_year)-\(two(1 + parts.tm_mon))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    /// Seconds since this process was started.
    ///
    /// Linux tells the start in ticks of 10 ms; within the tick it is taken to be when the process would have started if
    /// it had not waited since. So it is the more exact the less it has waited: to be read early.
    static func secondsSinceStart() -> Double {
        let busy = seconds(of: CLOCK_PROCESS_CPUTIME_ID)
        #if os(Linux)
            let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
            // The name in parentheses may have spaces; the start is the 20th field after it.
            guard let line = lines(of: "/proc/self/stat").first, let name = line.lastIndex(of: ")"), ticks > 0 else {
                return busy
            }
            let fields = line[name...].dropFirst().split(separator: " ")
            guard fields.count > 19, let start = Double(fields[19]) else { return busy }
            let longest = seconds(of: CLOCK_BOOTTIME) - start / ticks
            return min(max(busy, longest - 1 / ticks), longest)
        #else
            return busy
        #endif
    }

    /// The most bytes that this process has held in memory since `resetPeakMemory`; nil where the system does not say.
    static var peakMemory: Int? { memory("VmHWM:") }

    /// The bytes that this process holds in memory; nil where the system does not say.
    static var residentMemory: Int? { memory("VmRSS:") }

    /// Forgets the peak so far. Does nothing where the system does not let it.
    static func resetPeakMemory() {
        let file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = writeAll([UInt8(ascii: "5")], to: file)
        close(file)
    }

    private static func memory(_ name: String) -> Int? {
        for line in lines(of: "/proc/self/status") where line.hasPrefix(name) {
            let fields = line.split { $0 == " " || $0 == "\t" }
            if fields.count > 1, let kilobytes = Int(fields[1]) { return kilobytes * 1024 }
        }
        return nil
    }

    private static func seconds(of clock: clockid_t) -> Double {
        var now = timespec()
        clock_gettime(clock, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
    }

    /// The beginning of a file of the system, as lines.
    private static func lines(of path: String) -> [Substring] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = bytes.withUnsafeMutableBytes { Platform.read(file, $0.baseAddress, $0.count) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
    }
}
