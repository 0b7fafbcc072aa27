internal import ApusGGUF

/// Phi-3, Phi-3.5 and Phi-4 mini, dense: Llama with q, k and v in one tensor, and gate and up in another.
///
/// Abdin et al. 2024, arXiv:2404.14219. Long contexts by LongRoPE, whose factors are chosen once, by the context that the
/// engine is created with: as soon as positions of both kinds met in a cache, keys would not fit queries.
enum Phi3: Architecture {
    static let names = ["phi3"]

    static func spec(_ metadata: Metadata, name: String) throws(ApusError) -> DecoderSpec {
        var spec = try DecoderSpec(metadata, prefix: name)
        spec.ropeLayout = .halves
        spec.isFused = true
        spec.window = try metadata.optionalInt("\(name).attention.sliding_window", in: 0...Int(Int32.max)) ?? 0
        let original = try metadata.optionalInt(
            "\(name).rope.scaling.original_context_length", in: 1...Int(Int32.max))
        if let original, spec.rope.scaling == .none { spec.rope.scaling = .longRope(originalContext: original) }
        return spec
    }
}
