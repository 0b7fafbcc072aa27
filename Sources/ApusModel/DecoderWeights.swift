public import ApusGGUF

/// The weights of a decoder, loaded and packed; what a `DecoderSpec` says must be there.
public final class DecoderWeights: Sendable {
    /// What the model is.
    public let spec: DecoderSpec
    /// How many tokens there are.
    public let vocabularySize: Int
    /// Bytes of packed weights, which is what stays in memory.
    public var byteCount: Int { pages.byteCount }
    /// Bytes of weights that computing one token and its logits reads: all tensors, but of an embedding that is not the
    /// output matrix too only the token's row.
    public let bytesPerToken: Int
    /// The part of `bytesPerToken` that only the logits need.
    public let headBytes: Int
    /// Bytes of a row of the embedding.
    public let embeddingRowBytes: Int
    /// Numbers in all tensors.
    public let parameterCount: Int

    package let pages: Pages
    private let pageSizes: ModelPages
    let embedding: Matrix
    let output: Linear
    let outputNorm: Vector
    let layers: [Layer]
    let rotation: Rotation
    /// The rotation of layers with a window, where it is another one.
    let windowRotation: Rotation?

    /// One layer.
    struct Layer: Sendable {
        let attentionNorm: Vector
        let query, key, value: Linear
        let queryNorm, keyNorm: Vector?
        let attentionOutput: Linear
        let postAttentionNorm: Vector?
        let feedForwardNorm: Vector
        let gate, up, down: Linear
        let postFeedForwardNorm: Vector?
    }

    /// A matrix and, in some models, a bias.
    struct Linear: Sendable {
        let matrix: Matrix
        let bias: Vector?
    }

    /// What a model will take, known before anything is loaded.
    public struct Requirements: Sendable, Hashable {
        /// Bytes of packed weights.
        public let weightBytes: Int
        /// How many tokens there are.
        public let vocabularySize: Int
    }

    /// Checks a file's tensors against its metadata.
    ///
    /// - Parameter file: The file.
    /// - Returns: What loading it will take.
    /// - Throws: `ApusError` that names the tensor or field, what was found and what was wanted.
    public static func requirements(_ file: GGUFFile) throws(ApusError) -> Requirements {
        let binding = try Binding(file, contextLength: nil)
        return Requirements(
            weightBytes: binding.plan.layout.byteCount, vocabularySize: binding.embedding.rows)
    }

    /// Loads a model.
    ///
    /// - Parameters:
    ///   - file: The file; nothing is read from it afterwards.
    ///   - threads: How many threads read and pack.
    ///   - contextLength: Positions that sequences will have at the most, by which LongRoPE's factors are chosen; the
    ///     model's own limit when nil.
    ///   - cancellation: Stops the loading between pieces of a megabyte.
    ///   - progress: Is told which share has been read, 0 to 1, on the caller's thread.
    /// - Throws: `ApusError` that names the file and the tensor or field, what was found and what was wanted.
    public convenience init(
        _ file: GGUFFile, threads: Int, contextLength: Int? = nil, cancellation: CancellationFlag? = nil,
        progress: ((Float) -> Void)? = nil
    ) throws(ApusError) {
        try self.init(
            file, threads: threads, contextLength: contextLength, cancellation: cancellation,
            slowPage: ModelPages.slowPage, progress: progress)
    }

    /// The same; a huge page that takes `slowPage` to get counts as slow.
    package init(
        _ file: GGUFFile, threads: Int, contextLength: Int?, cancellation: CancellationFlag?, slowPage: Duration,
        progress: ((Float) -> Void)?
    ) throws(ApusError) {
        let binding = try Binding(file, contextLength: contextLength)
        spec = binding.spec
        pages = try Pages(
            byteCount: binding.plan.layout.byteCount, for: "the weights of \(file.paths[0])", huge: true)
        embedding = binding.embedding
        output = binding.output
        outputNorm = binding.outputNorm
        layers = binding.layers
        vocabularySize = embedding.rows
        parameterCount = file.tensors.reduce(0) { $0 + $1.elementCount }
        let isTied = output.matrix.offset == embedding.offset
        let table = file.tensor(named: "token_embd.weight")
        embeddingRowBytes = table?.rowBytes ?? 0
        headBytes = (isTied ? table : file.tensor(named: "output.weight"))?.byteCount ?? 0
        let unread = isTied ? 0 : (table?.byteCount ?? 0) - embeddingRowBytes
        bytesPerToken = binding.plan.entries.reduce(0) { $0 + $1.byteCount } - unread
        pageSizes = ModelPages(pages, slowPage: slowPage)
        let loader = WeightLoader(file: file, pages: pageSizes, cancellation: cancellation)
        try loader.load(binding.plan, threads: threads, progress: progress)
        let loaded = pages
        let factors = try binding.ropeFactors.map { vector throws(ApusError) in
            try loaded.ropeFactors(vector, path: file.paths[0])
        }
        rotation = try Rotation(spec.rope, factors: factors)
        windowRotation = try spec.windowRope.map { rope throws(ApusError) in try Rotation(rope, factors: nil) }
    }

