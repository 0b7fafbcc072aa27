public import ApusGGUF

/// The weights of a decoder, loaded and packed; what a `DecoderSpec` says must be there.
public final class DecoderWeights: Sendable {
    /// What the model is.
    public let spec: DecoderSpec
    /// How many tokens there are.
    public let vocabularySize: Int
    /// Bytes of packed weights, which is what stays in memory.
    public var byteCount: Int { pages.byteCount }
    /// Bytes of weights that computing one token reads.
    public let bytesPerToken: Int
    /// Numbers in all tensors.
    public let parameterCount: Int

    let pages: Pages
    let embedding: Matrix
    let output: Matrix
    let outputNorm: Vector
    let layers: [Layer]
    /// Angles a position of the rotated pairs, (rope.dimensions / 2).
    let frequencies: Pages

    /// One layer.
    struct Layer: Sendable {
        let attentionNorm: Vector
        let query, key, value: Linear
        let attentionOutput: Linear
        let feedForwardNorm: Vector
        let gate, up, down: Linear
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
        let binding = try Binding(file)
        return Requirements(
            weightBytes: binding.plan.layout.byteCount, vocabularySize: binding.embedding.rows)
    }

    /// Loads a model.
    ///
    /// - Parameters:
    ///   - file: The file; nothing is read from it afterwards.
    ///   - threads: How many threads read and pack.
    ///   - cancellation: Stops the loading between pieces of a megabyte.
    /// - Throws: `ApusError` that names the file and the tensor or field, what was found and what was wanted.
    public init(_ file: GGUFFile, threads: Int, cancellation: CancellationFlag? = nil) throws(ApusError) {
        let binding = try Binding(file)
        spec = binding.spec
        pages = try Pages(byteCount: binding.plan.layout.byteCount, for: "the weights of \(file.paths[0])")
        embedding = binding.embedding
        output = binding.output
        outputNorm = binding.outputNorm
        layers = binding.layers
        vocabularySize = embedding.rows
        parameterCount = file.tensors.reduce(0) { $0 + $1.elementCount }
        let isTied = output.offset == embedding.offset
        let embeddingBytes = isTied ? 0 : file.tensor(named: "token_embd.weight")?.byteCount ?? 0
        bytesPerToken = binding.plan.entries.reduce(0) { $0 + $1.tensor.byteCount } - embeddingBytes
        let loader = WeightLoader(file: file, pages: pages, cancellation: cancellation)
        try ComputeThread.shared.run { () throws(ApusError) in try loader.load(binding.plan, threads: threads) }
        let loaded = pages
        let factors = try binding.ropeFactors.map { vector throws(ApusError) in
            try loaded.ropeFactors(vector, path: file.paths[0])
        }
        let inverse = spec.rope.inverseFrequencies(factors: factors)
        frequencies = try Pages(byteCount: inverse.count * MemoryLayout<Double>.stride, for: "the rotation's angles")
        _ = inverseFrequencies.update(fromContentsOf: inverse)
    }

    /// Angles a position, as the kernels read them.
    var inverseFrequencies: UnsafeMutableBufferPointer<Double> {
        UnsafeMutableBufferPointer(
            start: frequencies.base.assumingMemoryBound(to: Double.self), count: spec.rope.dimensions / 2)
    }

    /// All tensors, checked, with their places in memory.
    private struct Binding {
        let spec: DecoderSpec
        var plan: WeightPlan
        let embedding, output: Matrix
        let outputNorm: Vector
        let ropeFactors: Vector?
        private(set) var layers: [Layer] = []

        init(_ file: GGUFFile) throws(ApusError) {
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
            output = try plan.optionalMatrix("output.weight", rows: embedding.rows, cols: spec.dim) ?? embedding
            ropeFactors = try plan.optionalVector("rope_freqs.weight", count: spec.rope.dimensions / 2)
            for index in 0..<spec.layers { layers.append(try Layer(&plan, spec, prefix: "blk.\(index).")) }
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
                .format, "\(path): tensor 'rope_freqs.weight' holds \(wrong), wanted: numbers above 0")
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

    /// A matrix with the bias that may stand beside it.
    mutating func linear(_ name: String, rows: Int, cols: Int) throws(ApusError) -> DecoderWeights.Linear {
        DecoderWeights.Linear(
            matrix: try matrix("\(name).weight", rows: rows, cols: cols),
            bias: try optionalVector("\(name).bias", count: rows))
    }
}

extension DecoderWeights.Layer {
    init(_ plan: inout WeightPlan, _ spec: DecoderSpec, prefix: String) throws(ApusError) {
        let queryDim = spec.heads * spec.headDim
        attentionNorm = try plan.vector("\(prefix)attn_norm.weight", count: spec.dim)
        query = try plan.linear("\(prefix)attn_q", rows: queryDim, cols: spec.dim)
        key = try plan.linear("\(prefix)attn_k", rows: spec.kvHeads * spec.headDim, cols: spec.dim)
        value = try plan.linear("\(prefix)attn_v", rows: spec.kvHeads * spec.valueDim, cols: spec.dim)
        attentionOutput = try plan.linear("\(prefix)attn_output", rows: spec.dim, cols: spec.heads * spec.valueDim)
        feedForwardNorm = try plan.vector("\(prefix)ffn_norm.weight", count: spec.dim)
        gate = try plan.linear("\(prefix)ffn_gate", rows: spec.hiddenDim, cols: spec.dim)
        up = try plan.linear("\(prefix)ffn_up", rows: spec.hiddenDim, cols: spec.dim)
        down = try plan.linear("\(prefix)ffn_down", rows: spec.dim, cols: spec.hiddenDim)
    }
}
