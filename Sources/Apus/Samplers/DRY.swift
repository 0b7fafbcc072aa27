#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// "Don't repeat yourself": makes tokens less likely that would continue a repetition of what was written before.
///
/// llama.cpp's formulas, after https://github.com/oobabooga/text-generation-webui/pull/5677. Where the last n tokens
/// occurred earlier too, the token that followed there loses `multiplier · base^(n - allowedLength)`, for the longest
/// such n of at least `allowedLength`. Sequence breakers, such as a line's end, bound n: what comes before the last of
/// them does not count, and a breaker of a single token is never made less likely.
public struct DRY: Sampler {
    /// What a repetition of the allowed length costs; 0 turns the sampler off.
    public let multiplier: Float
    /// By what the cost grows with every further token.
    public let base: Float
    /// The length of repetition that begins to cost.
    public let allowedLength: Int
    /// How many of the last tokens are looked at; a negative number looks at all.
    public let lastCount: Int

    /// Breakers by their first token: what follows it, which is nothing for most.
    private var breakers: [Int32: [[Int32]]] = [:]
    /// The last tokens, of which `lastCount` count.
    private var history: [Int32] = []
    /// Kept for its memory: see `matchLengths`.
    private var lengths: [Int] = []

    /// Creates the sampler.
    ///
    /// - Parameters:
    ///   - multiplier: Finite, 0 or above; 0 turns the sampler off.
    ///   - base: Finite, 1 or above.
    ///   - allowedLength: 0 or more.
    ///   - lastCount: How many of the last tokens to look at; 0 turns the sampler off, a negative number looks at all.
    ///   - breakers: Sequences of tokens that end a repetition; empty ones are ignored.
    public init(multiplier: Float, base: Float, allowedLength: Int, lastCount: Int, breakers: [[Int32]]) {
        self.multiplier = multiplier
        self.base = base
        self.allowedLength = allowedLength
        self.lastCount = lastCount
        for breaker in breakers {
            if let first = breaker.first { self.breakers[first, default: []].append(Array(breaker.dropFirst())) }
        }
    }

    private var isOff: Bool { multiplier == 0 || lastCount == 0 }

    /// Lowers the logits of tokens that would continue a repetition.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    /// - Complexity: O(tokens looked at), plus what changing logits costs.
    public mutating func apply(_ candidates: inout TokenCandidates) {
        let recent = lastCount < 0 ? history[...] : history.suffix(lastCount)
        guard !isOff && recent.count > allowedLength else { return }
        // From here on the newest token comes first.
        let reversed = Array(recent.reversed())
        let limit = tokensSinceBreaker(reversed)
        guard limit >= allowedLength else { return }
        matchLengths(reversed)
        var longest: [Int32: Int] = [:]
        for start in 1..<max(reversed.count, 1) {
            let length = min(lengths[start], limit)
            let next = reversed[start - 1]
            if length >= allowedLength && !isSingleBreaker(next) { longest[next] = max(longest[next] ?? 0, length) }
        }
        candidates.changeLogits(of: longest) { logit, length in logit -= penalty(length) }
    }

    /// Adds a token to the last ones.
    ///
    /// - Parameter token: The token's id.
    public mutating func accept(_ token: Int32) {
        if isOff { return }
        history.append(token)
        // Twice as many as needed may be there before the old half goes, so that a token costs little.
        if lastCount > 0 && history.count / 2 > lastCount { history.removeFirst(history.count - lastCount) }
    }

    /// Forgets all tokens.
    public mutating func reset() {
        history.removeAll(keepingCapacity: true)
    }

    private func penalty(_ length: Int) -> Float {
        let exponent = Double(length - allowedLength)
        let cost = multiplier * Float(pow(Double(base), exponent))
        // An infinite cost would be a ban, and could ban every token.
        return min(cost, .greatestFiniteMagnitude)
    }

    private func isSingleBreaker(_ token: Int32) -> Bool {
        breakers[token]?.contains { $0.isEmpty } == true
    }

    /// How many tokens came after the newest breaker; all when there is none.
    private func tokensSinceBreaker(_ reversed: [Int32]) -> Int {
        if breakers.isEmpty { return reversed.count }
        for i in reversed.indices {
            guard let tails = breakers[reversed[i]] else { continue }
            let matching = tails.filter { tail in
                tail.count <= i && tail.indices.allSatisfy { tail[$0] == reversed[i - 1 - $0] }
            }
            if let longest = matching.map(\.count).max() { return i - longest }
        }
        return reversed.count
    }

    /// Finds for every start how many tokens from there on equal the first ones (the Z function, in linear time).
    private mutating func matchLengths(_ tokens: [Int32]) {
        lengths.removeAll(keepingCapacity: true)
        lengths.append(contentsOf: repeatElement(0, count: tokens.count))
        // tokens[left ..< right] is the match found so far that reaches farthest; it equals tokens[0 ..< right - left].
        var left = 0
        var right = 0
        for start in tokens.indices.dropFirst() {
            var length = start < right ? min(lengths[start - left], right - start) : 0
            while start + length < tokens.count && tokens[length] == tokens[start + length] { length += 1 }
            lengths[start] = length
            if start + length > right { (left, right) = (start, start + length) }
        }
    }
}
