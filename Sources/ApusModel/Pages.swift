package import ApusGGUF
internal import CKernels

/// Zeroed memory in huge pages where the system gives them; it costs nothing until it is touched.
package final class Pages: Sendable {
    // Safe to share: the address never changes; who writes where is the owner's business.
    nonisolated(unsafe) package let base: UnsafeMutableRawPointer
    package let byteCount: Int

    /// Reserves memory.
    ///
    /// - Parameters:
    ///   - byteCount: At least 0.
    ///   - purpose: What it is for, for the error.
    package init(byteCount: Int, for purpose: String) throws(ApusError) {
        guard let base = apus_pages_alloc(max(byteCount, 64)) else {
            throw ApusError(.outOfMemory, "no memory for \(purpose): \(byteCount) bytes")
        }
        self.base = base
        self.byteCount = max(byteCount, 64)
    }

    deinit { apus_pages_free(base, byteCount) }
}

/// Lays parts of one piece of memory out, each on a cache line of its own.
struct ArenaLayout {
    /// Bytes so far.
    private(set) var byteCount = 0

    /// Adds a part.
    ///
    /// - Returns: Its offset.
    mutating func add(_ bytes: Int) throws(ApusError) -> Int {
        let offset = byteCount
        let (sum, overflow) = byteCount.addingReportingOverflow(bytes)
        guard !overflow, bytes >= 0, sum < Int.max / 2 else {
            throw ApusError(.outOfMemory, "the model needs more memory than can be addressed")
        }
        byteCount = (sum + 63) / 64 * 64
        return offset
    }
}
