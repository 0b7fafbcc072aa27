// Finding the highest logits without sorting them all.

/// Selects among logits by one total order: higher logit first, then lower id. Keeps its buffers between uses.
struct PartialSelection: Sendable {
    /// A candidate as one integer: comparing two of them compares logits, and ids where those are equal.
    struct Key: Sendable, Comparable {
        var bits: UInt64

        init(bits: UInt64) { self.bits = bits }

        @inline(__always)
        init(logit: Float, id: Int32) {
            // Adding zero turns -0 into +0, which is equal to it. The bits of a non-negative float grow with its value;
            // those of a negative one shrink, so they are inverted.
            let pattern = (logit + 0).bitPattern
            let ordered = pattern & 0x8000_0000 == 0 ? pattern | 0x8000_0000 : ~pattern
            bits = UInt64(ordered) << 32 | UInt64(~UInt32(bitPattern: id))
        }

        var id: Int32 { Int32(bitPattern: ~UInt32(truncatingIfNeeded: bits)) }

        var logit: Float {
            let ordered = UInt32(truncatingIfNeeded: bits >> 32)
            return Float(bitPattern: ordered & 0x8000_0000 != 0 ? ordered & 0x7FFF_FFFF : ~ordered)
        }

        @inline(__always)
        static func < (a: Key, b: Key) -> Bool { a.bits < b.bits }
    }

    /// The outcome of `select`, highest first.
    private(set) var keys: [Key] = []
    private var massOfClass: [Double] = []
    private var classMembers: [(key: Key, weight: Float)] = []
    /// Picks pivots. Any sequence does; a random one leaves no input that is slow on purpose.
    private var pivots = Xoshiro256StarStar(seed: 0)

    /// Puts the `k` highest into `keys`, in descending order.
    ///
    /// One pass over the logits collects those above a threshold; whenever twice `k` are there, the lower half is
    /// dropped and the threshold rises. Most logits therefore cost one comparison, 16 at a time.
    mutating func select(_ k: Int, ids: Span<Int32>, logits: Span<Float>) {
        let k = min(k, logits.count)
        let room = min(logits.count, max(2 * k, 512))
        keys.removeAll(keepingCapacity: true)
        keys.reserveCapacity(room)
        var thresholdLogit = -Float.infinity
        var threshold = Key(bits: 0)
        var i = 0
        while i < logits.count {
            let next = min(i + 16, logits.count)
            defer { i = next }
            if next == i + 16 && logits.isBelow(thresholdLogit, from: i) { continue }
            for j in i..<next {
                let logit = logits[unchecked: j]
                // Equal logits pass: ids decide about them.
                if logit < thresholdLogit { continue }
                let key = Key(logit: logit, id: ids[unchecked: j])
                if key <= threshold { continue }
                keys.append(key)
                if keys.count == room && room > k {
                    threshold = dropAllButHighest(k)
                    thresholdLogit = threshold.logit
                }
            }
        }
        _ = dropAllButHighest(k)
        keys.sort(by: >)
    }

    /// The lowest key of the fewest candidates with the highest scores whose weights add up to `target`; nil when all are
    /// needed.
    ///
    /// - Parameters:
    ///   - scores: What the candidates are ordered by, such as their logits; they take the logits' place in the keys.
    ///   - ranks: Of each candidate, 0 ... 1, growing with the score.
    ///   - weights: Of each candidate, 0 or above.
    mutating func cutoff(
        reaching target: Double, ids: Span<Int32>, scores: Span<Float>, ranks: Span<Float>, weights: Span<Float>
    ) -> Key? {
        // The bits of a rank grow with it: its exponent and five bits of mantissa make a class.
        let classes = Self.massClass(of: 1) + 1
        massOfClass.removeAll(keepingCapacity: true)
        massOfClass.append(contentsOf: repeatElement(0, count: classes))
        for i in 0..<weights.count {
            massOfClass[Self.massClass(of: ranks[unchecked: i])] += Double(weights[unchecked: i])
        }
        var sum = 0.0
        var crossing = classes - 1
        while crossing >= 0 && sum + massOfClass[crossing] < target {
            sum += massOfClass[crossing]
            crossing -= 1
        }
        guard crossing >= 0 else { return nil }

        classMembers.removeAll(keepingCapacity: true)
        for i in 0..<weights.count where Self.massClass(of: ranks[unchecked: i]) == crossing {
            classMembers.append((Key(logit: scores[i], id: ids[i]), weights[i]))
        }
        return lowestMember(reaching: target, sum: sum)
    }

    /// The lowest of the fewest highest class members whose weights, on top of `sum`, reach `target`: a quickselect that
    /// looks for a sum instead of a rank.
    private mutating func lowestMember(reaching target: Double, sum: Double) -> Key? {
        guard !classMembers.isEmpty else { return nil }
        var sum = sum
        var low = 0
        var high = classMembers.count - 1
        // Invariant: the members before `low` are higher and needed, with `sum` their weights and those of the classes
        // above; the wanted one is in low ... high.
        while low < high {
            let pivot = classMembers[low + randomIndex(below: high - low + 1)].key
            var split = low
            var massAbove = 0.0
            for i in low...high where classMembers[i].key >= pivot {
                massAbove += Double(classMembers[i].weight)
                classMembers.swapAt(i, split)
                split += 1
            }
            if split > high {
                // All are needed down to the pivot, which is the lowest: it is the answer, unless less suffices.
                moveLowestToEnd(low, high)
                let rest = massAbove - Double(classMembers[high].weight)
                if sum + rest < target { return classMembers[high].key }
                high -= 1
            } else if sum + massAbove >= target {
                high = split - 1
            } else {
                sum += massAbove
                low = split
            }
        }
        return classMembers[low].key
    }

    private mutating func moveLowestToEnd(_ low: Int, _ high: Int) {
        var lowest = low
        for i in low...high where classMembers[i].key < classMembers[lowest].key { lowest = i }
        classMembers.swapAt(lowest, high)
    }

    private static func massClass(of rank: Float) -> Int { Int(rank.bitPattern >> 18) }

    /// Drops all but the `k` highest of `keys`, in any order (quickselect), and gives the lowest that is left.
    private mutating func dropAllButHighest(_ k: Int) -> Key {
        guard k > 0 && k < keys.count else { return keys.min() ?? Key(bits: 0) }
        var low = 0
        var high = keys.count - 1
        // Invariant: everything before `low` is higher, and everything after `high` lower, than what lies between.
        while low < high {
            let pivot = keys[low + randomIndex(below: high - low + 1)]
            var i = low
            var j = high
            while i <= j {
                while keys[i] > pivot { i += 1 }
                while keys[j] < pivot { j -= 1 }
                if i <= j {
                    keys.swapAt(i, j)
                    i += 1
                    j -= 1
                }
            }
            if k - 1 <= j {
                high = j
            } else if k - 1 >= i {
                low = i
            } else {
                break
            }
        }
        let lowest = keys[k - 1]
        keys.removeSubrange(k...)
        return lowest
    }

    private mutating func randomIndex(below count: Int) -> Int {
        Int(pivots.next() % UInt64(count))
    }
}

extension Span<Float> {
    /// Whether 16 numbers, from a place on, are all below a threshold; a NaN is not.
    @inline(__always)
    func isBelow(_ threshold: Float, from start: Int) -> Bool {
        var numbers = SIMD16<Float>()
        for lane in 0..<16 { numbers[lane] = self[unchecked: start + lane] }
        return all(numbers .< threshold)
    }
}
