internal import CKernels

/// What a step cannot do without: the bytes it reads and the products it adds up, each counted once. A measured time is
/// held against what the machine takes for that.
public struct DecoderCost: Sendable {
    /// Bytes and multiply-adds.
    public struct Work: Sendable, Hashable {
        /// Bytes of weights and cache that are read.
        public var bytes = 0.0
        /// Multiply-adds of quantized weights, which the kernels do with int8.
        public var int8MACs = 0.0
        /// Multiply-adds of weights that meet bf16 activations.
        public var bf16MACs = 0.0
        /// Multiply-adds of other float weights and of attention, which the kernels do with f32.
        public var floatMACs = 0.0

        /// No work.
        public init() {}

        /// Multiply-adds of all kinds.
        public var macs: Double { int8MACs + bf16MACs + floatMACs }

        /// Adds work.
        ///
        /// - Parameters:
        ///   - sum: Some work.
        ///   - other: The work to add.
        public static func += (sum: inout Work, other: Work) {
            sum.bytes += other.bytes
            sum.int8MACs += other.int8MACs
            sum.bf16MACs += other.bf16MACs
            sum.floatMACs += other.floatMACs
        }
    }

    /// Tokens of one sequence in a step.
    public struct Piece: Sendable, Hashable {
        /// Positions that the sequence has before the step.
        public var position: Int
        /// How many tokens follow.
        public var tokens: Int
        /// For how many of them logits are computed.
        public var logits: Int

        /// A piece of a step.
        ///
        /// - Parameters:
        ///   - position: Positions that the sequence has before the step.
        ///   - tokens: How many tokens follow.
        ///   - logits: For how many of them logits are computed.
        public init(position: Int, tokens: Int, logits: Int) {
            self.position = position
            self.tokens = tokens
            self.logits = logits
        }
    }

    /// Multiply-adds of the layers' weights, a token.
    private var layers = Work()
    /// Multiply-adds of the output matrix, a token; the bytes of reading it once.
    private var head = Work()
    /// Bytes of a row of an embedding that is not read as the output matrix anyway.
    private let embeddingRowBytes: Double
    private let spec: DecoderSpec

    /// Adds up a model.
    ///
    /// - Parameter weights: The model.
    public init(_ weights: DecoderWeights) {
        spec = weights.spec
        embeddingRowBytes =
            weights.output.matrix.offset == weights.embedding.offset ? 0 : Double(weights.embeddingRowBytes)
        for layer in weights.layers {
            for linear in [
                layer.query, layer.key, layer.value, layer.attentionOutput, layer.gate, layer.up, layer.down,
            ] {
                layers.add(linear.matrix)
            }
        }
        layers.bytes = Double(weights.bytesPerToken - weights.headBytes) - embeddingRowBytes
        head.add(weights.output.matrix)
        head.bytes = Double(weights.headBytes)
    }

    /// The work of a step.
    ///
    /// - Parameter pieces: The tokens of each sequence.
    /// - Returns: The weights once, the cache once for each sequence, the products for each token.
    public func step(_ pieces: [Piece]) -> Work {
        var work = Work()
        work.bytes = layers.bytes
        var logits = 0
        for piece in pieces {
            let tokens = Double(piece.tokens)
            work.int8MACs += layers.int8MACs * tokens
            work.bf16MACs += layers.bf16MACs * tokens
            work.floatMACs += layers.floatMACs * tokens
            work.bytes += embeddingRowBytes * tokens
            logits += piece.logits
            addAttention(piece, to: &work)
        }
        if logits > 0 {
            work.bytes += head.bytes
            work.int8MACs += head.int8MACs * Double(logits)
            work.bf16MACs += head.bf16MACs * Double(logits)
            work.floatMACs += head.floatMACs * Double(logits)
        }
        return work
    }

    private func addAttention(_ piece: Piece, to work: inout Work) {
        let windowed = (0..<spec.layers).count { spec.hasWindow(layer: $0) }
        for (count, window) in [(spec.layers - windowed, Int.max), (windowed, spec.window)] where count > 0 {
            var visible = 0.0
            for token in 0..<piece.tokens { visible += Double(min(piece.position + token + 1, window)) }
            let width = Double(spec.headDim + spec.valueDim) * Double(count)
            work.floatMACs += visible * Double(spec.heads) * width
            // What any of the tokens sees: themselves, and what the first of them looks back on.
            let read = min(piece.position, window - 1) + piece.tokens
            work.bytes += Double(read) * Double(spec.kvHeads) * width * 2
        }
    }
}

extension DecoderCost.Work {
    /// Adds a matrix's multiply-adds.
    fileprivate mutating func add(_ matrix: Matrix) {
        let macs = Double(matrix.rows) * Double(matrix.cols)
        switch apus_quant_act_format(matrix.quant) {
        case APUS_ACT_Q8: int8MACs += macs
        case APUS_ACT_F32: floatMACs += macs
        default: bf16MACs += macs
        }
    }
}
