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
        spec.hasFusedGate = true
        spec.window = try metadata.optionalInt("\(name).attention.sliding_window", in: 0...Int(Int32.max)) ?? 0
        // Its converter writes the factors without a type of scaling.
        if try metadata.optionalString("\(name).rope.scaling.type") == nil, spec.rope.scaling == .none {
            spec.rope.scaling = .longRope(
                originalContext: try metadata.originalContext(name, contextLength: spec.contextLength))
        }
        return spec
    }
}
