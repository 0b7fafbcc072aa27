// Finds the tokens that are matched as whole texts before anything else: marks and user-defined tokens.

import ApusGGUF

/// A set of token texts, searched for the longest that begins at a place.
///
/// The texts are sorted, so that those with a common beginning are neighbours: every byte of the text narrows the
/// interval of candidates, from one of 256 that the first byte gives. It is narrowed from its ends inwards in steps that
/// double, so that texts with a long common beginning cost little at each byte.
struct SpecialTokenMatcher: Sendable {
    /// Longer texts are not matched, which bounds the work at each place of a text. Published marks are below 64 bytes.
    static let longest = 256

    private let tokens: GGUFStringArray
    /// Ids in the order of their texts.
    private let ids: [Int32]
    /// Where their texts lie.
    private let ranges: [TextRange]
    /// Where in `ids` the texts with each first byte begin, and one entry more.
    private let starts: [Int32]

    /// Makes a matcher.
    ///
    /// - Parameters:
    ///   - tokens: The texts of the vocabulary.
    ///   - candidates: The ids to match. Empty texts, and those above `longest`, are left out.
    init(_ tokens: GGUFStringArray, _ candidates: [Int32]) {
        var ids = candidates.filter { (1...Self.longest).contains(tokens.byteCount(at: Int($0))) }
        tokens.withUnsafeBytes { blob in
            ids.sort { first, second in
                let (a, b) = (tokens.range(at: Int(first)), tokens.range(at: Int(second)))
                for index in 0..<min(a.count, b.count) {
                    let (one, other) = (blob[a.lowerBound + index], blob[b.lowerBound + index])
                    if one != other { return one < other }
                }
                return (a.count, first) < (b.count, second)
            }
        }
        self.init(tokens, sorted: ids)
    }

    private init(_ tokens: GGUFStringArray, sorted ids: [Int32]) {
        self.tokens = tokens
        self.ids = ids
        let ranges = ids.map { TextRange(tokens, Int($0)) }
        self.ranges = ranges
        var starts = [Int32](repeating: 0, count: 257)
        tokens.withUnsafeBytes { blob in
            for range in ranges { starts[Int(blob[Int(range.start)]) + 1] += 1 }
        }
        for byte in 1...256 { starts[byte] += starts[byte - 1] }
        self.starts = starts
    }

    /// A matcher for some of the tokens.
    func filtered(_ isIncluded: (Int32) -> Bool) -> SpecialTokenMatcher {
        SpecialTokenMatcher(tokens, sorted: ids.filter(isIncluded))
    }

    /// Whether there is nothing to match.
    var isEmpty: Bool { ids.isEmpty }

    /// The first place at or after `offset` where a token's text stands, and the longest that stands there.
    ///
    /// - Returns: The token and where its text lies, or nil when there is none.
    func next(in text: UnsafeBufferPointer<UInt8>, from offset: Int) -> (id: Int32, range: Range<Int>)? {
        if ids.isEmpty { return nil }
        return starts.withUnsafeBufferPointer { starts in
            for index in offset..<text.count {
                let first = Int(text[index])
                if starts[first] == starts[first + 1] { continue }
                let candidates = Int(starts[first])..<Int(starts[first + 1])
                if let match = longest(in: text, at: index, candidates) { return match }
            }
            return nil
        }
    }

    /// The same, but a mark's text is matched only where none of it is literal; other texts are matched anywhere.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - offset: Where to begin.
    ///   - literal: Where marks' texts are plain text, ascending.
    ///   - isMark: Whether a token is a mark.
    ///   - others: A matcher for the tokens that are no marks.
    /// - Complexity: As without literal text, and O(log literal.count) for each mark found.
    func next(
        in text: UnsafeBufferPointer<UInt8>, from offset: Int, literal: [Range<Int>], isMark: (Int32) -> Bool,
        others: SpecialTokenMatcher
    ) -> (id: Int32, range: Range<Int>)? {
        var start = offset
        while let match = next(in: text, from: start) {
            if !isMark(match.id) { return match }
            // The first literal range that ends after the match begins: the only one that its beginning can be in.
            let after = literal.partitioningIndex { $0.upperBound > match.range.lowerBound }
            if after == literal.count || literal[after].lowerBound >= match.range.upperBound { return match }
            // Shorter texts at the same place: a mark that ends before the literal text, or another token.
            let place = match.range.lowerBound
            let end = max(place, literal[after].lowerBound)
            let mark = longest(in: UnsafeBufferPointer(rebasing: text[..<end]), at: place)
            let other = others.longest(in: text, at: place)
            if let best = [mark, other].compactMap({ $0 }).max(by: { $0.range.count < $1.range.count }) { return best }
            start = place + 1
        }
        return nil
    }

    /// The longest of the texts that stand at a place.
    private func longest(in text: UnsafeBufferPointer<UInt8>, at offset: Int) -> (id: Int32, range: Range<Int>)? {
        guard offset < text.count else { return nil }
        let first = Int(text[offset])
        return longest(in: text, at: offset, Int(starts[first])..<Int(starts[first + 1]))
    }

    private func longest(
        in text: UnsafeBufferPointer<UInt8>, at offset: Int, _ candidates: Range<Int>
    ) -> (id: Int32, range: Range<Int>)? {
        tokens.withUnsafeBytes { blob in
            ranges.withUnsafeBufferPointer { ranges in
                var (low, high) = (candidates.lowerBound, candidates.upperBound)
                var best: (id: Int32, range: Range<Int>)?
                var depth = 1
                while low < high {
                    if Int(ranges[low].count) == depth {
                        best = (ids[low], offset..<offset + depth)
                        // Texts that occur twice: the first id counts.
                        while low < high, Int(ranges[low].count) == depth { low += 1 }
                    }
                    if low == high || offset + depth == text.count { break }
                    let wanted = text[offset + depth]
                    func byte(_ index: Int) -> UInt8 { blob[Int(ranges[index].start) + depth] }
                    var step = 1
                    while low + step <= high, byte(low + step - 1) < wanted { step *= 2 }
                    low = partition(low + step / 2, min(low + step - 1, high)) { byte($0) >= wanted }
                    step = 1
                    while high - step >= low, byte(high - step) > wanted { step *= 2 }
                    high = partition(max(high - step + 1, low), high - step / 2) { byte($0) > wanted }
                    depth += 1
                }
                return best
            }
        }
    }

    /// The first index in `low..<high` that belongs, or `high`; all that belong come after all that do not.
    @inline(__always)
    private func partition(_ low: Int, _ high: Int, _ belongs: (Int) -> Bool) -> Int {
        var (first, last) = (low, high)
        while first < last {
            let middle = (first + last) / 2
            if belongs(middle) { last = middle } else { first = middle + 1 }
        }
        return first
    }
}

extension [Range<Int>] {
    /// The first index whose element belongs, or `count`; all that belong come after all that do not.
    fileprivate func partitioningIndex(_ belongs: (Range<Int>) -> Bool) -> Int {
        var (first, last) = (0, count)
        while first < last {
            let middle = (first + last) / 2
            if belongs(self[middle]) { last = middle } else { first = middle + 1 }
        }
        return first
    }
}