    /// Merges the small pages that weights were loaded into where huge ones were slow to get.
    func mergePages() { pageSizes.merge() }

    /// A step has read the weights.
    ///
    /// - Parameter duration: How long it took.
    func stepEnded(after duration: Duration) { pageSizes.stepEnded(after: duration) }

    /// All tensors, checked, with their places in memory.
    private struct Binding {
        let spec: DecoderSpec
        var plan: WeightPlan
        let embedding: Matrix
        let output: Linear
        let outputNorm: Vector
        let ropeFactors: Vector?
        private(set) var layers: [Layer] = []

        init(_ file: GGUFFile, contextLength: Int?) throws(ApusError) {
            let spec: DecoderSpec
            do throws(ApusError) {
                spec = try Architectures.spec(file.metadata)
            } catch {
                throw error.naming(file.paths[0])
            }
            self.spec = spec
            var plan = WeightPlan(file: file)
            embedding = try plan.embedding(dim: spec.dim)
            outputNorm = try plan.vector("output_norm.weight", count: spec.dim)
            output = Linear(
                matrix: try plan.optionalMatrix("output.weight", rows: embedding.rows, cols: spec.dim) ?? embedding,
                bias: try plan.optionalVector("output.bias", count: embedding.rows))
            ropeFactors = try plan.ropeFactors(spec.rope, contextLength: contextLength ?? spec.contextLength)
            for index in 0..<spec.layers { layers.append(try Layer(&plan, spec, prefix: "blk.\(index).")) }
            try plan.checkNothingLeft(
                unused: Set(spec.rope.factorsNames), architecture: file.metadata.string("general.architecture"))
            self.plan = plan
        }
    }
}

extension ApusError {
    /// The same error, its message beginning with the file's name if it does not yet.
    func naming(_ path: String) -> ApusError {
        message.hasPrefix(path) ? self : ApusError(code, "\(path): \(message)")
    }
}

extension Pages {
    /// What to divide the rotation's frequencies by.
    fileprivate func ropeFactors(_ vector: Vector, path: String) throws(ApusError) -> [Float] {
        let factors = Array(UnsafeBufferPointer(start: floats(vector), count: vector.count))
        if let wrong = factors.first(where: { !($0.isFinite && $0 > 0) }) {
            throw ApusError(
                .format, "\(path): a factor of the rotation's frequencies is \(wrong), wanted: numbers above 0")
        }
        return factors
    }
}

extension WeightPlan {
    /// The embedding, whose rows are as many as there are tokens.
    mutating func embedding(dim: Int) throws(ApusError) -> Matrix {
        let name = "token_embd.weight"
        let shape = file.tensor(named: name)?.shape ?? []
        let rows = shape.count == 2 ? shape[1] : 1
        guard (1...DecoderSpec.maxDimension).contains(rows) else {
            throw ApusError(
                .format, "\(file.paths[0]): tensor '\(name)' has shape \(shape), wanted: 1 to 2^24 tokens")
        }
        return try matrix(name, rows: rows, cols: dim)
    }

    /// What the file divides the rotation's frequencies by, if it does.
    mutating func ropeFactors(_ rope: RopeParameters, contextLength: Int) throws(ApusError) -> Vector? {
        let name = rope.factorsName(contextLength: contextLength)
        // One set of LongRoPE's factors without the other would leave the model unscaled where it is not to be.
        let isWanted = rope.factorsNames.contains { file.tensor(named: $0) != nil }
        return isWanted ? try vector(name, count: rope.dimensions / 2) : nil
    }

