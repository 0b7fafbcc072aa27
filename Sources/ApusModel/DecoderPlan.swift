internal import ApusGGUF
internal import CKernels

/// The forward pass as a flat list of kernel calls, with every pointer and size resolved.
struct DecoderPlan {
    /// The whole step.
    var all: UnsafeBufferPointer<apus_op> {
        UnsafeBufferPointer(rebasing: UnsafeBufferPointer(ops.buffer)[..<stateStart])
    }
    /// Only the last norm and the logits, of tokens that a whole step has computed before.
    var head: UnsafeBufferPointer<apus_op> { UnsafeBufferPointer(rebasing: all[headStart...]) }
    /// Only the last norm, unpacked, of tokens that a whole step has computed before and whose logits are not wanted.
    var state: UnsafeBufferPointer<apus_op> {
        UnsafeBufferPointer(rebasing: UnsafeBufferPointer(ops.buffer)[stateStart...])
    }

    private let ops: OpList
    private let headStart: Int
    private let stateStart: Int
    private let scratch: Pages
    private let scratchBytes: Int
    private let threads: Int

    /// Owns the ops' memory.
    private final class OpList {
        let buffer: UnsafeMutableBufferPointer<apus_op>

        init(_ ops: [apus_op]) {
            buffer = .allocate(capacity: ops.count)
            _ = buffer.initialize(from: ops)
        }

        deinit { buffer.deallocate() }
    }

    init(_ weights: DecoderWeights, cache: KVCache, buffers: DecoderBuffers, threads: Int) throws(ApusError) {
        var forward = Forward(weights: weights, cache: cache, buffers: buffers)
        forward.build()
        ops = OpList(forward.ops)
        headStart = forward.headStart
        stateStart = forward.stateStart
        self.threads = threads
        scratchBytes = apus_plan_scratch_bytes(ops.buffer.baseAddress, ops.buffer.count, buffers.layout.maxTokens)
        let (bytes, overflow) = scratchBytes.multipliedReportingOverflow(by: threads)
        guard !overflow else { throw ApusError(.outOfMemory, "no memory for the scratch of \(threads) threads") }
        scratch = try Pages(byteCount: bytes, for: "the threads' scratch")
    }

    /// Runs ops on the staged step; false when it was cancelled.
    func run(
        _ ops: UnsafeBufferPointer<apus_op>, buffers: DecoderBuffers, logitTokens: UnsafeBufferPointer<Int32>,
        cancellation: CancellationFlag?
    ) -> Bool {
        buffers.withStep(logitTokens: logitTokens, cancellation: cancellation) { step in
            var plan = apus_plan(
                ops: ops.baseAddress, n_ops: UInt32(ops.count), scratch: scratch.base, scratch_bytes: scratchBytes)
            return apus_plan_run(&plan, &step, Int32(threads))
        }
    }
}

/// Emits the ops of the forward pass, top to bottom as the paper has it.
///
/// Values and logits are computed from finer activations: that costs 3 % of a layer's arithmetic and, where a token is
/// computed alone, hardly any time in the head, and halves the divergence from exact arithmetic (ARCHITECTURE.md).
private struct Forward {
    let weights: DecoderWeights
    let cache: KVCache
    let buffers: DecoderBuffers
    var ops: [apus_op] = []
    var headStart = 0
    var stateStart = 0

    private var spec: DecoderSpec { weights.spec }
    private var layout: DecoderBuffers.Layout { buffers.layout }
    private var residual: UnsafeMutablePointer<Float> { buffers.floats(layout.residual) }

    /// The output of a block that is still to be normalised and added: the next norm does both.
    private var pending: (delta: UnsafeMutablePointer<Float>, norm: Vector)?

    init(weights: DecoderWeights, cache: KVCache, buffers: DecoderBuffers) {
        self.weights = weights
        self.cache = cache
        self.buffers = buffers
    }

