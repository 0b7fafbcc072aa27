public import ApusGGUF

/// Finds stop strings in bytes that come in pieces, and holds back what may be the beginning of one.
///
/// Where a stop string ends first, the text ends before its beginning; of several that end at the same byte the longest
/// counts. What is found does not depend on how the bytes are split into pieces.
public struct StopMatcher: Sendable {
    /// A stop string and how far it is matched (Knuth, Morris and Pratt).
    private struct Pattern: Sendable {
        let bytes: [UInt8]
        /// For each length of a matched prefix, the length of its longest proper prefix that is also its suffix.
        let borders: [Int]
        var matched = 0

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            var borders = [0]
            for i in bytes.indices.dropFirst() {
                var border = borders[i - 1]
                while border > 0 && bytes[border] != bytes[i] { border = borders[border - 1] }
                borders.append(bytes[border] == bytes[i] ? border + 1 : 0)
            }
            self.borders = borders
        }

        /// Takes a byte; true when the whole string has been matched.
        mutating func advance(_ byte: UInt8) -> Bool {
            while matched > 0 && bytes[matched] != byte { matched = borders[matched - 1] }
            if bytes[matched] == byte { matched += 1 }
            return matched == bytes.count
        }
    }

    private var patterns: [Pattern]
    /// What has come and was not given out: a proper prefix of a stop string.
    private var held: [UInt8] = []
    /// The stop string that was found, after which nothing more is given out.
    public private(set) var found: String?

    /// Makes a matcher.
    ///
    /// - Parameter stops: The strings to stop at; compared byte by byte, without any normalization.
    /// - Throws: `ApusError` with code `invalidArgument` for an empty string, which would be found at once.
    public init(_ stops: [String]) throws(ApusError) {
        if stops.contains(where: \.isEmpty) {
            throw ApusError(.invalidArgument, "a stop string is empty, wanted: at least one character")
        }
        patterns = stops.map { Pattern(Array($0.utf8)) }
    }

    /// Takes the next bytes.
    ///
    /// - Parameter bytes: Those of a token, or of several.
    /// - Returns: What is certain to come before any stop string.
    public mutating func append(_ bytes: [UInt8]) -> [UInt8] {
        if found != nil { return [] }
        if patterns.isEmpty { return bytes }
        held += bytes
        for i in (held.count - bytes.count)..<held.count {
            var longest: [UInt8] = []
            for p in patterns.indices where patterns[p].advance(held[i]) && patterns[p].bytes.count > longest.count {
                longest = patterns[p].bytes
            }
            if !longest.isEmpty {
                found = String(decoding: longest, as: UTF8.self)
                let ready = Array(held[...i].dropLast(longest.count))
                held = []
                return ready
            }
        }
        let keep = patterns.lazy.map(\.matched).max() ?? 0
        let ready = Array(held.dropLast(keep))
        held.removeFirst(held.count - keep)
        return ready
    }

    /// Ends the text: what was held back is no stop string.
    ///
    /// - Returns: What was held back; empty after a stop string was found.
    public mutating func finish() -> [UInt8] {
        defer { held = [] }
        return held
    }
}
