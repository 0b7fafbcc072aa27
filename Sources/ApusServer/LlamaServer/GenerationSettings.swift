internal import Apus
internal import ApusJSON

/// How a reply is generated, in llama-server's words.
enum GenerationSettings {
    /// The members.
    ///
    /// - Parameters:
    ///   - request: What the engine is asked for.
    ///   - isStreamed: Whether the reply comes in pieces.
    ///   - probabilities: How many likeliest tokens the reply has for each of its own.
    ///   - seed: What started the random generator; nil for one that nobody knows yet.
    static func json(
        _ request: EngineRequest, isStreamed: Bool, probabilities: Int = 0, timesTokens: Bool = false, seed: UInt64?
    ) -> JSONValue {
        let sampling = request.sampling
        let limit = JSONValue.int(request.generation.maxTokens ?? -1)
        let bias = sampling.logitBias.sorted { $0.key < $1.key }.map { token, bias -> JSONValue in
            ["bias": bias.isFinite ? .double(Double(bias)) : .bool(false), "token": .int(Int(token))]
        }
        return [
            "seed": seed.map { .int(Int(bitPattern: UInt($0))) } ?? -1,
            "temperature": number(sampling.temperature), "dynatemp_range": number(sampling.dynatempRange),
            "dynatemp_exponent": number(sampling.dynatempExponent), "top_k": .int(sampling.topK),
            "top_p": number(sampling.topP), "min_p": number(sampling.minP), "top_n_sigma": number(sampling.topNSigma),
            "xtc_probability": number(sampling.xtcProbability), "xtc_threshold": number(sampling.xtcThreshold),
            "typical_p": number(sampling.typicalP), "repeat_last_n": .int(sampling.repeatLastN),
            "repeat_penalty": number(sampling.repeatPenalty), "presence_penalty": number(sampling.presencePenalty),
            "frequency_penalty": number(sampling.frequencyPenalty),
            "dry_multiplier": number(sampling.dryMultiplier), "dry_base": number(sampling.dryBase),
            "dry_allowed_length": .int(sampling.dryAllowedLength),
            "dry_penalty_last_n": .int(sampling.dryPenaltyLastN), "mirostat": .int(sampling.mirostat),
            "mirostat_tau": number(sampling.mirostatTau), "mirostat_eta": number(sampling.mirostatEta),
            "stop": .array(request.generation.stops.map(JSONValue.string)), "max_tokens": limit, "n_predict": limit,
            "n_keep": 0, "n_discard": 0, "ignore_eos": .bool(request.generation.ignoresEndOfGeneration),
            "stream": .bool(isStreamed), "logit_bias": .array(bias), "n_probs": .int(probabilities), "min_keep": 0,
            "grammar": "", "samplers": .array(sampling.samplers.map(JSONValue.string)),
            "timings_per_token": .bool(timesTokens), "post_sampling_probs": false, "lora": [],
        ]
    }

    /// A number of 32 bits with as few digits as tell it.
    private static func number(_ value: Float) -> JSONValue { .double(Double(value.description) ?? Double(value)) }
}
