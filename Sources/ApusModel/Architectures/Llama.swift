internal import ApusGGUF

/// Llama 1 to 3, and the models built like it: Mistral, SmolLM2, TinyLlama, Yi.
///
/// Touvron et al. 2023, arXiv:2302.13971. The converter to GGUF permutes q and k so that neighbours turn together.
enum Llama: Architecture {
    static let names = ["llama"]

    static func spec(_ metadata: Metadata, name: String) throws(ApusError) -> DecoderSpec {
        try DecoderSpec(metadata, prefix: name)
    }
}
