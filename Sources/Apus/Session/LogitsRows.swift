internal import ApusGGUF
internal import ApusModel

/// Logits that a session keeps for itself, a row a token. Memory is taken as rows are written.
final class LogitsRows {
    let capacity: Int
    private let columns: Int
    private let pages: Pages

    /// Reserves memory.
    ///
    /// - Parameters:
    ///   - capacity: How many rows.
    ///   - columns: Logits of each, the size of the vocabulary.
    /// - Throws: `ApusError` with code `outOfMemory`.
    init(capacity: Int, columns: Int) throws(ApusError) {
        self.capacity = capacity
        self.columns = columns
        let (count, overflow) = capacity.multipliedReportingOverflow(by: columns * MemoryLayout<Float>.stride)
        guard !overflow else { throw ApusError(.outOfMemory, "no memory for the logits of \(capacity) tokens") }
        pages = try Pages(byteCount: count, for: "the logits of \(capacity) tokens")
    }

    subscript(row: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(
            start: pages.base.assumingMemoryBound(to: Float.self) + row * columns, count: columns)
    }

    /// Whether a row is one of these.
    func contains(_ logits: UnsafeMutableBufferPointer<Float>) -> Bool {
        guard let address = logits.baseAddress else { return false }
        let first = pages.base.assumingMemoryBound(to: Float.self)
        return (first..<first + capacity * columns).contains(address)
    }

    /// Keeps a row.
    func copy(_ logits: UnsafeMutableBufferPointer<Float>, to row: Int) {
        _ = self[row].update(fromContentsOf: logits)
    }
}
