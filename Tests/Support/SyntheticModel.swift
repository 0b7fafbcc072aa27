// Models of a few hundred kilobytes with random weights, of the architecture, shapes and types that a test asks for.

public import ApusGGUF
public import ApusModel
import Foundation

/// A model's shapes and types; the file exists only while it is being read.
public struct SyntheticModel: Sendable {
    /// The value of `general.architecture`.
    public var architecture = "llama"
    /// Width of the residual stream.
    public var dim = 96
    /// Query heads, and heads of keys and values.
    public var heads = 6, kvHeads = 2
    /// Dimensions of a head of queries and keys, and of values.
    public var headDim = 32, valueDim = 32
    /// Width of the feed-forward's inner layer.
    public var hidden = 160
    /// Number of layers.
    public var layers = 2
    /// Number of tokens.
    public var vocabulary = 203
    /// Positions that the model is for.
    public var context = 2048
    /// Type of the matrices; the vectors are F32.
    public var type = GGMLType.q8_0
    /// Type of the embedding, which is the output too.
    public var embeddingType = GGMLType.q8_0
    /// Whether every linear layer has a bias.
    public var hasBiases = false
    /// Fields to add, or to have another value than they would.
    public var metadata: [(String, Metadata.Value)] = []
    /// Tensors of F32 to add.
    public var extra: [(name: String, shape: [Int])] = []
    /// Leaves a tensor out, or gives it another shape.
    public var change: @Sendable (String, [Int]) -> [Int]? = { $1 }

    /// A model; `adjust` sets what is to be special.
    public init(_ adjust: (inout SyntheticModel) -> Void = { _ in }) { adjust(&self) }

    /// Loads the model.
    public func load(threads: Int = 2) throws(ApusError) -> DecoderWeights {
        try withFile { file throws(ApusError) in try DecoderWeights(file, threads: threads) }
    }

    /// Writes the file, opens it, and removes it at the end.
    public func withFile<R>(_ body: (GGUFFile) throws(ApusError) -> R) throws(ApusError) -> R {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID()).gguf").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try write(to: path)
        return try body(GGUFFile(path: path))
    }

    /// What the file says of the model.
    private var fields: [(key: String, value: Metadata.Value)] {
        let sizes = [
            ("block_count", layers), ("context_length", context), ("embedding_length", dim),
            ("feed_forward_length", hidden), ("attention.head_count", heads), ("attention.head_count_kv", kvHeads),
            ("attention.key_length", headDim), ("attention.value_length", valueDim),
        ]
        var fields: [(key: String, value: Metadata.Value)] = [("general.architecture", .string(architecture))]
        fields += sizes.map { ("\(architecture).\($0.0)", .uint32(UInt32($0.1))) }
        fields.append(("\(architecture).attention.layer_norm_rms_epsilon", .float32(1e-5)))
        for (key, value) in metadata {
            fields.removeAll { $0.key == key }
            fields.append((key, value))
        }
        return fields
    }

    private func write(to path: String) throws(ApusError) {
        var writer = try GGUFWriter()
        // A set of 256 bytes is not needed: these tokens are only counted.
        writer.set("tokenizer.ggml.model", .string("gpt2"))
        writer.set("tokenizer.ggml.pre", .string("gpt-2"))
        writer.set("tokenizer.ggml.tokens", .strings(GGUFStringArray((0..<vocabulary).map { "t\($0)" })))
        writer.set("tokenizer.ggml.merges", .strings(GGUFStringArray([String]())))
        // Last, so that a test can have another vocabulary.
        for (key, value) in fields { writer.set(key, value) }
        // Which tensors there are; a test of fields that are wrong gets those of Llama.
        let spec = try? Architectures.spec(Metadata(fields))
        let isFused = spec?.hasFusedGate == true
        var random = RandomBytes()
        func add(_ name: String, _ shape: [Int], _ type: GGMLType, scale: Float = 0.2) throws(ApusError) {
            guard let shape = change(name, shape) else { return }
            try writer.addTensor(name, shape: shape, type: type, data: random.tensor(shape, type, scale: scale))
        }
        func linear(_ name: String, rows: Int, cols: Int) throws(ApusError) {
            try add("\(name).weight", [cols, rows], type)
            if hasBiases { try add("\(name).bias", [rows], .f32) }
        }
        try add("token_embd.weight", [dim, vocabulary], embeddingType, scale: 1)
        if case .longRope = spec?.rope.scaling {
            for kind in ["long", "short"] {
                try add("rope_factors_\(kind).weight", [headDim / 2], .f32, scale: kind == "long" ? -4 : -1)
            }
        }
        try add("output_norm.weight", [dim], .f32, scale: 1)
        for (name, shape) in extra { try add(name, shape, .f32) }
        for layer in 0..<layers {
            let prefix = "blk.\(layer)."
            try add(prefix + "attn_norm.weight", [dim], .f32, scale: 1)
            if isFused {
                let rows = (heads + kvHeads) * headDim + kvHeads * valueDim
                try add(prefix + "attn_qkv.weight", [dim, rows], type)
            } else {
                try linear(prefix + "attn_q", rows: heads * headDim, cols: dim)
                try linear(prefix + "attn_k", rows: kvHeads * headDim, cols: dim)
                try linear(prefix + "attn_v", rows: kvHeads * valueDim, cols: dim)
            }
            if spec?.hasHeadNorms == true {
                try add(prefix + "attn_q_norm.weight", [headDim], .f32, scale: 1)
                try add(prefix + "attn_k_norm.weight", [headDim], .f32, scale: 1)
            }
            if spec?.hasPostNorms == true {
                try add(prefix + "post_attention_norm.weight", [dim], .f32, scale: 1)
                try add(prefix + "post_ffw_norm.weight", [dim], .f32, scale: 1)
            }
            try linear(prefix + "attn_output", rows: dim, cols: heads * valueDim)
            try add(prefix + "ffn_norm.weight", [dim], .f32, scale: 1)
            if isFused {
                try add(prefix + "ffn_up.weight", [dim, 2 * hidden], type)
            } else {
                try linear(prefix + "ffn_gate", rows: hidden, cols: dim)
                try linear(prefix + "ffn_up", rows: hidden, cols: dim)
            }
            try linear(prefix + "ffn_down", rows: dim, cols: hidden)
        }
        try writer.write(to: path)
    }
}

/// Deterministic random weights.
private struct RandomBytes {
    private var state: UInt64 = 7

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 24
    }

    /// Uniform in -scale … scale; for a negative scale 1 … 1 - 2 scale, as factors must be positive.
    mutating func tensor(_ shape: [Int], _ type: GGMLType, scale: Float) -> [UInt8] {
        let count = shape.reduce(1, *)
        var data: [UInt8] = []
        if type == .f32 {
            for _ in 0..<count {
                let uniform = Float(next() & 0xFFFF) / 32768 - 1
                let value = scale < 0 ? 1 - scale * (uniform + 1) : uniform * scale
                withUnsafeBytes(of: value) { data += $0 }
            }
            return data
        }
        for _ in 0..<count / type.blockSize {
            // Every type used here begins with an f16 scale; the codes are any bytes.
            withUnsafeBytes(of: Float16(scale / 64).bitPattern) { data += $0 }
            for _ in 2..<type.blockBytes { data.append(UInt8(truncatingIfNeeded: next())) }
        }
        return data
    }
}
