// The inner loop of SentencePiece: of all neighbours that make a piece, merge the one with the highest score.

/// Merges the characters of one word after another into pieces, reusing its memory.
///
/// Other than in byte-level BPE any two neighbours whose text is a piece can be merged, however they came about, and a
/// character need not be a token itself; so pairs are looked up by their text. As there, a short word is searched for its
/// best pair, and a long one keeps its pairs in a `PairQueue`, so that its time is O(n log n).
struct PieceMerger {
    /// Up to this number of characters a word is searched.
    private static let shortWord = 48

    private let index: TokenIndex.Lookup
    private let ranks: UnsafeBufferPointer<UInt32>
    private let unused: ((Int32) -> Bool)?
    /// The token of each byte, or -1.
    private let byteTokens: [Int32]
    /// The token for bytes without one, or -1.
    private let unknown: Int32

    /// Where each symbol begins, and the end of the word.
    private var starts: [Int32] = []
    /// The token of each symbol that was merged, or -1.
    private var ids: [Int32] = []
    /// The token of each symbol and its right neighbour together, and its rank.
    private var pairs: [Pair] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    /// How many bytes the left part of an unused token has.
    private var splits: [Int32: Int32] = [:]

    private struct Pair {
        var rank = UInt32.max
        var id: Int32 = -1
    }

    /// Makes a merger.
    ///
    /// - Parameters:
    ///   - index: The tokens by text; it and `ranks` must outlive the merger.
    ///   - ranks: The rank of each token.
    ///   - unused: Whether a token is unused, hence to be taken apart again; nil when none is.
    ///   - byteTokens: The token of each byte, or -1.
    ///   - unknown: The token for bytes without one, or -1.
    init(
        _ index: TokenIndex.Lookup, ranks: UnsafeBufferPointer<UInt32>, unused: ((Int32) -> Bool)?, byteTokens: [Int32],
        unknown: Int32
    ) {
        self.index = index
        self.ranks = ranks
        self.unused = unused
        self.byteTokens = byteTokens
        self.unknown = unknown
    }

    /// Appends the tokens of a word.
    ///
    /// - Parameters:
    ///   - word: Text with U+2581 for spaces; below `Int32.max` bytes.
    ///   - output: Gets the tokens.
    mutating func merge(_ word: UnsafeBufferPointer<UInt8>, into output: inout [Int32]) {
        starts.removeAll(keepingCapacity: true)
        var offset = 0
        while offset < word.count {
            starts.append(Int32(truncatingIfNeeded: offset))
            offset += max(1, UTF8Form.length(word, at: offset, end: word.count))
        }
        let count = starts.count
        starts.append(Int32(truncatingIfNeeded: offset))
        ids.removeAll(keepingCapacity: true)
        ids.append(contentsOf: repeatElement(-1, count: count))
        if unused != nil { splits.removeAll(keepingCapacity: true) }
        if count <= Self.shortWord {
            let left = mergeShort(word, count)
            for symbol in 0..<left {
                append(word, Int(starts[symbol])..<Int(starts[symbol + 1]), ids[symbol], to: &output)
            }
        } else {
            mergeLong(word, count)
            var symbol = 0
            while symbol < count {
                let after = Int(next[symbol])
                append(word, Int(starts[symbol])..<Int(starts[after]), ids[symbol], to: &output)
                symbol = after
            }
        }
    }

