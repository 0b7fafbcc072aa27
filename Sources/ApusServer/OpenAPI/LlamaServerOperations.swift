internal import ApusAPI
internal import ApusJSON
internal import HTTPTypes

extension OpenAPIDocument {
    /// The routes of llama-server, and those of vLLM about tokens.
    static var llamaServer: Family {
        Family(
            tag: "llama-server", description: "As llama-server has it; routes about tokens answer vLLM's clients too.",
            error: "LlamaServerError", operations: llamaServerOperations,
            schemas: llamaServerRequests + completionSchemas + tokenSchemas + stateSchemas)
    }

    private static let model = ("model", Schema.string)

    private static var llamaServerOperations: [Operation] {
        let completions = ["/completion", "/completions"].map {
            Operation(
                method: .post, path: $0, summary: "Continues prompts.", request: "CompletionRequest",
                example: ["prompt": "Hello", "n_predict": 4], replies: Operation.jsonOrEvents("CompletionReplies"),
                errors: Operation.modelErrors)
        }
        return completions + [
            Operation(
                method: .post, path: "/tokenize", summary: "Cuts a text into tokens.", request: "TokenizeRequest",
                example: ["content": "Hello"], replies: Operation.json("Tokens"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/detokenize", summary: "The text of tokens.", request: "DetokenizeRequest",
                example: ["tokens": [1, 2]], replies: Operation.json("Detokenized"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/apply-template", summary: "The prompt of a conversation.",
                request: "ApplyTemplateRequest", example: ["messages": [["role": "user", "content": "Hello"]]],
                replies: Operation.json("Prompt"), errors: Operation.modelErrors),
            Operation(
                method: .get, path: "/tokenizer_info", summary: "What a client needs who makes prompts of its own.",
                replies: Operation.json("TokenizerInfo"), query: [model], errors: [400, 404, 503]),
            Operation(
                method: .get, path: "/props", summary: "How the server and a model are set up.",
                replies: Operation.json("Properties"), query: [model], errors: [400, 404, 503]),
            Operation(
                method: .get, path: "/slots", summary: "What is being computed.", replies: Operation.json("Slots"),
                query: [
                    model,
                    (
                        "fail_on_no_slot",
                        Schema.described(Schema.string, "anything but 0 asks for 503 when all are taken")
                    ),
                ], errors: [404, 503]),
            Operation(
                method: .get, path: "/metrics", summary: "Figures in the text form of Prometheus.",
                replies: Operation.text),
        ]
    }

    // MARK: Requests

    private static var llamaServerRequests: [JSONValue.Member] {
        let ids = Schema.array(Schema.token, atLeast: 1)
        let mixed = Schema.array(Schema.any(of: Schema.token, Schema.string), atLeast: 1)
        let object = Schema.object([.init("prompt_string", Schema.string)], required: ["prompt_string"], isClosed: true)
        let prompts = Schema.any(
            of: Schema.string, object, mixed, Schema.array(Schema.any(of: Schema.string, object, ids), atLeast: 1))
        let more: KeyValuePairs<String, JSONValue> = [
            "model": Schema.string, "stream": Schema.bool, "n_cmpl": Schema.integer(1...128),
            "n": Schema.integer(1...128), "n_probs": Schema.count, "return_tokens": Schema.bool,
            "return_progress": Schema.bool, "timings_per_token": Schema.bool,
            "id_slot": Schema.integer(-1...Int(Int32.max)),
            "n_keep": Schema.integer((-1)...), "n_discard": Schema.count, "n_cache_reuse": Schema.count,
            "min_keep": Schema.count,
            "response_fields": Schema.described(Schema.array(Schema.string), "paths of the members that are wanted"),
        ]
        let text = Schema.any(of: Schema.string, mixed)
        let tokenize: KeyValuePairs<String, JSONValue> = [
            "model": Schema.string, "content": text, "prompt": text, "messages": SamplingSchemas.messages,
            "add_special": Schema.bool, "add_special_tokens": Schema.bool, "parse_special": Schema.bool,
            "with_pieces": Schema.bool, "return_token_strs": Schema.bool,
        ]
        func optional(_ list: KeyValuePairs<String, JSONValue>) -> [JSONValue.Member] {
            list.map { .init($0, Schema.optional($1)) }
        }
        return [
            .init(
                "CompletionRequest",
                Schema.object(
                    [.init("prompt", prompts)] + optional(more) + SamplingSchemas.members + SamplingSchemas.limits,
                    required: ["prompt"], isClosed: false)),
            .init(
                "TokenizeRequest",
                [
                    "allOf": [
                        Schema.object(optional(tokenize) + SamplingSchemas.template, required: [], isClosed: false),
                        [
                            "anyOf": [
                                ["required": ["content"]], ["required": ["prompt"]], ["required": ["messages"]],
                            ]
                        ],
                    ]
                ]),
            .init(
                "DetokenizeRequest",
                Schema.request(required: ["tokens": Schema.array(Schema.token)], ["model": Schema.string])),
            .init(
                "ApplyTemplateRequest",
                Schema.object(
                    [.init("messages", SamplingSchemas.messages)] + SamplingSchemas.template
                        + optional(["model": Schema.string, "tools": ["type": "array"]]),
                    required: ["messages"], isClosed: false)),
        ]
    }

    // MARK: Completions

    private static var completionSchemas: [JSONValue.Member] {
        let entry: KeyValuePairs<String, JSONValue> = [
            "id": Schema.token, "token": Schema.string, "bytes": Schema.array(Schema.integer(0...255)),
            "logprob": Schema.number,
        ]
        let top = Schema.object(entry.map { .init($0, $1) }, required: entry.map(\.key), isClosed: true)
        let reply: KeyValuePairs<String, JSONValue> = [
            "index": Schema.count, "content": Schema.string, "tokens": Schema.array(Schema.token),
            "id_slot": Schema.integer((-1)...), "stop": Schema.bool, "model": Schema.string,
            "tokens_predicted": Schema.count, "tokens_evaluated": Schema.count,
            "generation_settings": Schema.named("GenerationSettings"), "prompt": Schema.string,
            "has_new_line": Schema.bool, "truncated": Schema.bool, "stop_type": Schema.oneOf("eos", "word", "limit"),
            "stopping_word": Schema.string, "tokens_cached": Schema.count, "timings": Schema.named("Timings"),
            "completion_probabilities": Schema.array(Schema.named("CompletionProbability")),
        ]
        // A request can ask for a part of the members, and for those of others by themselves.
        let whole = Schema.object(reply.map { .init($0, $1) }, required: [], isClosed: false)
        let timings = [
            "cache_n", "prompt_n", "prompt_ms", "prompt_per_token_ms", "prompt_per_second", "predicted_n",
            "predicted_ms", "predicted_per_token_ms", "predicted_per_second",
        ]
        return [
            .init(
                "CompletionReplies",
                Schema.any(
                    of: Schema.named("CompletionReply"), Schema.array(Schema.named("CompletionReply"), atLeast: 2))),
            .init("CompletionReply", whole),
            .init(
                "CompletionProbability",
                Schema.object(
                    entry.map { .init($0, $1) } + [.init("top_logprobs", Schema.array(top))],
                    required: entry.map(\.key) + ["top_logprobs"], isClosed: true)),
            .init(
                "Timings",
                Schema.object(
                    timings.map { .init($0, ["type": "number", "minimum": 0]) }, required: timings, isClosed: false)),
            .init("GenerationSettings", ["type": "object"]),
        ]
    }

    // MARK: Tokens and state

    private static var tokenSchemas: [JSONValue.Member] {
        let piece = Schema.reply([
            "id": Schema.token, "piece": Schema.any(of: Schema.string, Schema.array(Schema.integer(0...255))),
        ])
        let text = Schema.nullable(Schema.string)
        return [
            .init(
                "Tokens",
                Schema.reply(
                    [
                        "tokens": Schema.any(of: Schema.array(Schema.token), Schema.array(piece)),
                        "count": Schema.count, "max_model_len": Schema.count,
                    ], optional: ["token_strs": Schema.array(Schema.string)])),
            .init("Detokenized", Schema.reply(["content": Schema.string, "prompt": Schema.string])),
            .init("Prompt", Schema.reply(["prompt": Schema.string])),
            .init(
                "TokenizerInfo",
                Schema.reply([
                    "tokenizer_class": Schema.string, "vocab_size": Schema.count, "model_max_length": Schema.count,
                    "add_bos_token": Schema.bool, "add_eos_token": Schema.bool, "bos_token": text, "eos_token": text,
                    "pad_token": text, "chat_template": text,
                ])),
        ]
    }

    private static var stateSchemas: [JSONValue.Member] {
        let next = Schema.array(
            Schema.reply([
                "has_next_token": Schema.bool, "has_new_line": Schema.bool, "n_remain": Schema.integer((-1)...),
                "n_decoded": Schema.count,
            ]))
        return [
            .init(
                "LlamaServerError",
                Schema.object(
                    [
                        .init(
                            "error",
                            Schema.reply(
                                ["code": Schema.integer(400...599), "message": Schema.string, "type": Schema.string],
                                optional: ["n_prompt_tokens": Schema.count, "n_ctx": Schema.count]))
                    ], required: ["error"], isClosed: true)),
            .init(
                "Properties",
                Schema.reply([
                    "default_generation_settings": Schema.reply([
                        "id": Schema.integer, "id_task": Schema.integer, "n_ctx": Schema.count,
                        "speculative": Schema.bool, "is_processing": Schema.bool,
                        "params": Schema.named("GenerationSettings"), "prompt": Schema.string, "next_token": next,
                    ]), "total_slots": Schema.integer(1...), "model_alias": Schema.string,
                    "model_path": Schema.string,
                    "modalities": Schema.reply(["vision": Schema.bool, "audio": Schema.bool]),
                    "endpoint_slots": Schema.bool, "endpoint_props": Schema.bool, "endpoint_metrics": Schema.bool,
                    "chat_template": Schema.string, "bos_token": Schema.string, "eos_token": Schema.string,
                    "build_info": Schema.string, "is_sleeping": Schema.bool,
                ])),
            .init(
                "Slots",
                Schema.array(
                    Schema.reply(
                        [
                            "id": Schema.count, "id_task": Schema.integer((-1)...), "n_ctx": Schema.count,
                            "speculative": Schema.bool, "is_processing": Schema.bool, "next_token": next,
                        ],
                        optional: ["n_prompt_tokens": Schema.count, "n_prompt_tokens_processed": Schema.count]))),
        ]
    }
}
