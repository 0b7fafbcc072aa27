// The working set of one sampling step: which tokens may still be drawn, and their logits.

/// One token that may be drawn.
public struct TokenCandidate: Sendable, Hashable {
    /// The token's id.
    public let id: Int32
    /// Its logit as the samplers so far left it; never NaN.
    public let logit: Float
    /// Its probability among the candidates that are left, 0 ... 1.
    public let probability: Double
}

/// The tokens that may still be drawn in a step, with their logits.
///
/// A chain loads it with the logits of the whole vocabulary; each sampler changes logits or narrows the set. The buffers
/// are kept from step to step. NaN counts as -infinity, and -infinity means "never drawn".
public struct TokenCandidates: Sendable {
    /// How many candidates are left.
    public private(set) var count = 0
    /// Whether the candidates are in descending order of logit.
    public private(set) var isSorted = false

    private var ids: [Int32] = []
    private(set) var logits: [Float] = []
    /// e^(logit - highest logit) of each candidate while `hasWeights`.
    private(set) var weights: [Float] = []
    private(set) var totalWeight = 0.0
    private var hasWeights = false
    /// Whether `ids[i] == i` for all, which makes a token's place known without a search.
    private var isWholeVocabulary = false
    /// From here on `ids[i] == i`.
    private var untouched = 0
    private var selection = PartialSelection()

    /// An empty set, without memory.
    public init() {}

    /// Starts a step: every token of the vocabulary becomes a candidate.
    ///
    /// - Parameter source: A logit per token, (vocabularySize).
    /// - Complexity: O(vocabularySize), one pass.
    public mutating func load(_ source: Span<Float>) {
        let size = source.count
        if ids.count != size {
            ids = [Int32](repeating: 0, count: size)
            logits = [Float](repeating: 0, count: size)
            weights = [Float](repeating: 0, count: size)
            untouched = size
        }
        ids.withUnsafeMutableBufferPointer { ids in
            for i in 0..<untouched { ids[i] = Int32(truncatingIfNeeded: i) }
        }
        untouched = 0
        logits.withUnsafeMutableBufferPointer { logits in
            source.withUnsafeBufferPointer { source in
                for i in 0..<size {
                    let logit = source[i]
                    logits[i] = logit == logit ? logit : -.infinity
                }
            }
        }
        count = size
        isWholeVocabulary = true
        isSorted = false
        hasWeights = false
    }

    /// The candidate at a place in the present order.
    ///
    /// Probabilities are computed when first asked for after a change, which costs a pass over all candidates.
    ///
    /// - Parameter index: 0 ..< count.
    public subscript(index: Int) -> TokenCandidate {
        mutating get {
            precondition(index >= 0 && index < count, "candidate index out of range")
            computeWeights()
            let probability = totalWeight > 0 ? Double(weights[index]) / totalWeight : 0
            return TokenCandidate(id: ids[index], logit: logits[index], probability: probability)
        }
    }

    /// The highest logit among the candidates; -infinity when there is none that could be drawn.
    public var highestLogit: Float {
        if isSorted && count > 0 { return logits[0] }
        return logits.withUnsafeBufferPointer { logits in
            // Eight running maxima: independent of each other, so that they run in parallel.
            var lanes = SIMD8<Float>(repeating: -.infinity)
            let whole = count & ~7
            var i = 0
            while i < whole {
                for lane in 0..<8 {
                    let logit = logits[i + lane]
                    lanes[lane] = logit > lanes[lane] ? logit : lanes[lane]
                }
                i += 8
            }
            var highest = lanes.max()
            while i < count {
                highest = max(highest, logits[i])
                i += 1
            }
            return highest
        }
    }
}

// MARK: - Changing logits

extension TokenCandidates {
    /// Changes the logit of one token, if it is still a candidate.
    ///
    /// - Parameters:
    ///   - id: The token's id; ids outside the vocabulary are ignored.
    ///   - change: Gets the logit to change; a NaN that it leaves counts as -infinity.
    /// - Complexity: O(1) while the whole vocabulary is there, O(count) afterwards.
    public mutating func changeLogit(of id: Int32, _ change: (inout Float) -> Void) {
        var index: Int?
        if isWholeVocabulary {
            index = id >= 0 && Int(id) < count ? Int(id) : nil
        } else {
            index = ids[..<count].firstIndex(of: id)
        }
        guard let index else { return }
        change(&logits[index])
        if logits[index].isNaN { logits[index] = -.infinity }
        isSorted = false
        hasWeights = false
    }

