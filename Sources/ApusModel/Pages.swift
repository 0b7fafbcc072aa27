package import ApusGGUF
internal import CKernels

/// Zeroed memory; it costs nothing until it is touched.
package final class Pages: Sendable {
    // Safe to share: the address never changes; who writes where is the owner's business.
    nonisolated(unsafe) package let base: UnsafeMutableRawPointer
    package let byteCount: Int

    /// Reserves memory.
    ///
    /// - Parameters:
    ///   - byteCount: At least 0.
    ///   - purpose: What it is for, for the error.
    ///   - huge: Whether it is to have huge pages, where the system gives them: for what is read from end to end. Where only
    ///     some of it is used at a time, they are got for nothing.
    package init(byteCount: Int, for purpose: String, huge: Bool = false) throws(ApusError) {
        guard let base = apus_pages_alloc(max(byteCount, 64)) else {
            throw ApusError(.outOfMemory, "no memory for \(purpose): \(byteCount) bytes")
        }
        if !huge { apus_pages_prefer(base, max(byteCount, 64), false) }
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
