internal import ApusAPI
internal import ApusJSON
internal import HTTPTypes

extension OpenAPIDocument {
    /// Ollama's API.
    static var ollama: Family {
        Family(
            tag: "Ollama", description: "As Ollama has it: streams unless told otherwise, durations in nanoseconds.",
            error: "OllamaError", operations: ollamaOperations,
            schemas: ollamaRequests + ollamaReplies + ollamaParts)
    }

    private static var ollamaOperations: [Operation] {
        let question: JSONValue = ["role": "user", "content": "Hello"]
        return [
            Operation(method: .get, path: "/", summary: "Tells that a server is there.", replies: Operation.text),
            Operation(
                method: .get, path: "/api/version", summary: "The version of Ollama whose API this is.",
                replies: Operation.json("OllamaVersion")),
            Operation(method: .get, path: "/api/tags", summary: "All models.", replies: Operation.json("OllamaTags")),
            Operation(
                method: .get, path: "/api/ps", summary: "The models that are loaded.",
                replies: Operation.json("OllamaRunning")),
            Operation(
                method: .post, path: "/api/show", summary: "What a model's file says.", request: "OllamaShowRequest",
                replies: Operation.json("OllamaShown"), errors: [400, 404, 413]),
            Operation(
                method: .post, path: "/api/chat",
                summary: "A reply to a conversation; without messages the model is loaded, or unloaded.",
                request: "OllamaChatRequest",
                example: [
                    "model": "default", "messages": [question], "stream": false, "options": ["num_predict": 4],
                ],
                replies: Operation.jsonOrLines("OllamaChatReply"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/api/generate",
                summary: "A reply to a question; without a prompt the model is loaded, or unloaded.",
                request: "OllamaGenerateRequest",
                example: ["model": "default", "prompt": "Hello", "stream": false, "options": ["num_predict": 4]],
                replies: Operation.jsonOrLines("OllamaGenerateReply"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/api/embed", summary: "Vectors of texts, of length 1.",
                request: "OllamaEmbedRequest", example: ["model": "default", "input": ["Hello", "world"]],
                replies: Operation.json("OllamaEmbeddings"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/api/embeddings", summary: "The vector of a text.",
                request: "OllamaEmbeddingsRequest", example: ["model": "default", "prompt": "Hello"],
                replies: Operation.json("OllamaEmbedding"), errors: Operation.modelErrors),
            Operation(
                method: .post, path: "/api/copy", summary: "Gives a model of the folder another name.",
                request: "OllamaCopyRequest", replies: [], errors: [400, 404, 413]),
            Operation(
                method: .delete, path: "/api/delete", summary: "Deletes a model of the folder.",
                request: "OllamaNameRequest", replies: [], errors: [400, 404, 413]),
        ]
            + ["/api/pull", "/api/push", "/api/create", "/api/blobs/{digest}"].map {
                Operation(
                    method: .post, path: $0, summary: "Is not supported.", replies: nil, errors: [400, 413])
            }
    }

    // MARK: Requests

    private static var model: JSONValue { ["type": "string", "minLength": 1] }
    private static var keepAlive: JSONValue {
        Schema.described(
            Schema.any(
                of: Schema.number(-1e30...1e30),
                ["type": "string", "pattern": #"^-?[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)$"#]),
            "seconds, or a duration such as 5m; below zero for ever, 0 unloads the model after the request")
    }

    /// The characters of a name and of a tag.
    private static var namePattern: String {
        let part = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
        return "^\(part)(:\(part))?$"
    }

    private static var options: JSONValue {
        let most = Int(Int32.max)
        let list: KeyValuePairs<String, JSONValue> = [
            "num_predict": Schema.described(Schema.integer(-2...most), "-1 and -2 for no limit but the context"),
            "num_ctx": Schema.described(Schema.integer(0...Int.max), "a limit for this request"),
            "stop": SamplingSchemas.texts,
        ]
        let members = SamplingSchemas.members + list.map { .init($0, Schema.optional($1)) }
        return Schema.object(members, required: [], isClosed: false)
    }

    private static var replyOptions: KeyValuePairs<String, JSONValue> {
        [
            "stream": Schema.described(Schema.bool, "true unless it says otherwise"), "keep_alive": keepAlive,
            "options": Schema.named("OllamaOptions"), "logprobs": Schema.bool,
            "top_logprobs": Schema.integer(0...20),
            "truncate": Schema.described(
                Schema.bool, "whether the oldest messages may go; they stay unless it is true"),
            "shift": Schema.bool,
            "think": Schema.described(
                Schema.any(of: Schema.bool, Schema.oneOf("low", "medium", "high", "max")),
                "whether the model thinks before it answers, if it can"),
            "format": Schema.described(Schema.constant(""), "others are not supported yet"),
        ]
    }

    /// A request with a model and further members.
    private static func request(
        _ lists: KeyValuePairs<String, JSONValue>..., required: String = "model"
    ) -> JSONValue {
        Schema.object(
            [.init(required, model)] + lists.flatMap { $0.map { .init($0, Schema.optional($1)) } },
            required: [required], isClosed: false)
    }

    private static var ollamaRequests: [JSONValue.Member] {
        [
            .init("OllamaOptions", options),
            .init("OllamaNameRequest", request()),
            .init("OllamaShowRequest", request(["verbose": Schema.bool])),
            .init(
                "OllamaCopyRequest",
                Schema.request(required: [
                    "source": model, "destination": ["type": "string", "pattern": .string(namePattern)],
                ])),
            .init(
                "OllamaChatRequest",
                request(
                    ["messages": Schema.any(of: SamplingSchemas.messages, ["type": "array", "maxItems": 0])],
                    replyOptions)),
            .init(
                "OllamaGenerateRequest",
                request(
                    [
                        "prompt": Schema.string, "system": Schema.string,
                        "template": Schema.described(Schema.string, "in Go's template language, or in Jinja"),
                        "context": Schema.described(Schema.array(Schema.token), "what the last reply gave"),
                        "raw": Schema.described(Schema.bool, "whether the prompt is taken as it is"),
                        "suffix": Schema.described(Schema.constant(""), "others are not supported yet"),
                    ], replyOptions)),
            .init(
                "OllamaEmbedRequest",
                request([
                    "input": SamplingSchemas.texts,
                    "truncate": Schema.described(
                        Schema.bool, "whether long texts are cut; true unless it says otherwise"),
                    "dimensions": Schema.integer(0...Int.max), "keep_alive": keepAlive,
                    "options": Schema.named("OllamaOptions"),
                ])),
            .init(
                "OllamaEmbeddingsRequest",
                request([
                    "prompt": Schema.string, "keep_alive": keepAlive, "options": Schema.named("OllamaOptions"),
                ])),
        ]
    }

    // MARK: Replies

    private static var ollamaReplies: [JSONValue.Member] {
        let end: KeyValuePairs<String, JSONValue> = [
            "total_duration": Schema.nanoseconds, "load_duration": Schema.nanoseconds,
            "prompt_eval_count": Schema.count, "prompt_eval_duration": Schema.nanoseconds,
            "eval_count": Schema.count, "eval_duration": Schema.nanoseconds,
            "truncated_messages": Schema.described(Schema.integer(1...), "messages that were left out"),
            "logprobs": Schema.array(Schema.named("OllamaLogProbability")),
        ]
        func reply(_ name: String, _ content: JSONValue, more: [JSONValue.Member]) -> JSONValue {
            let head: KeyValuePairs<String, JSONValue> = [
                "model": Schema.string, "created_at": Schema.time, "done": Schema.bool,
                "done_reason": Schema.oneOf("stop", "length", "load", "unload"),
            ]
            return Schema.object(
                head.map { .init($0, $1) } + [.init(name, content)] + end.map { .init($0, $1) } + more,
                required: ["model", "created_at", "done", "done_reason", name], isClosed: true)
        }
        return [
            .init("OllamaVersion", Schema.reply(["version": Schema.string, "apus": Schema.string])),
            .init("OllamaTags", Schema.reply(["models": Schema.array(Schema.named("OllamaModel"))])),
            .init("OllamaRunning", Schema.reply(["models": Schema.array(Schema.named("OllamaLoaded"))])),
            .init(
                "OllamaShown",
                Schema.reply(
                    [
                        "modelfile": Schema.string, "parameters": Schema.string, "template": Schema.string,
                        "details": Schema.named("OllamaDetails"), "model_info": ["type": "object"],
                        "capabilities": Schema.array(Schema.string), "modified_at": Schema.time,
                    ],
                    optional: [
                        "license": Schema.string,
                        "tensors": Schema.array(
                            Schema.reply([
                                "name": Schema.string, "type": Schema.string, "shape": Schema.array(Schema.count),
                            ])),
                    ])),
            .init(
                "OllamaChatReply",
                reply(
                    "message",
                    Schema.reply(
                        ["role": Schema.constant("assistant"), "content": Schema.string],
                        optional: ["thinking": Schema.string]), more: [])),
            .init(
                "OllamaGenerateReply",
                reply(
                    "response", Schema.string,
                    more: [.init("context", Schema.array(Schema.token)), .init("thinking", Schema.string)])),
            .init(
                "OllamaEmbeddings",
                Schema.reply([
                    "model": Schema.string, "embeddings": Schema.array(Schema.array(Schema.number)),
                    "total_duration": Schema.nanoseconds, "load_duration": Schema.nanoseconds,
                    "prompt_eval_count": Schema.count,
                ])),
            .init("OllamaEmbedding", Schema.reply(["embedding": Schema.array(Schema.number)])),
        ]
    }

    private static var ollamaParts: [JSONValue.Member] {
        let head: KeyValuePairs<String, JSONValue> = [
            "name": Schema.string, "model": Schema.string, "size": Schema.count,
            "digest": ["type": "string", "pattern": "^[0-9a-f]{64}$"], "details": Schema.named("OllamaDetails"),
        ]
        func model(_ more: KeyValuePairs<String, JSONValue>) -> JSONValue {
            Schema.object(
                (head.map(\.self) + more.map(\.self)).map { .init($0.key, $0.value) },
                required: head.map(\.key) + more.map(\.key), isClosed: true)
        }
        let entry: KeyValuePairs<String, JSONValue> = [
            "token": Schema.string, "logprob": Schema.number, "bytes": Schema.array(Schema.integer(0...255)),
        ]
        let top = Schema.object(entry.map { .init($0, $1) }, required: entry.map(\.key), isClosed: true)
        return [
            .init("OllamaError", Schema.reply(["error": Schema.string])),
            .init("OllamaModel", model(["modified_at": Schema.time, "capabilities": Schema.array(Schema.string)])),
            .init(
                "OllamaLoaded",
                model(["expires_at": Schema.time, "size_vram": Schema.count, "context_length": Schema.count])),
            .init(
                "OllamaDetails",
                Schema.reply([
                    "parent_model": Schema.string, "format": Schema.string, "family": Schema.string,
                    "families": Schema.array(Schema.string), "parameter_size": Schema.string,
                    "quantization_level": Schema.string,
                ])),
            .init(
                "OllamaLogProbability",
                Schema.object(
                    entry.map { .init($0, $1) } + [.init("top_logprobs", Schema.array(top))],
                    required: entry.map(\.key), isClosed: true)),
        ]
    }
}