    /// Changes the logits of many tokens, as far as they are still candidates.
    ///
    /// - Parameters:
    ///   - values: What `change` needs to know, by token; ids outside the vocabulary are ignored.
    ///   - change: Gets the logit to change and the token's value; a NaN that it leaves counts as -infinity.
    /// - Complexity: O(values) while the whole vocabulary is there, O(count) afterwards.
    public mutating func changeLogits<Value>(of values: [Int32: Value], _ change: (inout Float, Value) -> Void) {
        if isWholeVocabulary {
            for (id, value) in values { changeLogit(of: id) { change(&$0, value) } }
            return
        }
        if values.isEmpty { return }
        for i in 0..<count {
            guard let value = values[ids[i]] else { continue }
            change(&logits[i], value)
            if logits[i].isNaN { logits[i] = -.infinity }
        }
        isSorted = false
        hasWeights = false
    }

    /// Divides every logit by a positive number, which keeps their order.
    ///
    /// - Parameter divisor: A finite number above 0.
    public mutating func divideLogits(by divisor: Float) {
        let highest = highestLogit
        // A tiny divisor would send several logits to infinity and make them equal. Softmax only sees differences, so
        // the highest may be moved to 0 first.
        let offset: Float = (highest / divisor).isFinite || !highest.isFinite ? 0 : highest
        logits.withUnsafeMutableBufferPointer { logits in
            for i in 0..<count { logits[i] = (logits[i] - offset) / divisor }
        }
        hasWeights = false
    }
}

// MARK: - Narrowing

extension TokenCandidates {
    /// Keeps the `k` highest logits, in descending order; of equal ones the lowest ids.
    ///
    /// Selects before it sorts: only `k` candidates are ever sorted.
    ///
    /// - Parameter k: How many to keep, at least 1. With `k` ≥ count nothing changes.
    /// - Complexity: O(count + k log k).
    public mutating func keepHighest(_ k: Int) {
        let k = max(k, 1)
        guard k < count else { return }
        if !isSorted {
            var selection = takeSelection()
            selection.select(k, ids: ids.span.extracting(..<count), logits: logits.span.extracting(..<count))
            for (i, key) in selection.keys.enumerated() {
                ids[i] = key.id
                logits[i] = key.logit
            }
            untouched = max(untouched, k)
            self.selection = selection
            isSorted = true
        }
        narrow(to: k)
    }

    /// Keeps the candidates whose logit is at least `threshold`.
    ///
    /// - Parameter threshold: Not NaN; not above `highestLogit`, so that something is left.
    public mutating func keepLogits(atLeast threshold: Float) {
        compact { logit, _ in logit >= threshold }
    }

    /// Keeps the fewest candidates, highest logits first, whose probabilities add up to at least `mass`.
    ///
    /// Does not sort: the probabilities are added up in 4,096 classes of nearly equal ones, from the highest class down,
    /// and only the class in which the sum reaches `mass` is sorted.
    ///
    /// - Parameter mass: Above 0 and below 1.
    /// - Complexity: O(count), plus the sorting of one class.
    public mutating func keepProbabilityMass(_ mass: Double) {
        computeWeights()
        guard totalWeight > 0 else { return }
        let target = mass * totalWeight
        if isSorted {
            var sum = 0.0
            for i in 0..<count {
                sum += Double(weights[i])
                if sum >= target {
                    if i + 1 < count { narrow(to: i + 1) }
                    return
                }
            }
            return
        }
        var selection = takeSelection()
        let cutoff = selection.cutoff(
            reaching: target, ids: ids.span.extracting(..<count), scores: logits.span.extracting(..<count),
            ranks: weights.span.extracting(..<count), weights: weights.span.extracting(..<count))
        self.selection = selection
        guard let cutoff else { return }
        compact { logit, id in PartialSelection.Key(logit: logit, id: id) >= cutoff }
    }

