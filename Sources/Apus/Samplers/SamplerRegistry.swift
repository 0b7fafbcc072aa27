// The registry: a new sampler is a file beside this one and a line here.

/// The samplers that options can name, in the default order, which is llama.cpp's.
enum SamplerRegistry {
    /// Makes a sampler from options; nil where they say that it has no effect.
    typealias Builder = @Sendable (SamplingOptions) -> (any Sampler)?

    static let entries: [(name: String, build: Builder)] = [
        ("penalties", { $0.penalties }),
        ("top_k", { $0.topK > 0 ? TopK($0.topK) : nil }),
        ("top_p", { $0.topP < 1 ? TopP($0.topP) : nil }),
        ("min_p", { $0.minP > 0 ? MinP($0.minP) : nil }),
        ("temperature", { $0.temperature != 1 ? Temperature($0.temperature) : nil }),
    ]

    static let names = entries.map(\.name)
}

extension SamplingOptions {
    fileprivate var penalties: Penalties? {
        guard repeatLastN != 0, repeatPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 else { return nil }
        return Penalties(
            repetition: repeatPenalty, presence: presencePenalty, frequency: frequencyPenalty, lastCount: repeatLastN)
    }
}
