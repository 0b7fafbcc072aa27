internal import ApusGGUF
internal import CKernels

/// The memory that a decoder's ops read and write, and the description of the step at hand.
final class DecoderBuffers {
    /// Where each buffer stands, known before anything is reserved.
    struct Layout {
        private(set) var arena = ArenaLayout()
        let maxTokens: Int
        let vocabularySize: Int
        /// Tokens whose logits fit at once.
        let logitRows: Int
        let residual, delta, query, key, value, rotation, windowRotation, partial, logits: Int
        /// Packed activations: of the residual's width, of the heads' values, of the feed-forward's inner width, of the
        /// rows whose logits are wanted.
        let normed, heads, inner, headNormed: Acts

        /// Room for one width in all forms; which ones are used depends on the weights.
        struct Acts {
            let q8: Int
            let rest: Int
            let f32: Int
            let bf16: Int

            init(_ arena: inout ArenaLayout, tokens: Int, cols: Int) throws(ApusError) {
                q8 = try arena.add(apus_acts_bytes(APUS_ACT_Q8, tokens, cols))
                rest = try arena.add(apus_acts_bytes(APUS_ACT_Q8, tokens, cols))
                f32 = try arena.add(apus_acts_bytes(APUS_ACT_F32, tokens, cols))
                bf16 = try arena.add(apus_acts_bytes(APUS_ACT_BF16, tokens, cols))
            }
        }

        init(_ weights: DecoderWeights, maxTokens: Int, maxPositions: Int) throws(ApusError) {
            try self.init(
                weights.spec, vocabularySize: weights.vocabularySize, maxTokens: maxTokens, maxPositions: maxPositions)
        }

        init(_ spec: DecoderSpec, vocabularySize: Int, maxTokens: Int, maxPositions: Int) throws(ApusError) {
            let float = MemoryLayout<Float>.stride
            self.maxTokens = maxTokens
            self.vocabularySize = vocabularySize
            logitRows = max(1, min(64, maxTokens, (16 << 20) / (vocabularySize * float)))
            residual = try arena.add(maxTokens * spec.dim * float)
            delta = try arena.add(spec.hasPostNorms ? maxTokens * spec.dim * float : 0)
            query = try arena.add(maxTokens * spec.heads * spec.headDim * float)
            key = try arena.add(maxTokens * spec.kvHeads * spec.headDim * float)
            value = try arena.add(maxTokens * spec.kvHeads * spec.valueDim * float)
            rotation = try arena.add(maxTokens * spec.rope.dimensions * float)
            windowRotation = try arena.add(maxTokens * (spec.windowRope?.dimensions ?? 0) * float)
            normed = try Acts(&arena, tokens: maxTokens, cols: spec.dim)
            heads = try Acts(&arena, tokens: maxTokens, cols: spec.heads * spec.valueDim)
            inner = try Acts(&arena, tokens: maxTokens, cols: spec.hiddenDim)
            headNormed = try Acts(&arena, tokens: logitRows, cols: spec.dim)
            var attention = apus_attention()
            attention.n_heads = UInt32(spec.heads)
            attention.kv.v_stride = UInt32((spec.valueDim + 15) / 16 * 16)
            partial = try arena.add(apus_attention_partial_floats(&attention, maxTokens, maxPositions) * float)
            logits = try arena.add(logitRows * vocabularySize * float)
        }
    }

    let layout: Layout
    private let pages: ModelPages
    var memory: Pages { pages.memory }
    private var tokens: [Int32] = []
    private var pageTables: [Int32] = []
    private var segments: [apus_segment] = []
    /// Indices of the tokens whose logits are wanted.
    private(set) var logitTokens: [Int32] = []
    /// Indices of the tokens whose last states are wanted.
    private(set) var stateTokens: [Int32] = []

    init(_ layout: Layout) throws(ApusError) {
        self.layout = layout
        pages = try ModelPages(activations: layout.arena.byteCount)
    }

    /// A step has ended.
    ///
    /// - Parameter duration: How long it took.
    func stepEnded(after duration: Duration) { pages.stepEnded(after: duration) }

    /// Merges all small pages.
    func mergePages() { pages.merge() }

    func floats(_ offset: Int) -> UnsafeMutablePointer<Float> {
        (memory.base + offset).assumingMemoryBound(to: Float.self)
    }

