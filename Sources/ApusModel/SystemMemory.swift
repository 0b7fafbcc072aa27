#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// How much memory the system has left, and how much this process has used.
public enum SystemMemory {
    /// Bytes that can still be taken without swapping: what the system calls available, within the limits of the control
    /// groups that this process is in. Nil where the system does not say.
    public static var available: Int? {
        let limits = [system, ControlGroup.available].compactMap(\.self)
        return limits.min()
    }

    /// The most bytes that this process has held in memory so far.
    public static var peakResident: Int {
        var usage = rusage()
        #if canImport(Darwin)
            getrusage(RUSAGE_SELF, &usage)
            return usage.ru_maxrss
        #else
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return usage.ru_maxrss * 1024
        #endif
    }

    private static var system: Int? {
        guard let text = SmallFile.read("/proc/meminfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            let fields = line.split(separator: " ")
            guard fields.count >= 2, let kilobytes = Int(fields[1]) else { return nil }
            return kilobytes * 1024
        }
        return nil
    }
}

/// The memory limits of control groups, version 2 or 1.
private enum ControlGroup {
    /// The smallest room among the groups that this process is in; nil without limits.
    static var available: Int? {
        (version2 + [version1]).compactMap(\.self).min()
    }

    private static var version2: [Int?] {
        guard let text = SmallFile.read("/proc/self/cgroup"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::/") })
        else { return [] }
        var rooms: [Int?] = []
        var path = Substring(line.dropFirst(3))
        while true {
            rooms.append(
                room(
                    folder: "/sys/fs/cgroup\(path)", limit: "memory.max", usage: "memory.current",
                    cache: "inactive_file "))
            guard let slash = path.lastIndex(of: "/") else { return rooms }
            path = path[..<slash]
        }
    }

    private static var version1: Int? {
        room(
            folder: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
            cache: "total_inactive_file ")
    }

    /// Limit - usage + what the kernel can drop; nil when there is no limit.
    private static func room(folder: String, limit: String, usage: String, cache: String) -> Int? {
        guard let limit = SmallFile.read("\(folder)/\(limit)").flatMap({ Int($0.trimmed) }), limit < 1 << 60,
            let used = SmallFile.read("\(folder)/\(usage)").flatMap({ Int($0.trimmed) })
        else { return nil }
        let statistics = SmallFile.read("\(folder)/memory.stat") ?? ""
        let line = statistics.split(separator: "\n").first { $0.hasPrefix(cache) }
        let droppable = line.flatMap { Int($0.dropFirst(cache.count)) } ?? 0
        return max(0, limit - used + droppable)
    }
}

extension String {
    fileprivate var trimmed: Substring { prefix { !$0.isWhitespace } }
}

/// Files of the system that are read whole.
private enum SmallFile {
    static func read(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 16384)
        var count = 0
        while count < bytes.count {
            let length = bytes.count
            let n = bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress.map { unistdRead(file, $0 + count, length - count) } ?? 0
            }
            guard n > 0 else { break }
            count += n
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}

private func unistdRead(_ file: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
    #if canImport(Darwin)
        Darwin.read(file, buffer, count)
    #else
        Glibc.read(file, buffer, count)
    #endif
}