    /// A matrix with the bias that may stand beside it.
    mutating func linear(_ name: String, rows: Int, cols: Int) throws(ApusError) -> DecoderWeights.Linear {
        DecoderWeights.Linear(
            matrix: try matrix("\(name).weight", rows: rows, cols: cols),
            bias: try optionalVector("\(name).bias", count: rows))
    }

    /// Two matrices that are multiplied with together, with the biases that may stand beside them.
    mutating func linearPair(
        _ names: (String, String), rows: Int, cols: Int
    ) throws(ApusError) -> (DecoderWeights.Linear, DecoderWeights.Linear) {
        let pair = try matrixPair(("\(names.0).weight", "\(names.1).weight"), rows: rows, cols: cols)
        return (
            DecoderWeights.Linear(matrix: pair.0, bias: try optionalVector("\(names.0).bias", count: rows)),
            DecoderWeights.Linear(matrix: pair.1, bias: try optionalVector("\(names.1).bias", count: rows))
        )
    }

    /// The same out of one tensor, with the biases that may stand in another.
    mutating func fusedPair(
        _ name: String, rows: Int, cols: Int
    ) throws(ApusError) -> (DecoderWeights.Linear, DecoderWeights.Linear) {
        let pair = try fusedMatrixPair("\(name).weight", rows: rows, cols: cols)
        let linear = try biased([pair.0, pair.1], "\(name).bias")
        return (linear[0], linear[1])
    }

    /// Matrices that stand in one tensor, with the biases that may stand in another.
    mutating func fused(_ name: String, rows: [Int], cols: Int) throws(ApusError) -> [DecoderWeights.Linear] {
        try biased(try fusedMatrices("\(name).weight", rows: rows, cols: cols), "\(name).bias")
    }

    /// Matrices with their parts of a vector that the file may lack.
    private mutating func biased(_ matrices: [Matrix], _ name: String) throws(ApusError) -> [DecoderWeights.Linear] {
        let bias = try optionalVector(name, count: matrices.reduce(0) { $0 + $1.rows })
        var firstRow = 0
        return matrices.map { matrix in
            defer { firstRow += matrix.rows }
            return DecoderWeights.Linear(matrix: matrix, bias: bias?.part(from: firstRow, count: matrix.rows))
        }
    }
}

extension DecoderWeights.Layer {
    init(_ plan: inout WeightPlan, _ spec: DecoderSpec, prefix: String) throws(ApusError) {
        attentionNorm = try plan.vector("\(prefix)attn_norm.weight", count: spec.dim)
        let rows = (spec.heads * spec.headDim, spec.kvHeads * spec.headDim, spec.kvHeads * spec.valueDim)
        if plan.file.tensor(named: "\(prefix)attn_qkv.weight") != nil {
            let parts = try plan.fused("\(prefix)attn_qkv", rows: [rows.0, rows.1, rows.2], cols: spec.dim)
            (query, key, value) = (parts[0], parts[1], parts[2])
        } else {
            query = try plan.linear("\(prefix)attn_q", rows: rows.0, cols: spec.dim)
            key = try plan.linear("\(prefix)attn_k", rows: rows.1, cols: spec.dim)
            value = try plan.linear("\(prefix)attn_v", rows: rows.2, cols: spec.dim)
        }
        queryNorm = spec.hasHeadNorms ? try plan.vector("\(prefix)attn_q_norm.weight", count: spec.headDim) : nil
        keyNorm = spec.hasHeadNorms ? try plan.vector("\(prefix)attn_k_norm.weight", count: spec.headDim) : nil
        attentionOutput = try plan.linear("\(prefix)attn_output", rows: spec.dim, cols: spec.heads * spec.valueDim)
        postAttentionNorm =
            spec.hasPostNorms ? try plan.vector("\(prefix)post_attention_norm.weight", count: spec.dim) : nil
        feedForwardNorm = try plan.vector("\(prefix)ffn_norm.weight", count: spec.dim)
        (gate, up) =
            spec.hasFusedGate
            ? try plan.fusedPair("\(prefix)ffn_up", rows: spec.hiddenDim, cols: spec.dim)
            : try plan.linearPair(("\(prefix)ffn_gate", "\(prefix)ffn_up"), rows: spec.hiddenDim, cols: spec.dim)
        down = try plan.linear("\(prefix)ffn_down", rows: spec.dim, cols: spec.hiddenDim)
        postFeedForwardNorm =
            spec.hasPostNorms ? try plan.vector("\(prefix)post_ffw_norm.weight", count: spec.dim) : nil
    }
}
