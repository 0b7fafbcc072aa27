package import Apus
internal import ApusJSON

/// What a request of OpenAI's says of the form of the reply.
package struct ReplyOptions: Sendable {
    /// Whether it comes in pieces.
    package let isStreamed: Bool
    /// Whether the last piece tells what the reply took.
    package let includesUsage: Bool
    /// Whether a chat reply has log probabilities.
    package let logProbabilities: Bool
    /// Whether a stream tells how far the prompt has come, as llama-server's does.
    package let returnsProgress: Bool

    /// Reads them.
    ///
    /// - Throws: 400 with the parameter.
    package init(_ fields: Fields) throws(RequestError) {
        isStreamed = try fields.bool("stream") ?? false
        includesUsage = try fields.fields("stream_options")?.bool("include_usage") ?? false
        returnsProgress = try fields.bool("return_progress") ?? false
        // Legacy completions have a number here.
        logProbabilities = fields.value("logprobs") == .bool(true)
    }

    /// How many likeliest tokens a chat reply has for each of its own; nil when no log probabilities are wanted.
    ///
    /// - Throws: 400 with the parameter.
    package func chatLogProbabilities(_ fields: Fields, use: ModelUse) throws(RequestError) -> Int? {
        _ = try fields.bool("logprobs")
        let most = min(128, use.model.vocabularySize)
        let top = try fields.int("top_logprobs", in: 0...most)
        guard logProbabilities else {
            if let top, top > 0 {
                throw .invalid("top_logprobs", "top_logprobs is \(top), which needs logprobs to be true")
            }
            return nil
        }
        return top ?? 0
    }

    /// How many likeliest tokens a text reply has for each of its own; nil when no log probabilities are wanted.
    ///
    /// - Throws: 400 with the parameter.
    package func textLogProbabilities(_ fields: Fields, use: ModelUse) throws(RequestError) -> Int? {
        if case .bool(let flag)? = fields.value("logprobs") { return flag ? 1 : nil }
        return try fields.int("logprobs", in: 0...min(128, use.model.vocabularySize))
    }
}

extension EngineRequest {
    /// Reads what OpenAI's and llama-server's requests say of how a prompt is continued: sampling, and what ends it.
    ///
    /// - Throws: 400 with the parameter.
    package mutating func read(_ fields: Fields, use: ModelUse, defaults: RequestDefaults) throws(RequestError) {
        sampling = try SamplingOptions(
            fields, defaults: defaults.sampling, dryBreakers: defaults.dryBreakers, tokenizer: use.tokenizer)
        choices = try fields.int("n", in: 1...Self.maxChoices) ?? 1
        let most = Int(Int32.max)
        let limits = try [
            fields.int("max_completion_tokens", in: -1...most), fields.int("max_tokens", in: -1...most),
            fields.int("n_predict", in: -1...most),
        ]
        // -1 asks for no limit, whatever the server was set up with.
        if let limit = limits.compactMap(\.self).first {
            generation.maxTokens = limit < 0 ? nil : limit
        } else {
            generation.maxTokens = defaults.maxTokens
        }
        generation.stops = try fields.stops()
        generation.rendersSpecialTokens = defaults.rendersSpecialTokens
        generation.ignoresEndOfGeneration = try fields.bool("ignore_eos") ?? false
        reusesPrefix = try fields.bool("cache_prompt") ?? true
        if let milliseconds = try fields.int("t_max_predict_ms", in: -1...most), milliseconds > 0 {
            maxGenerationDuration = .milliseconds(milliseconds)
        }
    }
}

extension TokenLogProbability.Entry {
    /// The value as JSON can hold it.
    package var jsonValue: Double { value.isFinite ? value : -9999 }
}
