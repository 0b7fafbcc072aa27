package import ApusModel

/// What tokens of a step take, in tokens that see nothing before them and whose logits are not wanted.
///
/// Attention to what is before a token is a part of the work that grows with it, and float products take longer than
/// those of quantized weights: a token at position 4000 of a small model takes twice as long as the first one.
package struct TokenWeights: Sendable {
    private let cost: DecoderCost
    /// The work of a token that sees nothing.
    private let least: Double
    /// What logits take beside it.
    private let logits: Double

    /// Derives the weights from a model's work.
    package init(_ cost: DecoderCost) {
        self.cost = cost
        least = max(1, Self.work(cost, position: 0, logits: 0))
        logits = (Self.work(cost, position: 0, logits: 1) - least) / least
    }

    /// A token's multiply-adds, those of floats counted by how many of int8's a processor could do meanwhile.
    private static func work(_ cost: DecoderCost, position: Int, logits: Int) -> Double {
        let work = cost.step([DecoderCost.Piece(position: position, tokens: 1, logits: logits)])
        return work.int8MACs + 2 * work.bf16MACs + 4 * work.floatMACs
    }

    /// What some tokens take.
    ///
    /// - Parameters:
    ///   - count: How many tokens.
    ///   - position: Where the first one stands.
    ///   - logits: For how many of them logits are wanted.
    package func weight(of count: Int, at position: Int, logits: Int) -> Double {
        // The middle one stands for all: what attention takes grows evenly.
        let one = Self.work(cost, position: position + count / 2, logits: 0) / least
        return Double(count) * one + Double(logits) * self.logits
    }

    /// How many tokens take no more than a weight.
    ///
    /// - Parameters:
    ///   - weight: The weight.
    ///   - position: Where the first one stands.
    ///   - wantsLogits: Whether the logits of all of them are wanted.
    ///   - limit: The most tokens.
    package func count(within weight: Double, at position: Int, wantsLogits: Bool, atMost limit: Int) -> Int {
        var (low, high) = (0, max(0, limit))
        while low < high {
            let middle = (low + high + 1) / 2
            if self.weight(of: middle, at: position, logits: wantsLogits ? middle : 0) <= weight {
                low = middle
            } else {
                high = middle - 1
            }
        }
        return low
    }
}
