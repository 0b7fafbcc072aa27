internal import ApusGGUF

/// Gemma 3, text: norms around both blocks and on the heads, five layers with a window to one without, GELU.
///
/// Gemma Team 2025, arXiv:2503.19786. The converter to GGUF adds the 1 of Gemma's norms to their weights.
enum Gemma3: Architecture {
    static let names = ["gemma3"]

    static func spec(_ metadata: Metadata, name: String) throws(ApusError) -> DecoderSpec {
        var spec = try DecoderSpec(metadata, prefix: name)
        spec.ropeLayout = .halves
        spec.activation = .geluTanh
        spec.embeddingScale = Float(spec.dim).squareRoot()
        spec.hasHeadNorms = true
        spec.hasPostNorms = true
        // Without the field all layers see all positions, as in Rnj-1.
        spec.window = try metadata.optionalInt("\(name).attention.sliding_window", in: 0...Int(Int32.max)) ?? 0
        if spec.window > 0 {
            spec.windowedLayers = try metadata.windowedLayers(name, layers: spec.layers, defaultPattern: 6)
            // The file's scaling is that of the other layers alone.
            let windowTheta = try metadata.positive("\(name).rope.freq_base_swa") ?? 10000
            spec.windowRope = RopeParameters(dimensions: spec.rope.dimensions, theta: windowTheta)
        }
        // The largest model scales by the width of a head that it does not have; no field of the file says so.
        if spec.layers == 62 { spec.attentionScale = 1 / (Float(spec.dim) / Float(spec.heads)).squareRoot() }
        return spec
    }
}