    mutating func build() {
        embed()
        rotationTable(weights.rotation, into: layout.rotation)
        if let rotation = weights.windowRotation { rotationTable(rotation, into: layout.windowRotation) }
        for index in weights.layers.indices {
            attention(weights.layers[index], index)
            feedForward(weights.layers[index])
        }
        headStart = ops.count
        logits()
    }

    private mutating func embed() {
        ops.append(
            makeOp(APUS_OP_embed) {
                $0.embed = apus_embed(
                    table: packed(weights.embedding), x: residual, scale: spec.embeddingScale)
            })
    }

    private mutating func rotationTable(_ rotation: Rotation, into offset: Int) {
        ops.append(
            makeOp(APUS_OP_rope_table) {
                $0.rope_table = apus_rope_table(
                    inv_freq: rotation.frequencies, cos_sin: buffers.floats(offset), n_pairs: UInt32(rotation.pairs),
                    magnitude: rotation.magnitude)
            })
    }

    /// x += Wo · attention(rope(Wq n), rope(Wk n), Wv n) with n = rmsNorm(x)
    private mutating func attention(_ layer: DecoderWeights.Layer, _ index: Int) {
        let kv = cache.layer(index)
        let hasWindow = spec.hasWindow(layer: index)
        let (q, k, v) = (
            buffers.floats(layout.query), buffers.floats(layout.key), buffers.floats(layout.value)
        )
        let inputs = [layer.query, layer.key, layer.value]
        let normed = norm(layer.attentionNorm, for: inputs.map(\.matrix), fine: layer.value.matrix)
        multiply(
            normed,
            [product(layer.query, into: q), product(layer.key, into: k), product(layer.value, into: v, fine: true)])

        let windowRotation = hasWindow ? weights.windowRotation : nil
        let rotation = windowRotation ?? weights.rotation
        let table = buffers.floats(windowRotation == nil ? layout.rotation : layout.windowRotation)
        let angles = spec.hasRotation(layer: index) ? UnsafePointer(table) : nil
        ops.append(
            makeOp(APUS_OP_rope_kv) {
                $0.rope_kv = apus_rope_kv(
                    q: q, k: k, v: v, cos_sin: angles, q_norm: floats(layer.queryNorm), k_norm: floats(layer.keyNorm),
                    kv: kv, n_heads: UInt32(spec.heads), n_pairs: UInt32(rotation.pairs),
                    layout: spec.ropeLayout == .pairs ? APUS_ROPE_PAIRS : APUS_ROPE_HALVES, norm_eps: spec.normEpsilon)
            })

        let attention = apus_attention(
            q: q, kv: kv, partial: buffers.floats(layout.partial), n_heads: UInt32(spec.heads),
            window: hasWindow ? UInt32(spec.window) : 0, scale: spec.attentionScale)
        ops.append(makeOp(APUS_OP_attention) { $0.attention = attention })
        let heads = buffers.acts(layout.heads, for: [layer.attentionOutput.matrix])
        ops.append(
            makeOp(APUS_OP_attention_merge) {
                $0.attention_merge = apus_attention_merge(attention: attention, out: heads)
            })
        add(heads, layer.attentionOutput, postNorm: layer.postAttentionNorm)
    }

    /// x += Wdown · (activation(Wgate n) * (Wup n)) with n = rmsNorm(x)
    private mutating func feedForward(_ layer: DecoderWeights.Layer) {
        let normed = norm(layer.feedForwardNorm, for: [layer.gate.matrix, layer.up.matrix])
        let inner = buffers.acts(layout.inner, for: [layer.down.matrix])
        ops.append(
            makeOp(APUS_OP_glu) {
                $0.glu = apus_glu(
                    in: normed, gate: packed(layer.gate.matrix), up: packed(layer.up.matrix),
                    gate_bias: bias(layer.gate), up_bias: bias(layer.up), out: inner,
                    activation: spec.activation == .silu ? APUS_SILU : APUS_GELU_TANH)
            })
        add(inner, layer.down, postNorm: layer.postFeedForwardNorm)
    }