    /// Packed activations in the forms that the matrices that read them want; with `fine`, one of them reads the second
    /// form of quantized ones too.
    func acts(_ acts: Layout.Acts, for matrices: [Matrix], fine: Matrix? = nil) -> apus_acts {
        let formats = matrices.map { apus_quant_act_format($0.quant) }
        return apus_acts(
            q8: formats.contains(APUS_ACT_Q8) ? memory.base + acts.q8 : nil,
            f32: formats.contains(APUS_ACT_F32) ? memory.base + acts.f32 : nil,
            bf16: formats.contains(APUS_ACT_BF16) ? memory.base + acts.bf16 : nil,
            q8_rest: fine.map { apus_quant_act_format($0.quant) } == APUS_ACT_Q8 ? memory.base + acts.rest : nil)
    }

    func logits(row: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(
            start: floats(layout.logits) + row * layout.vocabularySize, count: layout.vocabularySize)
    }

    /// The last state of one of `count` tokens, which `DecoderPlan.state` has left in packed form.
    func copyState(row: Int, of count: Int, into state: inout [Float]) {
        let dim = state.count
        let tile = row / Int(APUS_TILE_TOKENS) * Int(APUS_TILE_TOKENS)
        let width = min(Int(APUS_TILE_TOKENS), count - tile)
        let values = floats(layout.headNormed.f32) + tile * dim + (row - tile)
        for col in 0..<dim { state[col] = values[col * width] }
    }

    /// Describes a step; all of it is checked before anything is changed but the sequences' room.
    func stage(_ chunks: [Decoder.Chunk], decoder: Decoder) throws(ApusError) {
        var total = 0
        for chunk in chunks {
            guard !chunk.tokens.isEmpty else {
                throw ApusError(.invalidArgument, "a step has a sequence without tokens, wanted: at least one")
            }
            total += chunk.tokens.count
            for token in chunk.tokens where token < 0 || Int(token) >= layout.vocabularySize {
                throw ApusError(
                    .invalidArgument, "token \(token) is outside the vocabulary of \(layout.vocabularySize)")
            }
            guard chunk.tokens.count <= decoder.maxPositions - chunk.sequence.length else {
                throw ApusError(
                    .contextFull,
                    "\(chunk.sequence.length) + \(chunk.tokens.count) tokens do not fit the context of "
                        + "\(decoder.maxPositions)")
            }
        }
        guard total > 0, total <= layout.maxTokens else {
            throw ApusError(.invalidArgument, "a step has \(total) tokens, wanted: 1 to \(layout.maxTokens)")
        }
        for chunk in chunks { try chunk.sequence.reserve(chunk.tokens.count) }

        tokens.removeAll(keepingCapacity: true)
        pageTables.removeAll(keepingCapacity: true)
        segments.removeAll(keepingCapacity: true)
        logitTokens.removeAll(keepingCapacity: true)
        stateTokens.removeAll(keepingCapacity: true)
        for chunk in chunks {
            segments.append(
                apus_segment(
                    first_token: Int32(tokens.count), n_tokens: Int32(chunk.tokens.count),
                    first_pos: Int32(chunk.sequence.length), pages: nil))
            tokens.append(contentsOf: chunk.tokens)
            pageTables.append(contentsOf: chunk.sequence.pages)
            switch chunk.logits {
            case .none: break
            case .last: logitTokens.append(Int32(tokens.count - 1))
            case .all: logitTokens.append(contentsOf: Int32(tokens.count - chunk.tokens.count)..<Int32(tokens.count))
            case .lastState: stateTokens.append(Int32(tokens.count - 1))
            case .allStates:
                stateTokens.append(contentsOf: Int32(tokens.count - chunk.tokens.count)..<Int32(tokens.count))
            }
        }
        pageCounts = chunks.map { $0.sequence.pages.count }
    }

    private var pageCounts: [Int] = []

    /// Gives access to the staged step as the kernels want it.
    func withStep<R>(
        logitTokens: UnsafeBufferPointer<Int32>, cancellation: CancellationFlag?, _ body: (inout apus_step) -> R
    ) -> R {
        tokens.withUnsafeBufferPointer { tokens in
            pageTables.withUnsafeBufferPointer { tables in
                segments.withUnsafeMutableBufferPointer { segments in
                    var table = tables.baseAddress
                    for index in segments.indices {
                        segments[index].pages = table
                        table = table.map { $0 + pageCounts[index] }
                    }
                    var step = apus_step(
                        n_tokens: Int32(tokens.count), n_segments: Int32(segments.count),
                        n_logits: Int32(logitTokens.count), tokens: tokens.baseAddress,
                        segments: UnsafePointer(segments.baseAddress), logit_tokens: logitTokens.baseAddress,
                        cancel: cancellation.map { UnsafePointer($0.word) })
                    return body(&step)
                }
            }
        }
    }
}