    /// The piece that a text is; none when it is too long, no token, or one that text is not merged into.
    @inline(__always)
    private func piece(_ word: UnsafeBufferPointer<UInt8>, _ start: Int32, _ end: Int32) -> Pair {
        let length = Int(end - start)
        if length > PieceTable.longest { return Pair() }
        let id = index.id(of: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(word)[Int(start)..<Int(end)]))
        return id < 0 || ranks[Int(id)] == .max ? Pair() : Pair(rank: ranks[Int(id)], id: id)
    }

    /// The piece of two neighbours, noted when it is an unused one.
    @inline(__always)
    private mutating func pair(
        _ word: UnsafeBufferPointer<UInt8>, _ start: Int32, _ middle: Int32, _ end: Int32
    ) -> Pair {
        let pair = piece(word, start, end)
        if let unused, pair.id >= 0, unused(pair.id) { splits[pair.id] = middle - start }
        return pair
    }

    /// Merges by search.
    ///
    /// - Returns: The number of symbols left.
    private mutating func mergeShort(_ word: UnsafeBufferPointer<UInt8>, _ symbols: Int) -> Int {
        var count = symbols
        pairs.removeAll(keepingCapacity: true)
        for symbol in 0..<max(0, count - 1) {
            pairs.append(pair(word, starts[symbol], starts[symbol + 1], starts[symbol + 2]))
        }
        while count > 1 {
            var best = 0
            for symbol in 1..<max(1, count - 1) where pairs[symbol].rank < pairs[best].rank { best = symbol }
            if pairs[best].rank == .max { break }
            ids[best] = pairs[best].id
            starts.remove(at: best + 1)
            ids.remove(at: best + 1)
            pairs.remove(at: best)
            count -= 1
            if best + 1 < count { pairs[best] = pair(word, starts[best], starts[best + 1], starts[best + 2]) }
            if best > 0 { pairs[best - 1] = pair(word, starts[best - 1], starts[best], starts[best + 1]) }
        }
        return count
    }

    /// Merges with a queue; `next` then leads from symbol to symbol.
    private mutating func mergeLong(_ word: UnsafeBufferPointer<UInt8>, _ count: Int) {
        next = (1...Int32(count)).map { $0 }
        previous = (-1...Int32(count - 2)).map { $0 }
        pairs = [Pair](repeating: Pair(), count: count)
        var queue = PairQueue()
        for symbol in 0..<count - 1 { update(symbol, word, count, &queue) }
        while let (rank, symbol) = queue.pop() {
            // A pair whose symbols were merged with others meanwhile has another rank, or none.
            guard pairs[symbol].rank == rank else { continue }
            let right = Int(next[symbol])
            ids[symbol] = pairs[symbol].id
            pairs[right] = Pair()
            next[symbol] = next[right]
            if Int(next[symbol]) < count { previous[Int(next[symbol])] = Int32(truncatingIfNeeded: symbol) }
            update(symbol, word, count, &queue)
            if previous[symbol] >= 0 { update(Int(previous[symbol]), word, count, &queue) }
        }
    }

    @inline(__always)
    private mutating func update(
        _ symbol: Int, _ word: UnsafeBufferPointer<UInt8>, _ count: Int, _ queue: inout PairQueue
    ) {
        let right = Int(next[symbol])
        pairs[symbol] = right < count ? pair(word, starts[symbol], starts[right], starts[Int(next[right])]) : Pair()
        if pairs[symbol].rank != .max { queue.push(pairs[symbol].rank, symbol) }
    }

    /// Appends the token of a symbol: of what it was merged into, of its character, or those of its bytes.
    private func append(
        _ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ merged: Int32, to output: inout [Int32]
    ) {
        func find(_ range: Range<Int>) -> Int32 {
            piece(word, Int32(truncatingIfNeeded: range.lowerBound), Int32(truncatingIfNeeded: range.upperBound)).id
        }
        let id = merged >= 0 ? merged : find(range)
        guard let unused, id >= 0, unused(id) else { return appendWhole(word, range, id, to: &output) }
        // Unused tokens are ways to others: they are taken apart as they were put together, from left to right.
        var rest = [range]
        while let range = rest.popLast() {
            let id = find(range)
            if id >= 0, unused(id), let length = splits[id], 0 < length, length < range.count {
                rest.append(range.lowerBound + Int(length)..<range.upperBound)
                rest.append(range.lowerBound..<range.lowerBound + Int(length))
            } else {
                appendWhole(word, range, id, to: &output)
            }
        }
    }

    private func appendWhole(
        _ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ id: Int32, to output: inout [Int32]
    ) {
        if id >= 0 { return output.append(id) }
        for byte in word[range] {
            let id = byteTokens[Int(byte)]
            if id >= 0 {
                output.append(id)
            } else if unknown >= 0, output.last != unknown {
                // One for a run of them.
                output.append(unknown)
            }
        }
    }
}
