internal import ApusAPI
internal import ApusJSON
internal import HTTPTypes

extension OpenAPIDocument {
    /// OpenAI's API.
    static var openAI: Family {
        Family(
            tag: "OpenAI", description: "As OpenAI has it; llama-server's names of sampling options are known too.",
            error: "Error", operations: openAIOperations, schemas: openAIRequests + openAIReplies + openAIParts)
    }

    private static var openAIOperations: [Operation] {
        let messages: JSONValue = [["role": "user", "content": "Hello"]]
        return [
            Operation(
                method: .get, path: "/v1/models", summary: "All models.", replies: Operation.json("Models")),
            Operation(
                method: .get, path: "/v1/models/{id}", summary: "A model.", replies: Operation.json("Model"),
                errors: [400, 404]),
            Operation(
                method: .post, path: "/v1/chat/completions", summary: "Replies to a conversation.",
                request: "ChatRequest", example: ["model": "default", "messages": messages, "max_tokens": 4],
                replies: Operation.jsonOrEvents("ChatCompletion"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/v1/completions", summary: "Continues prompts.", request: "TextRequest",
                example: ["model": "default", "prompt": "Hello", "max_tokens": 4],
                replies: Operation.jsonOrEvents("TextCompletion"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/v1/embeddings", summary: "Vectors of texts.", request: "EmbeddingsRequest",
                example: ["model": "default", "input": "Hello"], replies: Operation.json("Embeddings"),
                errors: Operation.modelErrors),
        ]
            + OpenAIRoutes.later.map {
                Operation(method: .post, path: $0, summary: "Is not supported yet.", replies: nil, errors: [400, 413])
            }
    }

    // MARK: Requests

    private static func optional(_ list: KeyValuePairs<String, JSONValue>) -> [JSONValue.Member] {
        list.map { .init($0, Schema.optional($1)) }
    }

    private static var common: [JSONValue.Member] {
        optional([
            "model": Schema.string, "stream": Schema.bool,
            "stream_options": Schema.object(
                optional(["include_usage": Schema.bool]), required: [], isClosed: false),
            "n": Schema.integer(1...128), "user": Schema.string, "return_progress": Schema.bool,
        ])
    }

    private static var openAIRequests: [JSONValue.Member] {
        let ids = Schema.array(Schema.token, atLeast: 1)
        let prompt = Schema.any(
            of: Schema.string, Schema.array(Schema.string, atLeast: 1), ids, Schema.array(ids, atLeast: 1))
        let chat = optional([
            "logprobs": Schema.bool, "top_logprobs": Schema.integer(0...20),
            "tools": ["type": "array", "maxItems": 0], "tool_choice": Schema.oneOf("none", "auto"),
            "response_format": Schema.object(
                [.init("type", Schema.constant("text"))], required: ["type"], isClosed: false),
            "reasoning_format": Schema.described(
                Schema.oneOf("none", "auto", "deepseek"), "none leaves thoughts in the answer"),
        ])
        return [
            .init(
                "ChatRequest",
                Schema.object(
                    [.init("messages", SamplingSchemas.messages)] + common + chat + SamplingSchemas.members
                        + SamplingSchemas.limits + SamplingSchemas.template,
                    required: ["messages"], isClosed: false)),
            .init(
                "TextRequest",
                Schema.object(
                    [.init("prompt", prompt)] + common
                        + optional(["echo": Schema.bool, "logprobs": Schema.integer(0...20)])
                        + SamplingSchemas.members + SamplingSchemas.limits,
                    required: ["prompt"], isClosed: false)),
            .init(
                "EmbeddingsRequest",
                Schema.object(
                    [.init("input", prompt)]
                        + optional([
                            "model": Schema.string, "user": Schema.string,
                            "encoding_format": Schema.oneOf("float", "base64"), "dimensions": Schema.integer(1...),
                        ]), required: ["input"], isClosed: false)),
        ]
    }

    // MARK: Replies

    private static func reply(_ object: String, _ more: KeyValuePairs<String, JSONValue>) -> JSONValue {
        let head: KeyValuePairs<String, JSONValue> = [
            "id": Schema.string, "object": Schema.constant(object), "created": Schema.count, "model": Schema.string,
            "usage": Schema.named("Usage"),
        ]
        let all = head.map(\.self) + more.map(\.self)
        return Schema.object(
            all.map { .init($0.key, $0.value) }
                + [.init("timings", Schema.named("Timings")), .init("system_fingerprint", Schema.string)],
            required: all.map(\.key), isClosed: false)
    }

    private static var openAIReplies: [JSONValue.Member] {
        let reason = Schema.oneOf("stop", "length", "content_filter", "tool_calls", "function_call")
        let chatChoice = Schema.object(
            [
                .init("index", Schema.count), .init("finish_reason", reason),
                .init(
                    "message",
                    Schema.object(
                        [
                            .init("role", Schema.constant("assistant")),
                            .init("content", Schema.nullable(Schema.string)),
                            .init(
                                "reasoning_content",
                                Schema.described(Schema.string, "what the model thought before it answered")),
                        ], required: ["role", "content"], isClosed: false)),
                .init("logprobs", Schema.nullable(Schema.named("ChatLogProbabilities"))),
            ], required: ["index", "message", "finish_reason"], isClosed: false)
        let textChoice = Schema.object(
            [
                .init("index", Schema.count), .init("finish_reason", reason), .init("text", Schema.string),
                .init("logprobs", Schema.nullable(Schema.named("TextLogProbabilities"))),
            ], required: ["index", "text", "finish_reason"], isClosed: false)
        let vector = Schema.object(
            [
                .init("object", Schema.constant("embedding")), .init("index", Schema.count),
                .init("embedding", Schema.any(of: Schema.array(Schema.number), Schema.string)),
            ], required: ["object", "index", "embedding"], isClosed: false)
        return [
            .init("ChatCompletion", reply("chat.completion", ["choices": Schema.array(chatChoice, atLeast: 1)])),
            .init("TextCompletion", reply("text_completion", ["choices": Schema.array(textChoice, atLeast: 1)])),
            .init(
                "Embeddings",
                Schema.object(
                    [
                        .init("object", Schema.constant("list")), .init("model", Schema.string),
                        .init("data", Schema.array(vector)),
                        .init(
                            "usage",
                            Schema.object(
                                [.init("prompt_tokens", Schema.count), .init("total_tokens", Schema.count)],
                                required: ["prompt_tokens", "total_tokens"], isClosed: false)),
                    ], required: ["object", "model", "data", "usage"], isClosed: false)),
            .init(
                "Models",
                Schema.object(
                    [
                        .init("object", Schema.constant("list")),
                        .init("data", Schema.array(Schema.named("Model"))),
                        .init("models", Schema.array(Schema.named("OllamaModel"))),
                    ], required: ["object", "data", "models"], isClosed: false)),
        ]
    }

    private static var openAIParts: [JSONValue.Member] {
        let entry: [JSONValue.Member] = [
            .init("token", Schema.string), .init("logprob", Schema.number),
            .init("bytes", Schema.nullable(Schema.array(Schema.integer(0...255)))),
        ]
        let top = Schema.object(entry, required: ["token", "logprob", "bytes"], isClosed: false)
        let number = Schema.nullable(Schema.number)
        return [
            .init(
                "Error",
                Schema.reply([
                    "error": Schema.object(
                        [
                            .init("message", Schema.string), .init("type", Schema.string),
                            .init("param", Schema.nullable(Schema.string)),
                            .init("code", Schema.nullable(Schema.string)),
                            .init("n_prompt_tokens", Schema.count), .init("n_ctx", Schema.count),
                        ], required: ["message", "type", "param", "code"], isClosed: true)
                ])),
            .init(
                "Model",
                Schema.object(
                    [
                        .init("id", Schema.string), .init("object", Schema.constant("model")),
                        .init("created", Schema.count), .init("owned_by", Schema.string),
                        .init("meta", ["type": "object", "additionalProperties": Schema.count]),
                    ], required: ["id", "object", "created", "owned_by"], isClosed: false)),
            .init(
                "Usage",
                Schema.object(
                    [
                        .init("prompt_tokens", Schema.count), .init("completion_tokens", Schema.count),
                        .init("total_tokens", Schema.count),
                        .init(
                            "prompt_tokens_details",
                            Schema.object(
                                [.init("cached_tokens", Schema.count)], required: ["cached_tokens"], isClosed: false)),
                    ], required: ["prompt_tokens", "completion_tokens", "total_tokens"], isClosed: false)),
            .init(
                "ChatLogProbabilities",
                Schema.object(
                    [
                        .init(
                            "content",
                            Schema.array(
                                Schema.object(
                                    entry + [.init("top_logprobs", Schema.array(top))],
                                    required: ["token", "logprob", "bytes", "top_logprobs"], isClosed: false)))
                    ], required: ["content"], isClosed: false)),
            .init(
                "TextLogProbabilities",
                Schema.object(
                    [
                        .init("tokens", Schema.array(Schema.string)), .init("token_logprobs", Schema.array(number)),
                        .init(
                            "top_logprobs",
                            Schema.nullable(
                                Schema.array(
                                    Schema.nullable(["type": "object", "additionalProperties": Schema.number])))),
                        .init("text_offset", Schema.array(Schema.count)),
                    ], required: ["tokens", "token_logprobs", "text_offset"], isClosed: false)),
        ]
    }
}
