package import Apus
internal import ApusGGUF
internal import ApusJSON
package import ApusTokenizer

extension SamplingOptions {
    /// How tokens are drawn, as a request says: the names of OpenAI, llama-server and Ollama's options.
    ///
    /// - Parameters:
    ///   - fields: The request, or its `options`.
    ///   - defaults: What counts where it says nothing.
    ///   - dryBreakers: The texts that end a repetition where it says nothing.
    ///   - tokenizer: The model's.
    /// - Throws: 400 with the parameter.
    package init(
        _ fields: Fields, defaults: SamplingOptions, dryBreakers standard: [String] = DRYBreakers.standard,
        tokenizer: any Tokenizer
    ) throws(RequestError) {
        self = defaults
        for (name, path) in Self.floats {
            if let value = try fields.double(name) { self[keyPath: path] = Float(value) }
        }
        for (name, path, range) in Self.ints {
            if let value = try fields.int(name, in: range) { self[keyPath: path] = value }
        }
        if let value = try fields.int("seed", in: .min ... .max) {
            seed = value == -1 ? nil : UInt64(bitPattern: Int64(value))
        }
        if let bias = fields.value("logit_bias") {
            logitBias = try Self.logitBias(bias, fields, tokenizer: tokenizer)
        }
        // As many as are applied to every token of everybody.
        if let names = try fields.strings("samplers", most: 32) { samplers = names }
        if usesDRY {
            let breakers = try fields.strings("dry_sequence_breakers", most: 32) ?? standard
            dryBreakers = DRYBreakers.sequences(of: breakers, in: tokenizer)
        }
        do {
            try validate()
        } catch {
            // The message begins with the parameter's name.
            let name = error.message.prefix { $0 != " " }
            throw .invalid(fields.path(String(name)), fields.path(error.message), code: "invalid_value")
        }
    }

    /// The names that a request's sampling parameters have.
    package static var fieldNames: [String] {
        floats.map(\.0) + ints.map(\.0) + ["seed", "logit_bias", "samplers", "dry_sequence_breakers"]
    }

    private static var floats: [(String, WritableKeyPath<SamplingOptions, Float>)] {
        [
            ("temperature", \.temperature), ("top_p", \.topP), ("min_p", \.minP), ("typical_p", \.typicalP),
            ("top_n_sigma", \.topNSigma), ("dynatemp_range", \.dynatempRange),
            ("dynatemp_exponent", \.dynatempExponent), ("xtc_probability", \.xtcProbability),
            ("xtc_threshold", \.xtcThreshold), ("repeat_penalty", \.repeatPenalty),
            ("presence_penalty", \.presencePenalty), ("frequency_penalty", \.frequencyPenalty),
            ("dry_multiplier", \.dryMultiplier), ("dry_base", \.dryBase), ("mirostat_tau", \.mirostatTau),
            ("mirostat_eta", \.mirostatEta),
        ]
    }

    private static var ints: [(String, WritableKeyPath<SamplingOptions, Int>, ClosedRange<Int>)] {
        let most = Int(Int32.max)
        return [
            ("top_k", \.topK, -most...most), ("repeat_last_n", \.repeatLastN, -1...most),
            ("dry_allowed_length", \.dryAllowedLength, 0...most), ("dry_penalty_last_n", \.dryPenaltyLastN, -1...most),
            ("mirostat", \.mirostat, 0...2),
        ]
    }

    /// An object of ids and numbers (OpenAI), or an array of pairs of an id or text and a number or `false` (llama-server).
    private static func logitBias(
        _ value: JSONValue, _ fields: Fields, tokenizer: any Tokenizer
    ) throws(RequestError) -> [Int32: Float] {
        var result: [Int32: Float] = [:]
        func add(_ id: Int?, _ bias: JSONValue, at place: String) throws(RequestError) {
            guard let id, id >= 0, id < tokenizer.vocabularySize else {
                throw .invalid(
                    fields.path("logit_bias"),
                    "\(fields.path(place)) names no token, wanted: an id of 0 to \(tokenizer.vocabularySize - 1)",
                    code: "invalid_value")
            }
            if bias == .bool(false) {
                result[Int32(id)] = -.infinity
            } else if let number = bias.number, abs(number) <= 1e30 {
                result[Int32(id), default: 0] += Float(number)
            } else {
                throw fields.wrong(place, bias, wanted: "a number")
            }
        }
        switch value {
        case .object(let members):
            for member in members {
                try add(Int(member.name), member.value, at: "logit_bias[\(ApusError.quoted(member.name, limit: 20))]")
            }
        case .array(let pairs):
            for (index, pair) in pairs.enumerated() {
                guard case .array(let elements) = pair, elements.count == 2 else {
                    throw fields.wrong("logit_bias[\(index)]", pair, wanted: "an array of a token and a number")
                }
                if case .string(let text) = elements[0] {
                    guard text.utf8.count <= 1024 else {
                        throw fields.wrong(
                            "logit_bias[\(index)][0]", elements[0], wanted: "a text of at most 1024 bytes")
                    }
                    for id in tokenizer.encode(text, addSpecial: false, parseSpecial: false) {
                        try add(Int(id), elements[1], at: "logit_bias[\(index)]")
                    }
                } else {
                    try add(elements[0].wholeNumber, elements[1], at: "logit_bias[\(index)]")
                }
            }
        default: throw fields.wrong("logit_bias", value, wanted: "an object of token ids and numbers")
        }
        return result
    }
}
