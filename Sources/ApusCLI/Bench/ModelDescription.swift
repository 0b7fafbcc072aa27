// What a model is called in benchmarks: "llama 1B Q4_K - Medium", as llama-bench calls it, so that results join.

import ApusGGUF
import ApusModel

/// What rows say about a model's file.
struct ModelDescription {
    /// llama.cpp's description.
    let type: String
    /// Bytes of all tensors.
    let bytes: Int
    /// Numbers in all tensors.
    let parameters: Int

    init(_ file: GGUFFile, spec: DecoderSpec) {
        let architecture = (try? file.metadata.optionalString("general.architecture")) ?? "?"
        parameters = file.tensors.reduce(0) { $0 &+ $1.elementCount }
        bytes = file.tensors.reduce(0) { $0 &+ $1.byteCount }
        let size = Self.size(architecture, spec, file) ?? Self.size(parameters)
        type = "\(architecture) \(size) \(Self.fileType(file))"
    }

    /// llama.cpp's name of a size, which goes by the number of layers. (SmolLM2 135M has as many as its "256M".)
    private static func size(_ architecture: String, _ spec: DecoderSpec, _ file: GGUFFile) -> String? {
        let vocabulary = file.tensor(named: "token_embd.weight")?.shape.last ?? 0
        return SizeName.all[architecture]?.first {
            $0.layers == spec.layers && $0.dim ?? spec.dim == spec.dim && $0.heads ?? spec.heads == spec.heads
                && $0.vocabulary.contains(vocabulary) && !($0.isUngrouped && spec.heads != spec.kvHeads)
        }?.name
    }

    /// A size from the number of parameters: "135M", "1.2B".
    private static func size(_ parameters: Int) -> String {
        let count = Double(parameters)
        if count >= 9.95e9 { return "\(decimal(count / 1e9, 0))B" }
        if count >= 0.9995e9 { return "\(decimal(count / 1e9, 1))B" }
        if count >= 0.9995e6 { return "\(decimal(count / 1e6, 0))M" }
        return "\(decimal(count / 1e3, 0))K"
    }

    /// The name of the mixture of types that the file says it is, or else of the type that takes most of it.
    private static func fileType(_ file: GGUFFile) -> String {
        if let number = try? file.metadata.optionalInt("general.file_type"), let name = fileTypes[number] {
            return name
        }
        var bytes: [GGMLType: Int] = [:]
        for tensor in file.tensors { bytes[tensor.type, default: 0] &+= tensor.byteCount }
        return bytes.max { ($0.value, $1.key.name) < ($1.value, $0.key.name) }?.key.name ?? "?"
    }

    /// GGUF's `general.file_type`, as llama.cpp names them.
    private static let fileTypes = [
        0: "all F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K - Medium",
        11: "Q3_K - Small", 12: "Q3_K - Medium", 13: "Q3_K - Large", 14: "Q4_K - Small", 15: "Q4_K - Medium",
        16: "Q5_K - Small", 17: "Q5_K - Medium", 18: "Q6_K", 21: "Q2_K - Small", 25: "IQ4_NL - 4.5 bpw",
        30: "IQ4_XS - 4.25 bpw", 32: "BF16", 38: "MXFP4 MoE",
    ]
}

/// A name and what a model has that is called so; of several that fit the first counts.
private struct SizeName {
    let layers: Int
    let name: String
    var dim: Int?
    var heads: Int?
    var vocabulary = 0...Int.max
    /// Whether each query head has keys and values of its own.
    var isUngrouped = false

    init(_ layers: Int, _ name: String) {
        self.layers = layers
        self.name = name
    }

    private func with(_ change: (inout SizeName) -> Void) -> SizeName {
        var copy = self
        change(&copy)
        return copy
    }

    /// By `general.architecture`.
    static let all = [
        "llama": [
            SizeName(16, "1B"), SizeName(22, "1B"), SizeName(26, "3B"), SizeName(28, "3B"), SizeName(30, "256M"),
            SizeName(32, "3B").with { $0.vocabulary = 49152...49152 },
            SizeName(32, "7B").with { $0.vocabulary = 0...39999 },
            SizeName(32, "8B"), SizeName(36, "8B"), SizeName(40, "13B"), SizeName(48, "34B"), SizeName(60, "30B"),
            SizeName(80, "65B").with { $0.isUngrouped = true }, SizeName(80, "70B"),
        ],
        "qwen2": [
            SizeName(24, "0.5B").with { $0.dim = 1024 }, SizeName(24, "1B"),
            SizeName(28, "1.5B").with { $0.dim = 1536 }, SizeName(28, "7B"), SizeName(32, "7B"), SizeName(36, "3B"),
            SizeName(40, "4B").with { $0.heads = 20 }, SizeName(40, "13B"), SizeName(48, "14B"),
            SizeName(64, "32B"), SizeName(80, "70B"),
        ],
        "qwen3": [
            SizeName(28, "0.6B").with { $0.dim = 1024 }, SizeName(28, "1.7B"),
            SizeName(36, "4B").with { $0.dim = 2560 }, SizeName(36, "8B"), SizeName(40, "14B"), SizeName(64, "32B"),
        ],
        "gemma2": [SizeName(26, "2B"), SizeName(42, "9B"), SizeName(46, "27B")],
        "gemma3": [
            SizeName(18, "270M"), SizeName(26, "1B"), SizeName(32, "8B"), SizeName(34, "4B"), SizeName(48, "12B"),
            SizeName(62, "27B"),
        ],
        "phi3": [SizeName(24, "1B"), SizeName(32, "3B"), SizeName(40, "14B")],
        "smollm3": [SizeName(36, "3B")],
    ]
}