    private mutating func logits() {
        let beforeNorm = pending
        let normed = buffers.acts(layout.headNormed, for: [weights.output.matrix], fine: weights.output.matrix)
        norm(weights.outputNorm, out: normed, rows: APUS_ROWS_LOGITS)
        multiply(
            normed, [product(weights.output, into: buffers.floats(layout.logits), fine: true)], rows: APUS_ROWS_LOGITS)
        if spec.logitCap > 0 {
            ops.append(
                makeOp(APUS_OP_softcap) {
                    $0.softcap = apus_softcap(
                        x: buffers.floats(layout.logits), n: UInt32(weights.output.matrix.rows), cap: spec.logitCap)
                })
        }
        stateStart = ops.count
        pending = beforeNorm
        norm(
            weights.outputNorm,
            out: apus_acts(q8: nil, f32: buffers.floats(layout.headNormed.f32), bf16: nil, q8_rest: nil),
            rows: APUS_ROWS_LOGITS)
    }

    /// n = rmsNorm(x), packed for the matrices that read it.
    private mutating func norm(_ weight: Vector, for matrices: [Matrix], fine: Matrix? = nil) -> apus_acts {
        let normed = buffers.acts(layout.normed, for: matrices, fine: fine)
        norm(weight, out: normed, rows: APUS_ROWS_TOKENS)
        return normed
    }

    /// Adds what is pending to x, and normalises.
    private mutating func norm(_ weight: Vector, out: apus_acts, rows: apus_rows) {
        let (delta, postWeight) = (pending?.delta, floats(pending?.norm))
        pending = nil
        ops.append(
            makeOp(APUS_OP_rmsnorm) {
                $0.rmsnorm = apus_rmsnorm(
                    x: residual, delta: delta, post_weight: postWeight, weight: floats(weight), out: out,
                    dim: UInt32(spec.dim), eps: spec.normEpsilon, rows: rows)
            })
    }

    /// x += W · input, at once or, where a norm comes between, with the next norm.
    private mutating func add(_ input: apus_acts, _ linear: DecoderWeights.Linear, postNorm: Vector?) {
        guard let postNorm else { return multiply(input, [product(linear, into: residual, accumulate: true)]) }
        let delta = buffers.floats(layout.delta)
        multiply(input, [product(linear, into: delta)])
        pending = (delta, postNorm)
    }

    private mutating func multiply(
        _ input: apus_acts, _ products: [apus_product], rows: apus_rows = APUS_ROWS_TOKENS
    ) {
        ops.append(
            makeOp(APUS_OP_matmul) {
                $0.matmul.in = input
                $0.matmul.rows = rows
                $0.matmul.n_products = UInt32(products.count)
                withUnsafeMutableBytes(of: &$0.matmul.products) { bytes in
                    _ = bytes.bindMemory(to: apus_product.self).update(fromContentsOf: products)
                }
            })
    }

    private func product(
        _ linear: DecoderWeights.Linear, into out: UnsafeMutablePointer<Float>, accumulate: Bool = false,
        fine: Bool = false
    ) -> apus_product {
        apus_product(
            weights: packed(linear.matrix), bias: bias(linear), out: out, ld: UInt32(linear.matrix.rows),
            accumulate: accumulate, fine: fine)
    }

    private func packed(_ matrix: Matrix) -> apus_weights { weights.pages.weights(matrix) }

    private func bias(_ linear: DecoderWeights.Linear) -> UnsafePointer<Float>? {
        floats(linear.bias)
    }

    private func floats(_ vector: Vector?) -> UnsafePointer<Float>? {
        vector.map { UnsafePointer(weights.pages.floats($0)) }
    }
}

private func makeOp(_ kind: apus_op_kind, _ fill: (inout apus_op) -> Void) -> apus_op {
    var op = apus_op()
    op.kind = kind
    fill(&op)
    return op
}
