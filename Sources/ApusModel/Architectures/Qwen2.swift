internal import ApusGGUF

/// Qwen2 and Qwen2.5, dense: Llama with biases on q, k and v (read wherever a file has them).
///
/// Yang et al. 2024, arXiv:2407.10671.
enum Qwen2: Architecture {
    static let names = ["qwen2"]

    static func spec(_ metadata: Metadata, name: String) throws(ApusError) -> DecoderSpec {
        var spec = try DecoderSpec(metadata, prefix: name)
        spec.ropeLayout = .halves
        return spec
    }
}
