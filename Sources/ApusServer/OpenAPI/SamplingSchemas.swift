internal import ApusJSON

/// How tokens are drawn, as all families have it.
enum SamplingSchemas {
    private static let positive = Schema.number(0...1e30)
    private static let share = Schema.number(0...1)
    private static let any = Schema.number(-1e30...1e30)
    private static let most = Int(Int32.max)

    /// The members of a request, or of its `options`.
    static var members: [JSONValue.Member] {
        let list: KeyValuePairs<String, JSONValue> = [
            "temperature": positive, "dynatemp_range": positive, "dynatemp_exponent": positive,
            "top_k": Schema.integer(-most...most), "top_p": share, "min_p": share, "typical_p": share,
            "top_n_sigma": any, "xtc_probability": share, "xtc_threshold": share,
            "repeat_penalty": Schema.number(1e-30...1e30), "repeat_last_n": Schema.integer(-1...most),
            "presence_penalty": any, "frequency_penalty": any, "dry_multiplier": positive,
            "dry_base": Schema.number(1...1e30), "dry_allowed_length": Schema.integer(0...most),
            "dry_penalty_last_n": Schema.integer(-1...most), "dry_sequence_breakers": texts,
            "mirostat": ["type": "integer", "enum": [0, 2]], "mirostat_tau": positive, "mirostat_eta": positive,
            "seed": Schema.described(Schema.integer(Int.min...Int.max), "-1 takes a random one"),
            "logit_bias": Schema.described(
                Schema.any(
                    of: ["type": "object", "additionalProperties": Schema.number(-1e30...1e30)],
                    Schema.array([
                        "type": "array",
                        "prefixItems": [
                            Schema.any(of: Schema.token, Schema.string),
                            Schema.any(of: Schema.number(-1e30...1e30), ["type": "boolean", "const": false]),
                        ],
                        "minItems": 2, "maxItems": 2,
                    ])), "by token; false bans it"),
            "samplers": texts,
        ]
        return list.map { .init($0, Schema.optional($1)) }
    }

    /// A text or several.
    static let texts = Schema.any(of: Schema.string, Schema.array(Schema.string))

    /// What ends a text, in OpenAI's and llama-server's words.
    static var limits: [JSONValue.Member] {
        let limit = Schema.described(Schema.integer(-1...most), "-1 for no limit but the context")
        let list: KeyValuePairs<String, JSONValue> = [
            "max_tokens": limit, "max_completion_tokens": limit, "n_predict": limit, "stop": texts,
            "ignore_eos": Schema.bool, "cache_prompt": Schema.bool,
            "t_max_predict_ms": Schema.described(
                Schema.integer(-1...most), "ends the reply so long after the prompt; 0 and less does not"),
        ]
        return list.map { .init($0, Schema.optional($1)) }
    }

    /// What a template is told.
    static var template: [JSONValue.Member] {
        let list: KeyValuePairs<String, JSONValue> = [
            "add_generation_prompt": Schema.bool, "continue_final_message": Schema.bool,
            "chat_template_kwargs": ["type": "object"],
        ]
        return list.map { .init($0, Schema.optional($1)) }
    }

    /// The messages of a conversation.
    static var messages: JSONValue {
        let part = Schema.object(
            [.init("type", Schema.oneOf("text", "input_text", "output_text")), .init("text", Schema.string)],
            required: ["type", "text"], isClosed: false)
        let message = Schema.object(
            [
                .init("role", ["type": "string", "minLength": 1, "examples": ["system", "user", "assistant"]]),
                .init(
                    "content",
                    Schema.optional(Schema.any(of: Schema.string, Schema.array(part, atLeast: 1)))),
            ], required: ["role"], isClosed: false)
        return Schema.array(message, atLeast: 1)
    }
}
