public import ApusGGUF
internal import CKernels

/// The paged KV cache that all sequences of an engine share: blocks of 64 positions with reference counts.
///
/// Memory is taken from the system as pages are first written. Not for several threads at once.
public final class KVCache {
    /// Positions in a page.
    public static let pagePositions = Int(APUS_PAGE)

    /// Bytes of a page: keys and values, f16, of all layers.
    public let pageBytes: Int
    /// How many pages there are.
    public let pageCount: Int
    /// Pages that no sequence holds.
    public var freePageCount: Int { freePages.count + pageCount - firstUnused }

    private let spec: DecoderSpec
    private let pages: Pages
    private var freePages: [Int32] = []
    private var firstUnused = 0
    private var references: [Int32] = []

    /// Reserves a cache.
    ///
    /// - Parameters:
    ///   - spec: The model that it is for.
    ///   - positions: How many positions it holds, in all sequences together; rounded up to whole pages.
    /// - Throws: `ApusError` with code `outOfMemory`.
    public init(_ spec: DecoderSpec, positions: Int) throws(ApusError) {
        self.spec = spec
        pageBytes = Self.pageBytes(spec)
        pageCount = (max(1, positions) - 1) / Self.pagePositions + 1
        let (bytes, overflow) = pageBytes.multipliedReportingOverflow(by: pageCount)
        guard !overflow, pageCount <= Int(Int32.max) else {
            throw ApusError(.outOfMemory, "no memory for a KV cache of \(positions) positions")
        }
        pages = try Pages(byteCount: bytes, for: "a KV cache of \(positions) positions", huge: true)
    }

    /// Bytes of a page.
    ///
    /// - Parameter spec: The model.
    /// - Returns: Bytes of the keys and values, f16, of 64 positions in all layers.
    public static func pageBytes(_ spec: DecoderSpec) -> Int { spec.layers * layerElements(spec) * 2 }

    /// Elements of one layer in a page.
    private static func layerElements(_ spec: DecoderSpec) -> Int {
        spec.kvHeads * pagePositions * (spec.headDim + valueStride(spec))
    }

    private static func valueStride(_ spec: DecoderSpec) -> Int { (spec.valueDim + 15) / 16 * 16 }

    /// A page's contents, which are the same on every instruction set.
    package func bytes(of page: Int32) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: pages.base + Int(page) * pageBytes, count: pageBytes))
    }

    fileprivate func setBytes(_ bytes: [UInt8], of page: Int32) {
        bytes.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(start: pages.base + Int(page) * pageBytes, count: pageBytes)
                .copyMemory(from: source)
        }
    }

    /// The kernels' view of a layer.
    func layer(_ index: Int) -> apus_kv {
        let keys = pages.base.assumingMemoryBound(to: UInt16.self) + index * Self.layerElements(spec)
        return apus_kv(
            k: keys, v: keys + spec.kvHeads * Self.pagePositions * spec.headDim, page_stride: pageBytes / 2,
            n_kv_heads: UInt32(spec.kvHeads), k_dim: UInt32(spec.headDim), v_dim: UInt32(spec.valueDim),
            v_stride: UInt32(Self.valueStride(spec)))
    }

    fileprivate func allocate() throws(ApusError) -> Int32 {
        if let page = freePages.popLast() {
            references[Int(page)] = 1
            return page
        }
        guard firstUnused < pageCount else {
            throw ApusError(.contextFull, "the KV cache of \(pageCount * Self.pagePositions) positions is full")
        }
        references.append(1)
        firstUnused += 1
        return Int32(firstUnused - 1)
    }

    /// How many sequences, and others that called `retain`, hold a page.
    package func references(to page: Int32) -> Int { Int(references[Int(page)]) }

    /// Counts one more holder of a page that somebody holds.
    package func retain(_ page: Int32) { references[Int(page)] += 1 }

    /// Counts one holder less; the page of the last one is free.
    package func release(_ page: Int32) {
        references[Int(page)] -= 1
        if references[Int(page)] == 0 { freePages.append(page) }
    }

    /// A page with the same contents that nobody else holds; the reference to `page` is given up for it.
    fileprivate func makeUnique(_ page: Int32) throws(ApusError) -> Int32 {
        if references[Int(page)] == 1 { return page }
        let copy = try allocate()
        (pages.base + Int(copy) * pageBytes).copyMemory(from: pages.base + Int(page) * pageBytes, byteCount: pageBytes)
        release(page)
        return copy
    }
}

