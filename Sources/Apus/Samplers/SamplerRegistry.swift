// The registry: a new sampler is a file beside this one and a line here.

/// The samplers that options can name, in the default order, which is llama.cpp's.
enum SamplerRegistry {
    /// Makes a sampler from options; nil where they say that it has no effect.
    typealias Builder = @Sendable (SamplingOptions) -> (any Sampler)?

    static let entries: [(name: String, build: Builder)] = [
        ("penalties", { $0.penalties }),
        ("dry", { $0.dry }),
        ("top_n_sigma", { $0.topNSigma > 0 ? TopNSigma($0.topNSigma) : nil }),
        ("top_k", { $0.topK > 0 ? TopK($0.topK) : nil }),
        ("typ_p", { $0.typicalP < 1 ? TypicalP($0.typicalP) : nil }),
        ("top_p", { $0.topP < 1 ? TopP($0.topP) : nil }),
        ("min_p", { $0.minP > 0 ? MinP($0.minP) : nil }),
        ("xtc", { $0.xtcProbability > 0 ? XTC(probability: $0.xtcProbability, threshold: $0.xtcThreshold) : nil }),
        ("temperature", { $0.dynamicTemperature ?? $0.plainTemperature }),
    ]

    /// Stands before those that options name, whatever they name.
    static let first: Builder = { $0.logitBias.isEmpty ? nil : LogitBias($0.logitBias) }

    /// Where it is on, it comes after the first one and takes the place of those that options name.
    static let ending: @Sendable (SamplingOptions) -> [any Sampler]? = { $0.mirostatChain }

    static let names = entries.map(\.name)

    /// Other ways in which llama.cpp writes some names.
    static let aliases = [
        "typ": "typ_p", "typical": "typ_p", "typical_p": "typ_p", "nucleus": "top_p", "temp": "temperature",
    ]

    /// The sampler of a name; nil when there is none.
    static func builder(named name: String) -> Builder? {
        let plain = String(name.map { $0 == "-" ? "_" : $0 })
        let found = aliases[plain] ?? plain
        return entries.first { $0.name == found }?.build
    }

    /// The samplers that options describe, in order.
    static func samplers(for options: SamplingOptions) -> [any Sampler] {
        let named = { options.samplers.compactMap { builder(named: $0)?(options) } }
        return [first(options)].compactMap { $0 } + (ending(options) ?? named())
    }
}

extension SamplingOptions {
    fileprivate var penalties: Penalties? {
        guard repeatLastN != 0, repeatPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 else { return nil }
        return Penalties(
            repetition: repeatPenalty, presence: presencePenalty, frequency: frequencyPenalty, lastCount: repeatLastN)
    }

    fileprivate var dry: DRY? {
        guard usesDRY else { return nil }
        return DRY(
            multiplier: dryMultiplier, base: dryBase, allowedLength: dryAllowedLength, lastCount: dryPenaltyLastN,
            breakers: dryBreakers)
    }

    fileprivate var plainTemperature: (any Sampler)? { temperature != 1 ? Temperature(temperature) : nil }

    fileprivate var dynamicTemperature: (any Sampler)? {
        guard dynatempRange > 0 else { return nil }
        return DynamicTemperature(temperature: temperature, range: dynatempRange, exponent: dynatempExponent)
    }

    /// Mirostat does the narrowing itself; of the other samplers llama.cpp leaves the temperature.
    fileprivate var mirostatChain: [any Sampler]? {
        guard mirostat == 2 else { return nil }
        return [plainTemperature].compactMap { $0 } + [Mirostat(tau: mirostatTau, eta: mirostatEta)]
    }
}
