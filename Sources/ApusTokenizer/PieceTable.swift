// What SentencePiece needs to know of each token beside its text: when it is merged, and where text can be cut.

import ApusGGUF

/// The order in which pieces are merged, and the places that no piece reaches across.
struct PieceTable: Sendable {
    /// U+2581, which stands for a space in the texts of pieces.
    static let space: [UInt8] = [0xE2, 0x96, 0x81]
    /// Longer pieces are not made, which bounds the work at each place of a text. Published ones have at most 128 bytes.
    static let longest = 512

    /// By id: 0 for the pieces with the highest score, and so on; `UInt32.max` for tokens that text is not merged into.
    let ranks: [UInt32]
    /// Whether there are tokens of type unused, which are merged and taken apart again.
    let hasUnused: Bool
    /// By byte: whether some piece has it just before a space. Where it has not, text can be cut before a space.
    let joinsSpace: [Bool]

    /// Reads the scores.
    ///
    /// - Parameters:
    ///   - metadata: A file's metadata.
    ///   - vocabulary: The tokens.
    ///   - isMade: Whether text may be merged into a token.
    /// - Throws: `format` when there are no scores, another number than of tokens, or one that is no number.
    init(_ metadata: Metadata, _ vocabulary: Vocabulary, isMade: (Int32) -> Bool) throws(ApusError) {
        let key = Vocabulary.Key.scores
        let scores = try metadata.floatArray(key, count: vocabulary.count)
        if let id = scores.firstIndex(where: \.isNaN) {
            throw metadata.mismatch(key, wanted: "numbers, but token \(id) has the score \(scores[id])")
        }
        let ids = (0..<Int32(vocabulary.count)).filter {
            (1...Self.longest).contains(vocabulary.tokens.byteCount(at: Int($0))) && isMade($0)
        }
        ranks = Self.ranks(scores, ids)
        hasUnused = ids.contains { vocabulary.type($0) == .unused }

        var joinsSpace = [Bool](repeating: false, count: 256)
        vocabulary.tokens.withUnsafeBytes { blob in
            for id in ids {
                let range = vocabulary.tokens.range(at: Int(id))
                var index = range.lowerBound + 1
                while index + 2 < range.upperBound {
                    if blob[index] == Self.space[0], blob[index + 1] == Self.space[1], blob[index + 2] == Self.space[2]
                    {
                        joinsSpace[Int(blob[index - 1])] = true
                    }
                    index += 1
                }
            }
        }
        self.joinsSpace = joinsSpace
    }

    /// The ranks: equal for equal scores, since of those the leftmost pair is merged first.
    private static func ranks(_ scores: [Float], _ ids: [Int32]) -> [UInt32] {
        // The highest score first: its bits, turned so that they are ordered as numbers, in the upper half.
        var order = ids.map { id in
            let bits = (scores[Int(id)] + 0).bitPattern  // + 0 makes one zero of two
            let ascending = bits >> 31 == 0 ? bits | 1 << 31 : ~bits
            return UInt64(~ascending) << 32 | UInt64(id)
        }
        let isSorted = order.withUnsafeBufferPointer { order in
            order.indices.dropFirst().allSatisfy { order[$0 - 1] < order[$0] }
        }
        if !isSorted { order.sort() }
        var ranks = [UInt32](repeating: .max, count: scores.count)
        var rank: UInt32 = 0
        for (index, item) in order.enumerated() {
            if index > 0, item >> 32 != order[index - 1] >> 32 { rank += 1 }
            ranks[Int(item & 0xFFFF_FFFF)] = rank
        }
        return ranks
    }
}
