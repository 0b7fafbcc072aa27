internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusTokenizer

/// What a request for llama-server's own kind of completion says.
struct CompletionRequest: Sendable {
    /// What the engine is asked for, a request for each prompt.
    let requests: [EngineRequest]
    /// Whether the reply comes in pieces.
    let isStreamed: Bool
    /// How many likeliest tokens the reply has for each of its own; 0 for no probabilities.
    let probabilities: Int
    /// Whether the reply has its tokens.
    let returnsTokens: Bool
    /// Whether it tells how far the prompt has come.
    let returnsProgress: Bool
    /// Whether every piece has timings.
    let timesTokens: Bool
    /// The place that the client wants the request to have; -1 for any.
    let slot: Int
    /// The members of the reply that are wanted, as paths; none for all.
    let responseFields: [String]

    /// Reads a request.
    ///
    /// - Parameters:
    ///   - fields: The request.
    ///   - use: The model.
    ///   - services: Has the defaults.
    /// - Throws: 400 with the parameter.
    init(_ fields: Fields, use: ModelUse, services: Services) throws(RequestError) {
        try RequestRules.check(fields)
        let unsupported = [
            "post_sampling_probs": try fields.bool("post_sampling_probs") ?? false,
            "lora": try fields.array("lora") != nil,
            "n_indent": try fields.int("n_indent", in: 0...Int.max) ?? 0 > 0,
        ]
        if let name = unsupported.first(where: \.value)?.key {
            throw .unsupported(name, "\(name) is not supported yet")
        }
        // Of a context that moves on when it is full, which is not done here: it ends the reply.
        _ = try fields.int("n_keep", in: -1...Int.max)
        _ = try fields.int("n_discard", in: 0...Int.max)
        _ = try fields.int("n_cache_reuse", in: 0...Int.max)
        _ = try fields.int("min_keep", in: 0...Int.max)
        slot = try fields.int("id_slot", in: -1...Int(Int32.max)) ?? -1
        isStreamed = try fields.bool("stream") ?? false
        returnsTokens = try fields.bool("return_tokens") ?? false
        returnsProgress = try fields.bool("return_progress") ?? false
        timesTokens = try fields.bool("timings_per_token") ?? false
        responseFields = try fields.strings("response_fields") ?? []
        let most = 0...use.model.vocabularySize
        let wanted = [try fields.int("n_probs", in: most), try fields.int("logprobs", in: most)]
        probabilities = wanted.compactMap(\.self).first ?? 0
        var base = EngineRequest(.ids([]))
        try base.read(fields, use: use, defaults: services.configuration.defaults)
        if let choices = try fields.int("n_cmpl", in: 1...EngineRequest.maxChoices) { base.choices = choices }
        if probabilities > 0 { base.logProbabilities = probabilities }
        let prompts = try Self.prompts(fields, use.tokenizer)
        requests = prompts.map { [base] prompt in
            var request = base
            request.prompt = prompt
            return request
        }
    }

    // MARK: Prompts

    /// The most prompts of a request.
    private static let mostPrompts = 2048

    /// Reads `prompt`: a text, token ids, both mixed, an object with `prompt_string`, or an array of these.
    private static func prompts(
        _ fields: Fields, _ tokenizer: any Tokenizer
    ) throws(RequestError) -> [EngineRequest.Prompt] {
        guard let value = fields.value("prompt") else {
            throw fields.missing("prompt", wanted: "a string, an array of token ids, or an array of these")
        }
        guard case .array(let elements) = value, !elements.contains(where: { $0.number != nil }) else {
            return [try prompt(value, "prompt", fields, tokenizer)]
        }
        guard elements.count <= mostPrompts else {
            throw fields.wrong("prompt", value, wanted: "no more than \(mostPrompts) prompts")
        }
        var prompts: [EngineRequest.Prompt] = []
        for (index, element) in elements.enumerated() {
            prompts.append(try prompt(element, "prompt[\(index)]", fields, tokenizer))
        }
        return prompts
    }

    private static func prompt(
        _ value: JSONValue, _ name: String, _ fields: Fields, _ tokenizer: any Tokenizer
    ) throws(RequestError) -> EngineRequest.Prompt {
        switch value {
        case .string(let text): return .text(Array(text.utf8), parseSpecial: true)
        case .array(let parts):
            var ids: [Int32] = []
            for (index, part) in parts.enumerated() {
                if case .string(let text) = part {
                    ids += tokenizer.encode(text, addSpecial: index == 0, parseSpecial: true)
                } else {
                    ids += try fields.ids([part], "\(name)[\(index)]", vocabularySize: tokenizer.vocabularySize)
                }
            }
            return .ids(ids)
        case .object:
            let object = try Fields(value, at: fields.path(name))
            if try object.array("multimodal_data") != nil {
                let path = object.path("multimodal_data")
                throw .unsupported(path, "\(path) is not supported: this model reads nothing but text")
            }
            guard let text = try object.string("prompt_string") else {
                throw object.missing("prompt_string", wanted: "a string")
            }
            return .text(Array(text.utf8), parseSpecial: true)
        default: throw fields.wrong(name, value, wanted: "a string or an array of token ids")
        }
    }
}
