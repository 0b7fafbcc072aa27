// The tokens that benchmarks compute: the same in every run, so that logits can be compared.

import ApusTokenizer

/// Random tokens of a vocabulary that depend on nothing but their place. The first is the one that begins texts, where
/// the model wants one.
package struct BenchTokens {
    private let vocabularySize: Int
    private let bos: Int32?

    /// Tokens of a model.
    ///
    /// - Parameters:
    ///   - vocabularySize: At least 1.
    ///   - bos: What every sequence begins with; nil when with a random token too.
    package init(vocabularySize: Int, bos: Int32?) {
        self.vocabularySize = vocabularySize
        self.bos = bos
    }

    init(_ tokenizer: any Tokenizer) {
        self.init(vocabularySize: tokenizer.vocabularySize, bos: tokenizer.addsBOS ? tokenizer.bosID : nil)
    }

    /// The tokens at some positions.
    ///
    /// - Parameters:
    ///   - positions: Positions of the sequence.
    ///   - sequence: Which sequence; others have other tokens.
    /// - Returns: Tokens of the vocabulary.
    package func tokens(_ positions: Range<Int>, sequence: Int = 0) -> [Int32] {
        positions.map { position in
            if position == 0, let bos { return bos }
            let place = UInt64(truncatingIfNeeded: position) | UInt64(truncatingIfNeeded: sequence) << 32
            return Int32(Self.mix(place) % UInt64(vocabularySize))
        }
    }

    /// Steele, Lea and Flood's SplitMix64 (2014): a step of its sequence and the finalizer.
    private static func mix(_ place: UInt64) -> UInt64 {
        var z = (place &+ 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
