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
        switch (architecture, spec.layers) {
        case ("llama", 16), ("llama", 22): return "1B"
        case ("llama", 26), ("llama", 28): return "3B"
        case ("llama", 30): return "256M"
        case ("llama", 32): return vocabulary == 49152 ? "3B" : vocabulary < 40000 ? "7B" : "8B"
        case ("llama", 36): return "8B"
        case ("llama", 40): return "13B"
        case ("llama", 48): return "34B"
        case ("llama", 60): return "30B"
        case ("llama", 80): return spec.heads == spec.kvHeads ? "65B" : "70B"
        case ("qwen2", 24): return spec.dim == 1024 ? "0.5B" : "1B"
        case ("qwen2", 28): return spec.dim == 1536 ? "1.5B" : "7B"
        case ("qwen2", 32): return "7B"
        case ("qwen2", 36): return "3B"
        case ("qwen2", 40): return spec.heads == 20 ? "4B" : "13B"
        case ("qwen2", 48): return "14B"
        case ("qwen2", 64): return "32B"
        case ("qwen2", 80): return "70B"
        case ("qwen3", 28): return spec.dim == 1024 ? "0.6B" : "1.7B"
        case ("qwen3", 36): return spec.dim == 2560 ? "4B" : "8B"
        case ("qwen3", 40): return "14B"
        case ("qwen3", 64): return "32B"
        case ("gemma3", 18): return "270M"
        case ("gemma3", 26): return "1B"
        case ("gemma3", 32): return "8B"
        case ("gemma3", 34): return "4B"
        case ("gemma3", 48): return "12B"
        case ("gemma3", 62): return "27B"
        case ("phi3", 24): return "1B"
        case ("phi3", 32): return "3B"
        case ("phi3", 40): return "14B"
        case ("smollm3", 36): return "3B"
        default: return nil
        }
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
