internal import ApusGGUF

/// SmolLM3: Llama whose every fourth layer does not rotate queries and keys.
///
/// Hugging Face 2025; layers without rotation (NoPE): Yang et al. 2025, arXiv:2501.18795. The converter to GGUF permutes q and
/// k of all layers as it does Llama's. No field of a file says which layers do not rotate.
enum SmolLM3: Architecture {
    static let names = ["smollm3"]

    static func spec(_ metadata: Metadata, name: String) throws(ApusError) -> DecoderSpec {
        var spec = try DecoderSpec(metadata, prefix: name)
        spec.rotatedLayers = (1...spec.layers).map { !$0.isMultiple(of: 4) }
        // In `transformers` the layers without rotation may have a window; no converter writes it.
        let window = try metadata.optionalInt("\(name).attention.sliding_window", in: 0...Int(Int32.max)) ?? 0
        guard window == 0 else {
            throw ApusError(
                .unsupported,
                "\(name).attention.sliding_window is \(window), supported: 0 (all layers see all positions)")
        }
        return spec
    }
}
