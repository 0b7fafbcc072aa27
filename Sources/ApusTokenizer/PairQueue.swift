// The pairs of a long word in the order in which they are merged: by rank, then from left to right.

/// A priority queue for pairs with a rank and a place.
///
/// Ranks are cut into classes. Only the lowest class that has pairs is in order: a sorted list, beside it a heap for pairs
/// that come while the list is used up. Pairs of higher classes are just appended. So a heap over the whole of a long word
/// (which would miss the cache at every level) is never made, and where all pairs are alike, as in a megabyte of spaces,
/// they come in order and need no sorting.
struct PairQueue {
    /// A class for each rank below 64, then 32 to each power of two, since words have mostly pairs of low rank.
    private static let classCount = 64 + 26 * 32

    /// Rank in the upper half, place in the lower: the order of numbers is the order of merges.
    private var classes = [[UInt64]](repeating: [], count: classCount)
    /// The class in order; -1 before the first.
    private var current = -1
    private var list: [UInt64] = []
    private var front = 0
    private var heap: [UInt64] = []

    private static func classIndex(of rank: UInt32) -> Int {
        if rank < 64 { return Int(rank) }
        let exponent = 31 - rank.leadingZeroBitCount
        return 64 + (exponent - 6) * 32 + Int(rank >> UInt32(exponent - 5) & 31)
    }

    /// Adds a pair.
    ///
    /// - Parameters:
    ///   - rank: The rank of its merge.
    ///   - index: The place of its left token; below 2³².
    mutating func push(_ rank: UInt32, _ index: Int) {
        let item = UInt64(rank) << 32 | UInt64(index)
        let target = Self.classIndex(of: rank)
        if target > current { classes[target].append(item) } else { pushOnHeap(item) }
    }

    /// Takes the pair to merge next, or nil when there is none.
    mutating func pop() -> (rank: UInt32, index: Int)? {
        while true {
            var item: UInt64
            if front < list.count {
                item = list[front]
                if let top = heap.first, top < item {
                    item = popFromHeap(top)
                } else {
                    front += 1
                }
            } else if let top = heap.first {
                item = popFromHeap(top)
            } else {
                guard startNextClass() else { return nil }
                continue
            }
            return (UInt32(truncatingIfNeeded: item >> 32), Int(item & 0xFFFF_FFFF))
        }
    }

    private mutating func startNextClass() -> Bool {
        guard let next = classes.indices.dropFirst(current + 1).first(where: { !classes[$0].isEmpty }) else {
            return false
        }
        current = next
        front = 0
        list = []
        swap(&list, &classes[next])
        let isSorted = list.withUnsafeBufferPointer { list in
            (1..<list.count).allSatisfy { list[$0 - 1] <= list[$0] }
        }
        if !isSorted { list.sort() }
        return true
    }

    private mutating func pushOnHeap(_ item: UInt64) {
        heap.append(item)
        heap.withUnsafeMutableBufferPointer { heap in
            var index = heap.count - 1
            while index > 0 {
                let parent = (index - 1) / 2
                if heap[parent] <= item { break }
                heap[index] = heap[parent]
                index = parent
            }
            heap[index] = item
        }
    }

    /// Removes the top of the heap and gives it.
    private mutating func popFromHeap(_ top: UInt64) -> UInt64 {
        let item = heap.removeLast()
        heap.withUnsafeMutableBufferPointer { heap in
            if heap.isEmpty { return }
            var index = 0
            while true {
                var child = 2 * index + 1
                if child >= heap.count { break }
                if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
                if item <= heap[child] { break }
                heap[index] = heap[child]
                index = child
            }
            heap[index] = item
        }
        return top
    }
}
