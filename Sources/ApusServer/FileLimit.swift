#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// How many files and connections the process may have open.
enum FileLimit {
    /// What the process has open beside its clients' connections, and some to spare.
    private static let reserved = 128

    /// Raises the limit as far as the process may.
    static func raise() {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        // More than this some systems refuse, whatever they tell.
        limit.rlim_cur = min(limit.rlim_max, 1 << 20)
        _ = setrlimit(resource, &limit)
    }

    /// Connections that a listener accepts; later ones wait until some are closed.
    static func connections(_ configuration: ServerConfiguration) -> Int {
        var limit = rlimit()
        let files = getrlimit(resource, &limit) == 0 ? Int(clamping: limit.rlim_cur) : 1024
        let most = max(16, (files - reserved) / max(1, configuration.listeners.count))
        return min(most, configuration.maxConnections ?? most)
    }

    #if canImport(Darwin) || canImport(Musl)
        private static let resource = RLIMIT_NOFILE
    #else
        private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #endif
}
