// Which tokens each step of a test computes.

import ApusModel

/// One step: tokens of one or several sequences that go through the model together.
package struct BenchStep: Hashable {
    /// Tokens of one sequence.
    package struct Piece: Hashable {
        /// The sequence's index.
        package var sequence: Int
        /// Positions that are computed.
        package var positions: Range<Int>
        /// Whether the logits after the last of them are.
        package var hasLogits: Bool
    }

    /// At most one piece a sequence.
    package var pieces: [Piece] = []

    var tokens: Int { pieces.reduce(0) { $0 + $1.positions.count } }

    /// What the step cannot do without.
    func work(_ cost: DecoderCost) -> DecoderCost.Work {
        cost.step(
            pieces.map {
                DecoderCost.Piece(
                    position: $0.positions.lowerBound, tokens: $0.positions.count, logits: $0.hasLogits ? 1 : 0)
            })
    }
}

/// Steps in order.
package struct BenchSchedule {
    /// The steps.
    package private(set) var steps: [BenchStep] = []

    /// No steps.
    package init() {}

    /// Adds prompts, one after the other, cut into batches and these into steps.
    ///
    /// - Parameters:
    ///   - sequences: How many sequences get one.
    ///   - positions: The prompt's positions, the same in all.
    ///   - batch: The most tokens that are given at once; as in llama-bench the last one's logits are computed.
    ///   - stepTokens: The most tokens of a step.
    package mutating func addPrompts(sequences: Int, positions: Range<Int>, batch: Int, stepTokens: Int) {
        var step = BenchStep()
        var roomInBatch = batch
        func finish(_ step: inout BenchStep) {
            if !step.pieces.isEmpty { steps.append(step) }
            step = BenchStep()
        }
        for sequence in 0..<sequences {
            var position = positions.lowerBound
            while position < positions.upperBound {
                let count = min(positions.upperBound - position, stepTokens - step.tokens, roomInBatch)
                roomInBatch -= count
                // In a batch with several sequences it is the last token of each.
                let ends = position + count == positions.upperBound || (sequences == 1 && roomInBatch == 0)
                step.pieces.append(
                    BenchStep.Piece(sequence: sequence, positions: position..<position + count, hasLogits: ends))
                position += count
                if roomInBatch == 0 || step.tokens == stepTokens { finish(&step) }
                if roomInBatch == 0 { roomInBatch = batch }
            }
        }
        finish(&step)
    }

    /// Adds decoding: a token of every sequence a step.
    ///
    /// - Parameters:
    ///   - sequences: How many sequences there are.
    ///   - positions: The positions that are decoded, the same in all.
    package mutating func addDecoding(sequences: Int, positions: Range<Int>) {
        for position in positions {
            steps.append(
                BenchStep(
                    pieces: (0..<sequences).map {
                        BenchStep.Piece(sequence: $0, positions: position..<position + 1, hasLogits: true)
                    }))
        }
    }

    /// What all steps together cannot do without.
    func work(_ cost: DecoderCost) -> DecoderCost.Work {
        var sum = DecoderCost.Work()
        for step in steps { sum += step.work(cost) }
        return sum
    }
}
