internal import ApusGGUF

/// Qwen3, dense: Llama with an RMSNorm on every query and key head.
///
/// Yang et al. 2025, arXiv:2505.09388.
enum Qwen3: Architecture {
    static let names = ["qwen3"]

    static func spec(_ metadata: Metadata, name: String) throws(ApusError) -> DecoderSpec {
        var spec = try DecoderSpec(metadata, prefix: name)
        spec.ropeLayout = .halves
        spec.hasHeadNorms = true
        return spec
    }
}
