internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import Hummingbird

extension OllamaRoutes {
    /// `POST /api/embed`: vectors of texts, of length 1.
    func embed(_ call: Call) async throws -> Response {
        let start = ContinuousClock.now
        let fields = try call.fields()
        let texts = try Self.inputs(fields)
        // As Ollama does unless it is told otherwise: the end of a long text is left out.
        let truncates = try fields.bool("truncate") ?? true
        let dimensions = try fields.int("dimensions", in: 0...Int.max) ?? 0
        let signal = await call.cancelSignal()
        let use = try await use(fields, signal: signal)
        let limit = try contextLimit(fields, use)
        let prompts = try texts.map { text throws(RequestError) in
            try prompt(text, use, limit: limit, truncates: truncates, parameter: "input")
        }
        let embeddings = try await services.requests.embed(
            prompts, use: use, isNormalized: true, signal: signal, parameter: "input")
        let vectors = embeddings.map { Self.shortened($0.vector, to: dimensions) }
        return Response(json: [
            "model": .string(use.name),
            "embeddings": .array(vectors.map { .doubles($0.lazy.map(Double.init)) }),
            "total_duration": .int((ContinuousClock.now - start).nanoseconds),
            "load_duration": .int(use.loadDuration.nanoseconds),
            "prompt_eval_count": .int(embeddings.reduce(0) { $0 + $1.tokens }),
        ])
    }

    /// `POST /api/embeddings`, the older one: the vector of a text, as it is.
    func embeddings(_ call: Call) async throws -> Response {
        let fields = try call.fields()
        let text = try fields.string("prompt") ?? ""
        let signal = await call.cancelSignal()
        let use = try await use(fields, signal: signal)
        if text.isEmpty { return Response(json: ["embedding": []]) }
        let prompt = try prompt(
            text, use, limit: try contextLimit(fields, use), truncates: false, parameter: "prompt")
        let embeddings = try await services.requests.embed(
            [prompt], use: use, isNormalized: false, signal: signal, parameter: "prompt")
        return Response(json: ["embedding": .doubles(embeddings[0].vector.lazy.map(Double.init))])
    }

    /// The texts of `input`; none when it is empty.
    private static func inputs(_ fields: Fields) throws(RequestError) -> [String] {
        switch fields.value("input") {
        case nil, .string(""): return []
        case .string(let text): return [text]
        case .array(let elements):
            var texts: [String] = []
            for (index, element) in elements.enumerated() {
                guard case .string(let text) = element else {
                    throw fields.wrong("input[\(index)]", element, wanted: "a string")
                }
                texts.append(text)
            }
            return texts
        case let value?: throw fields.wrong("input", value, wanted: "a string or an array of strings")
        }
    }

    /// The tokens of a text.
    ///
    /// - Throws: 400 when there are too many and the end of the text must not be left out.
    private func prompt(
        _ text: String, _ use: ModelUse, limit: Int, truncates: Bool, parameter: String
    ) throws(RequestError) -> EngineRequest.Prompt {
        var bytes = Array(text.utf8)
        if truncates {
            bytes = services.requests.beginning(of: bytes, use: use, limit: limit)
        } else {
            try services.requests.checkLength(bytes.count, use: use, limit: limit, parameter: parameter)
        }
        let ids = EngineRequest.Prompt.text(bytes, parseSpecial: false).ids(use.tokenizer)
        if ids.count > limit, !truncates {
            throw .contextFull(promptTokens: ids.count, completionTokens: 0, limit: limit, parameter: parameter)
        }
        return .ids(Array(ids.prefix(limit)))
    }

    private func contextLimit(_ fields: Fields, _ use: ModelUse) throws(RequestError) -> Int {
        var request = EngineRequest(.ids([]))
        try request.readOptions(fields, use: use, services: services)
        return min(use.engine.contextLength, request.contextLength ?? .max)
    }

    /// The first components of a vector, of length 1 again; all of it where it has no more, or 0 are wanted.
    private static func shortened(_ vector: [Float], to count: Int) -> [Float] {
        guard count > 0, count < vector.count else { return vector }
        let first = vector.prefix(count)
        let length = first.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? first.map { Float(Double($0) / length) } : Array(first)
    }
}
