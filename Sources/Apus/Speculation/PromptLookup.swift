/// Finds where the last tokens of a text stood before: of the places looked at, the one that is alike for longest.
///
/// Every pair of tokens knows where it stood last, and every place the one before it with the same pair, so a token costs
/// the same however long the text is.
package struct PromptLookup: Sendable {
    /// A place that looks like the end of the text.
    package struct Match: Sendable {
        /// The index of the token that followed there.
        package let next: Int
        /// How many tokens before that one are the last ones of the text; not counted beyond `longest`.
        package let length: Int

        package init(next: Int, length: Int) { (self.next, self.length) = (next, length) }
    }

    /// The fewest tokens that must be alike.
    package static let shortest = 2
    /// The most tokens that are compared.
    package static let longest = 32
    /// Places that are looked at for a token, the latest first.
    private let places: Int
    /// Tokens that are remembered at least, and half of the most: what stood before them is not found.
    private let window: Int

    /// The index of the first token that is remembered.
    private var first = 0
    /// The last place where a pair ended.
    private var last: [UInt64: Int32] = [:]
    /// For each token from `first` on, the place before it where the same pair ended; -1 for none.
    private var previous: [Int32] = []
    /// The match that was found last, and how many tokens there were.
    private var found: (match: Match, count: Int)?

    /// Remembers nothing yet.
    ///
    /// - Parameters:
    ///   - window: Tokens that are remembered at least.
    ///   - places: Places that are looked at for a token.
    package init(window: Int = 1 << 16, places: Int = 16) { (self.window, self.places) = (window, places) }

    /// Finds a place that looks like the end of a text.
    ///
    /// - Parameter tokens: The text; it begins with what was given the last time.
    /// - Returns: The longest match, of equal ones the one that was followed so far, or else the latest.
    package mutating func match(_ tokens: [Int32]) -> Match? {
        remember(tokens)
        let end = tokens.count - 1
        guard end > first else { return nil }
        var best: Match?
        func look(at place: Int) {
            let length = length(tokens, place, end)
            if length >= Self.shortest, length > best?.length ?? 0 { best = Match(next: place + 1, length: length) }
        }
        if let found, case let place = found.match.next - 1 + tokens.count - found.count, place < end {
            look(at: place)
        }
        var place = Int(previous[end - first])
        var left = places
        while place >= 0, left > 0, best?.length ?? 0 < Self.longest {
            look(at: place)
            place = Int(previous[place - first])
            left -= 1
        }
        found = best.map { ($0, tokens.count) }
        return best
    }

    /// What followed a match; where that reaches the text's end, the text is taken to repeat itself.
    ///
    /// - Parameters:
    ///   - match: Of the same tokens.
    ///   - tokens: The text.
    ///   - count: How many tokens.
    package static func continuation(_ match: Match, _ tokens: [Int32], count: Int) -> [Int32] {
        var result: [Int32] = []
        result.reserveCapacity(count)
        for index in match.next..<match.next + count {
            result.append(index < tokens.count ? tokens[index] : result[index - tokens.count])
        }
        return result
    }

    /// How many tokens up to a place are those up to the end.
    private func length(_ tokens: [Int32], _ place: Int, _ end: Int) -> Int {
        var length = 0
        while length < Self.longest, length <= place, tokens[place - length] == tokens[end - length] { length += 1 }
        return length
    }

    private mutating func remember(_ tokens: [Int32]) {
        if tokens.count - first > 2 * window {
            first = tokens.count - window
            last.removeAll(keepingCapacity: true)
            previous.removeAll(keepingCapacity: true)
        }
        for index in (first + previous.count)..<tokens.count {
            guard index > first else {
                previous.append(-1)
                continue
            }
            let pair = UInt64(UInt32(bitPattern: tokens[index - 1])) << 32 | UInt64(UInt32(bitPattern: tokens[index]))
            previous.append(last.updateValue(Int32(clamping: index), forKey: pair) ?? -1)
        }
    }
}
