// The inner loop of byte-pair encoding: merge the pair of the lowest rank, the leftmost first, until none is left.

/// Merges the tokens of one word after another, reusing its memory.
///
/// A short word is searched for its best pair again after each merge; a long one keeps its pairs in a `PairQueue`, so
/// that its time is O(n log n): a word may be a whole prompt.
struct PairMerger {
    /// Up to this length a word is searched: a few hundred steps, about what setting up a queue costs. Nearly all words of
    /// real text are below it.
    private static let shortWord = 48

    private let merges: MergeTable.Lookup
    private var ids: [Int32] = []
    private var ranks: [UInt32] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []

    /// Makes a merger.
    ///
    /// - Parameter merges: The merges; they must outlive the merger.
    init(_ merges: MergeTable.Lookup) {
        self.merges = merges
    }

    /// Merges the tokens of a word and appends what remains.
    ///
    /// - Parameters:
    ///   - word: The tokens of the word's bytes; at most `Int32.max`.
    ///   - output: Gets the tokens of the word.
    mutating func merge(_ word: [Int32], into output: inout [Int32]) {
        if word.count < 2 {
            output += word
        } else if word.count <= Self.shortWord {
            mergeShort(word, into: &output)
        } else {
            mergeLong(word, into: &output)
        }
    }

    private mutating func mergeShort(_ word: [Int32], into output: inout [Int32]) {
        ids.removeAll(keepingCapacity: true)
        ids += word
        ranks.removeAll(keepingCapacity: true)
        for index in 1..<word.count { ranks.append(merges.merge(word[index - 1], word[index]).rank) }
        ranks.append(.max)
        var count = word.count
        ids.withUnsafeMutableBufferPointer { ids in
            ranks.withUnsafeMutableBufferPointer { ranks in
                while true {
                    var best = 0
                    for index in 1..<count where ranks[index] < ranks[best] { best = index }
                    if ranks[best] == .max { break }
                    ids[best] = merges.merge(ids[best], ids[best + 1]).id
                    count -= 1
                    for index in best + 1..<max(best + 1, count) {
                        ids[index] = ids[index + 1]
                        ranks[index] = ranks[index + 1]
                    }
                    ranks[best] = best + 1 < count ? merges.merge(ids[best], ids[best + 1]).rank : .max
                    if best > 0 { ranks[best - 1] = merges.merge(ids[best - 1], ids[best]).rank }
                    if count == 1 { break }
                }
            }
        }
        output += ids[..<count]
    }

    private mutating func mergeLong(_ word: [Int32], into output: inout [Int32]) {
        let count = word.count
        ids = word
        next = (1...Int32(count)).map { $0 }
        previous = (-1...Int32(count - 2)).map { $0 }
        ranks = [UInt32](repeating: .max, count: count)
        var queue = PairQueue()
        ids.withUnsafeMutableBufferPointer { ids in
            ranks.withUnsafeMutableBufferPointer { ranks in
                next.withUnsafeMutableBufferPointer { next in
                    previous.withUnsafeMutableBufferPointer { previous in
                        for index in 0..<count - 1 {
                            ranks[index] = merges.merge(ids[index], ids[index + 1]).rank
                            if ranks[index] != .max { queue.push(ranks[index], index) }
                        }
                        func update(_ index: Int) {
                            let rank = merges.merge(ids[index], ids[Int(next[index])]).rank
                            ranks[index] = rank
                            if rank != .max { queue.push(rank, index) }
                        }
                        while let pair = queue.pop() {
                            let index = pair.index
                            // A pair whose tokens were merged with others meanwhile has another rank, or none.
                            guard ranks[index] == pair.rank else { continue }
                            let right = Int(next[index])
                            ids[index] = merges.merge(ids[index], ids[right]).id
                            ranks[right] = .max
                            next[index] = next[right]
                            if Int(next[index]) < count {
                                previous[Int(next[index])] = Int32(index)
                                update(index)
                            } else {
                                ranks[index] = .max
                            }
                            if previous[index] >= 0 { update(Int(previous[index])) }
                        }
                        var index = 0
                        while index < count {
                            output.append(ids[index])
                            index = Int(next[index])
                        }
                    }
                }
            }
        }
    }
}