    /// Keeps the fewest candidates, those first whose logit is nearest to `center`, whose probabilities add up to more
    /// than `mass`; of two equally near ones the lower id. Like `keepProbabilityMass` it does not sort.
    ///
    /// - Parameters:
    ///   - mass: 0 or above and below 1.
    ///   - center: A finite logit.
    /// - Complexity: O(count), plus the sorting of one class.
    public mutating func keepProbabilityMass(moreThan mass: Double, nearestTo center: Float) {
        computeWeights()
        guard totalWeight > 0 else { return }
        let scores = logits[..<count].map { -abs($0 - center) }
        // Falls with the distance, between 1 and 0, which is what the classes are made from.
        let ranks = scores.map { 1 / (1 - $0) }
        var selection = takeSelection()
        // The sum exceeds a number when it reaches the next one.
        let cutoff = selection.cutoff(
            reaching: (mass * totalWeight).nextUp, ids: ids.span.extracting(..<count), scores: scores.span,
            ranks: ranks.span, weights: weights.span.extracting(..<count))
        self.selection = selection
        guard let cutoff else { return }
        compact { logit, id in PartialSelection.Key(logit: -abs(logit - center), id: id) >= cutoff }
    }

    /// Drops the likeliest candidates: all whose probability is at least `threshold` but the last of them.
    ///
    /// - Parameter threshold: A probability; tokens without any do not count.
    /// - Complexity: O(count).
    public mutating func dropLikely(threshold: Double) {
        computeWeights()
        guard totalWeight > 0 else { return }
        guard let lowest = lowestKey(weighing: threshold * totalWeight) else { return }
        compact { logit, id in PartialSelection.Key(logit: logit, id: id) <= lowest }
    }

    /// The lowest candidate whose weight is above 0 and at least `least`.
    private func lowestKey(weighing least: Double) -> PartialSelection.Key? {
        let (ids, logits, weights) = (ids.span, logits.span, weights.span)
        var lowest: PartialSelection.Key?
        for i in 0..<count {
            let weight = weights[unchecked: i]
            if weight == 0 || Double(weight) < least { continue }
            let key = PartialSelection.Key(logit: logits[unchecked: i], id: ids[unchecked: i])
            lowest = min(lowest ?? key, key)
        }
        return lowest
    }

    /// Moves the selection's buffers out, so that it can change while it reads the candidates.
    private mutating func takeSelection() -> PartialSelection {
        var taken = PartialSelection()
        swap(&taken, &selection)
        return taken
    }

    private mutating func narrow(to newCount: Int) {
        count = newCount
        isWholeVocabulary = false
        hasWeights = false
    }

    private mutating func compact(_ keep: (Float, Int32) -> Bool) {
        let count = self.count
        let kept = ids.withUnsafeMutableBufferPointer { ids in
            logits.withUnsafeMutableBufferPointer { logits in
                var kept = 0
                for i in 0..<count where keep(logits[i], ids[i]) {
                    ids[kept] = ids[i]
                    logits[kept] = logits[i]
                    kept += 1
                }
                return kept
            }
        }
        guard kept < count else { return }
        untouched = max(untouched, kept)
        narrow(to: kept)
    }
}

// MARK: - Probabilities

extension TokenCandidates {
    /// Draws a candidate with its probability.
    ///
    /// - Parameter generator: Gives one number, also when only one candidate is left.
    /// - Returns: The candidate; nil when none has a logit above -infinity.
    public mutating func draw(with generator: inout Xoshiro256StarStar) -> TokenCandidate? {
        computeWeights()
        guard totalWeight > 0 else { return nil }
        let target = generator.nextUnit() * totalWeight
        let drawn = weights.withUnsafeBufferPointer { weights in
            var sum = 0.0
            var last: Int?
            for i in 0..<count where weights[i] > 0 {
                sum += Double(weights[i])
                last = i
                if sum > target { break }
            }
            // The total was added up in another order and may exceed `sum` by a rounding: the last one takes that.
            return last
        }
        return drawn.map { self[$0] }
    }

    /// The weights e^(logit - highest) and their sum. Where the highest is +infinity, all such logits share the mass.
    mutating func computeWeights() {
        if hasWeights { return }
        hasWeights = true
        let highest = highestLogit
        let count = self.count
        guard highest > -.infinity else {
            for i in 0..<count { weights[i] = 0 }
            totalWeight = 0
            return
        }
        logits.withUnsafeBufferPointer { logits in
            weights.withUnsafeMutableBufferPointer { weights in
                if highest == .infinity {
                    for i in 0..<count { weights[i] = logits[i] == .infinity ? 1 : 0 }
                } else {
                    for i in 0..<count { weights[i] = SamplingMath.expOfNonPositive(logits[i] - highest) }
                }
            }
        }
        totalWeight = SamplingMath.sum(weights[..<count])
    }
}
