public import ApusGGUF
internal import CKernels

/// Runs a model: turns its spec into a plan of kernel calls, once, and runs the plan for each step.
///
/// A step computes some tokens of one or several sequences; a token's logits have the same bits whatever else the step
/// computes. Not for several threads at once; the arithmetic runs on `ComputeThread`.
public final class Decoder {
    /// The tokens of one sequence in a step.
    public struct Chunk {
        /// The sequence that the tokens follow.
        public let sequence: KVSequence
        /// At least one token.
        public let tokens: ArraySlice<Int32>
        /// Which logits are wanted.
        public let logits: Logits

        /// Which logits of a chunk are wanted.
        public enum Logits: Sendable, Hashable {
            /// None.
            case none
            /// Those after the last token.
            case last
            /// Those after every token.
            case all
            /// None, but the last token's state: what logits would be computed from.
            case lastState
            /// None, but every token's state.
            case allStates
        }

        /// A piece of a step.
        ///
        /// - Parameters:
        ///   - sequence: The sequence that the tokens follow; once in a step.
        ///   - tokens: At least one token.
        ///   - logits: Which logits are wanted.
        public init(_ sequence: KVSequence, tokens: ArraySlice<Int32>, logits: Logits) {
            self.sequence = sequence
            self.tokens = tokens
            self.logits = logits
        }
    }

    /// The model.
    public let weights: DecoderWeights
    /// Where the sequences' keys and values stand.
    public let cache: KVCache
    /// The most tokens that a step can have.
    public let maxTokens: Int
    /// The most positions that a sequence can have.
    public let maxPositions: Int
    /// How many threads the kernels run on; the results do not depend on it.
    public let threads: Int

    /// Tokens whose logits a step gives at once; those of more are computed piece by piece from what it left.
    public var logitRows: Int { buffers.layout.logitRows }

    /// Where the activations stand.
    package var activations: Pages { buffers.memory }

    private let buffers: DecoderBuffers
    private let plan: DecoderPlan

    /// Plans steps and reserves their memory.
    ///
    /// - Parameters:
    ///   - weights: The model.
    ///   - cache: Where the sequences' keys and values stand.
    ///   - maxTokens: The most tokens that a step can have.
    ///   - maxPositions: The most positions that a sequence can have.
    ///   - threads: How many threads the kernels run on.
    /// - Throws: `ApusError` with code `outOfMemory`.
    public init(
        _ weights: DecoderWeights, cache: KVCache, maxTokens: Int, maxPositions: Int, threads: Int
    ) throws(ApusError) {
        self.weights = weights
        self.cache = cache
        self.maxTokens = maxTokens
        self.maxPositions = maxPositions
        self.threads = threads
        let layout = try DecoderBuffers.Layout(weights, maxTokens: maxTokens, maxPositions: maxPositions)
        buffers = try DecoderBuffers(layout)
        plan = try DecoderPlan(weights, cache: cache, buffers: buffers, threads: threads)
    }

    /// Bytes that a decoder takes beside weights and cache, at the most.
    ///
    /// - Parameters:
    ///   - spec: The model.
    ///   - vocabularySize: The number of tokens that a logit is given for.
    ///   - maxTokens: The most tokens that a step can have.
    ///   - maxPositions: The most positions that a sequence can have.
    /// - Returns: Bytes of activations, attention's pieces and logits.
    /// - Throws: `ApusError` with code `outOfMemory` when they cannot be counted.
    public static func bufferBytes(
        _ spec: DecoderSpec, vocabularySize: Int, maxTokens: Int, maxPositions: Int
    ) throws(ApusError) -> Int {
        try DecoderBuffers.Layout(
            spec, vocabularySize: vocabularySize, maxTokens: maxTokens, maxPositions: maxPositions
        ).arena.byteCount
    }

    /// Computes a step and appends its tokens to their sequences; on an error nothing is appended.
    ///
    /// - Parameters:
    ///   - chunks: At most `maxTokens` tokens in all.
    ///   - cancellation: Is looked at between the ops of the plan.
    ///   - onLogits: Gets the index of each token in the step whose logits are wanted, in order, and the logits,
    ///     (vocabularySize), which may be written to and last until the next call.
    ///   - onState: Gets the index of each token in the step whose state is wanted, in order, and the state after the last
    ///     norm, (dim).
    /// - Throws: `ApusError` with code `invalidArgument` for a token outside the vocabulary or too many of them,
    ///   `contextFull`, `cancelled`, or what `onLogits` throws.
    public func run(
        _ chunks: [Chunk], cancellation: CancellationFlag? = nil,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Void,
        onState: (Int, [Float]) -> Void = { _, _ in }
    ) throws(ApusError) {
        let start = ContinuousClock.now
        try buffers.stage(chunks, decoder: self)
        let wanted = buffers.logitTokens
        let rows = buffers.layout.logitRows
        // The first rows' logits come with the step; the others are computed piece by piece from what it left.
        var first = 0
        var ops = plan.all
        repeat {
            let count = min(rows, wanted.count - first)
            try run(ops, for: wanted[first..<first + count], cancellation)
            for row in 0..<count { try onLogits(Int(wanted[first + row]), buffers.logits(row: row)) }
            first += count
            ops = plan.head
        } while first < wanted.count
        try runStates(cancellation, onState)
        for chunk in chunks { chunk.sequence.advance(chunk.tokens.count) }
        let duration = ContinuousClock.now - start
        weights.stepEnded(after: duration)
        buffers.stepEnded(after: duration)
    }

    /// Merges the small pages of weights and activations at once, which else is done bit by bit after some hundred steps:
    /// what is measured afterwards is what a long run has. Not while a step runs.
    public func mergePages() {
        weights.mergePages()
        buffers.mergePages()
    }

    private func run(
        _ ops: UnsafeBufferPointer<apus_op>, for tokens: ArraySlice<Int32>, _ cancellation: CancellationFlag?
    ) throws(ApusError) {
        let finished = ComputeThread.shared.run {
            tokens.withUnsafeBufferPointer { tokens in
                plan.run(ops, buffers: buffers, logitTokens: tokens, cancellation: cancellation)
            }
        }
        guard finished else { throw ApusError(.cancelled, "the computation was cancelled") }
    }

    private func runStates(
        _ cancellation: CancellationFlag?, _ onState: (Int, [Float]) -> Void
    ) throws(ApusError) {
        let wanted = buffers.stateTokens
        var state = [Float](repeating: 0, count: wanted.isEmpty ? 0 : weights.spec.dim)
        for first in stride(from: 0, to: wanted.count, by: buffers.layout.logitRows) {
            let tokens = wanted[first..<min(first + buffers.layout.logitRows, wanted.count)]
            try run(plan.state, for: tokens, cancellation)
            for (row, token) in tokens.enumerated() {
                buffers.copyState(row: row, of: tokens.count, into: &state)
                onState(Int(token), state)
            }
        }
    }
}