/// One sequence of tokens in a cache: which pages hold its positions. Not for several threads at once.
public final class KVSequence {
    /// How many positions are filled.
    public private(set) var length = 0

    let cache: KVCache
    /// Page p holds positions 64 p … 64 p + 63; there may be more of them than `length` needs.
    package private(set) var pages: [Int32] = []

    /// An empty sequence.
    ///
    /// - Parameter cache: Where its keys and values go.
    public init(_ cache: KVCache) { self.cache = cache }

    deinit { for page in pages { cache.release(page) } }

    /// A sequence that begins with the same tokens and shares their pages.
    ///
    /// - Parameter length: How many of the tokens; all when nil.
    /// - Returns: The new sequence. Each copies a shared page before it writes to it.
    public func fork(length: Int? = nil) -> KVSequence {
        let copy = KVSequence(cache)
        copy.length = min(max(0, length ?? self.length), self.length)
        copy.pages = Array(pages.prefix((copy.length + KVCache.pagePositions - 1) / KVCache.pagePositions))
        for page in copy.pages { cache.retain(page) }
        return copy
    }

    /// Drops tokens from the end.
    ///
    /// - Parameter length: How many to keep; nothing happens when it is no less than there are.
    public func truncate(to length: Int) {
        guard length < self.length else { return }
        self.length = max(0, length)
        let kept = (self.length + KVCache.pagePositions - 1) / KVCache.pagePositions
        while pages.count > kept { cache.release(pages.removeLast()) }
    }

    /// Drops all tokens, and pages that were reserved for more.
    package func removeAll() {
        length = 0
        while let page = pages.popLast() { cache.release(page) }
    }

    /// How many free pages `reserve` would take.
    package func pagesToReserve(_ count: Int) -> Int {
        if count <= 0 { return 0 }
        let end = (length + count + KVCache.pagePositions - 1) / KVCache.pagePositions
        let shared = pages.indices.dropFirst(length / KVCache.pagePositions).prefix { $0 < end }
            .count { cache.references(to: pages[$0]) > 1 }
        return shared + max(0, end - pages.count)
    }

    /// Lets a page of the cache stand for the next positions, in place of one that was reserved for them.
    ///
    /// - Parameters:
    ///   - page: Holds the keys and values of the tokens to come at this sequence's next positions.
    ///   - count: How many of the page's positions count, 1 to 64. `length` is at a page's beginning.
    package func adopt(_ page: Int32, count: Int) {
        precondition(
            length % KVCache.pagePositions == 0 && 1...KVCache.pagePositions ~= count, "a page is adopted whole")
        place(page, at: length / KVCache.pagePositions)
        length += count
    }

    /// Puts a page with the same contents in the place of another one.
    package func replacePage(at index: Int, with page: Int32) { place(page, at: index) }

    private func place(_ page: Int32, at index: Int) {
        cache.retain(page)
        if index < pages.count {
            cache.release(pages[index])
            pages[index] = page
        } else {
            pages.append(page)
        }
    }

    /// Makes sure that the next `count` positions have pages that only this sequence writes to.
    package func reserve(_ count: Int) throws(ApusError) {
        let first = length / KVCache.pagePositions
        let end = (length + count + KVCache.pagePositions - 1) / KVCache.pagePositions
        for index in first..<max(first, end) {
            if index < pages.count {
                pages[index] = try cache.makeUnique(pages[index])
            } else {
                pages.append(try cache.allocate())
            }
        }
    }

    /// Fills the next page with contents that `KVCache.bytes(of:)` gave.
    ///
    /// - Parameters:
    ///   - bytes: As many as a page has.
    ///   - count: How many of its positions count. `length` is at a page's beginning, and the page is reserved.
    package func fillPage(_ bytes: [UInt8], count: Int) {
        let index = length / KVCache.pagePositions
        precondition(
            length % KVCache.pagePositions == 0 && index < pages.count && bytes.count == cache.pageBytes,
            "a page is filled whole")
        cache.setBytes(bytes, of: pages[index])
        length += count
    }

    /// Counts positions that a step has written.
    func advance(_ count: Int) { length += count }
}
