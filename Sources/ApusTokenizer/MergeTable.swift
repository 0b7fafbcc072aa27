// The merges of byte-pair encoding by pairs of ids, made from a file's list of texts.

import ApusGGUF

/// The pairs of tokens that become one, with the rank of each pair: the lower is merged first.
struct MergeTable: Sendable {
    /// A pair and what it becomes. 16 bytes, so that a look-up touches one cache line.
    struct Merge: Sendable {
        /// The left token; -1 in a free slot.
        var left: Int32 = -1
        var right: Int32 = -1
        /// The index in the file's list.
        var rank: UInt32 = .max
        /// The token that the pair becomes.
        var id: Int32 = -1
    }

    private let slots: [Merge]
    /// A random factor, so that no file can hold pairs that all fall on one place.
    private let factor = UInt64.random(in: .min ... .max) | 1

    /// Reads the merges: each a left and a right text with a space between (a left text may begin with a space).
    ///
    /// Merges that name no token do not stop a model from working, and published files have them: they are left out.
    /// So are those whose result is a control or unknown token, which text alone must not give.
    ///
    /// - Parameters:
    ///   - metadata: A file's metadata.
    ///   - vocabulary: The tokens.
    ///   - warnings: Gets a line when merges are left out.
    /// - Throws: `format` when there is no list of merges or it is longer than `Vocabulary.limit`.
    init(_ metadata: Metadata, _ vocabulary: Vocabulary, warnings: inout [String]) throws(ApusError) {
        let key = Vocabulary.Key.merges
        let merges = try metadata.stringArray(key)
        guard merges.count <= Vocabulary.limit else {
            throw metadata.mismatch(key, wanted: "at most \(Vocabulary.limit) merges")
        }
        var slots = [Merge](repeating: Merge(), count: tableCapacity(for: merges.count))
        var (skipped, firstSkipped) = (0, 0)
        let factor = factor
        slots.withUnsafeMutableBufferPointer { slots in
            vocabulary.index.withLookup(vocabulary.tokens) { lookup in
                merges.withUnsafeBytes { blob in
                    for rank in 0..<merges.count {
                        let text = UnsafeRawBufferPointer(rebasing: blob[merges.range(at: rank)])
                        var merge = Self.parse(text, lookup)
                        merge.rank = UInt32(rank)
                        if merge.id >= 0, !vocabulary.isMark(merge.id) {
                            Self.insert(merge, slots, factor)
                        } else {
                            if skipped == 0 { firstSkipped = rank }
                            skipped += 1
                        }
                    }
                }
            }
        }
        self.slots = slots
        if skipped > 0 {
            warnings.append(
                "\(key): \(skipped) of \(merges.count) merges name no token and are left out; the first is "
                    + "number \(firstSkipped), \(ApusError.quoted(merges[firstSkipped]))")
        }
    }

    private static func parse(_ text: UnsafeRawBufferPointer, _ lookup: TokenIndex.Lookup) -> Merge {
        var merge = Merge()
        guard let space = text.indices.dropFirst().first(where: { text[$0] == UInt8(ascii: " ") }) else { return merge }
        let left = UnsafeRawBufferPointer(rebasing: text[..<space])
        let right = UnsafeRawBufferPointer(rebasing: text[(space + 1)...])
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        var hash = TextHash(seed: lookup.seed)
        hash.combine(left)
        merge.left = lookup.id(of: left, nothing, hash: hash.value)
        hash.combine(right)
        merge.right = lookup.id(of: right)
        if merge.left >= 0, merge.right >= 0 { merge.id = lookup.id(of: left, right, hash: hash.value) }
        return merge
    }

    private static func insert(_ merge: Merge, _ slots: UnsafeMutableBufferPointer<Merge>, _ factor: UInt64) {
        let mask = slots.count - 1
        var index = slot(merge.left, merge.right, factor) & mask
        while slots[index].left >= 0 {
            // The first of two equal merges counts.
            if slots[index].left == merge.left, slots[index].right == merge.right { return }
            index = (index + 1) & mask
        }
        slots[index] = merge
    }

    @inline(__always)
    private static func slot(_ left: Int32, _ right: Int32, _ factor: UInt64) -> Int {
        let pair = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        let mixed = (pair ^ pair >> 29) &* factor
        return Int(truncatingIfNeeded: mixed >> 32)
    }

    /// Calls `body` with a way to look up many pairs fast.
    func withLookup<Result>(_ body: (Lookup) -> Result) -> Result {
        slots.withUnsafeBufferPointer { body(Lookup(slots: $0, factor: factor)) }
    }

    /// The table while its memory is pinned.
    struct Lookup {
        fileprivate let slots: UnsafeBufferPointer<Merge>
        fileprivate let factor: UInt64

        /// The merge of a pair; its rank is `UInt32.max` when the pair is not merged.
        @inline(__always)
        func merge(_ left: Int32, _ right: Int32) -> Merge {
            let mask = slots.count - 1
            var index = MergeTable.slot(left, right, factor) & mask
            while slots[index].left >= 0 {
                if slots[index].left == left, slots[index].right == right { return slots[index] }
                index = (index + 1) & mask
            }
            return Merge()
        }
    }
}
