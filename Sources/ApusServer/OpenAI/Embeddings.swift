internal import Apus
internal import ApusGGUF
internal import ApusJSON
internal import ApusModel
internal import Hummingbird

extension OpenAIRoutes {
    private enum Encoding: String, CaseIterable { case float, base64 }

    /// `POST /v1/embeddings`
    func embeddings(_ call: Call) async throws -> Response {
        let fields = try call.fields()
        let encoding = try fields.word("encoding_format", as: Encoding.self) ?? .float
        let signal = await call.cancelSignal()
        let use = try await services.use(fields.string("model"), signal: signal)
        let prompts = try TextPrompt.read(fields, "input", use: use, parsesSpecial: false)
        let dimensions = use.model.weights.spec.dim
        if let count = try fields.int("dimensions", in: 1...Int(Int32.max)), count != dimensions {
            throw ServerError.unsupported(
                "dimensions", "dimensions is \(count), wanted: \(dimensions), which is what the model has")
        }
        let vectors = try await services.embed(prompts.map(\.prompt), use: use, signal: signal, parameter: "input")
        let data = vectors.enumerated().map { index, embedding -> JSONValue in
            let vector: JSONValue =
                encoding == .base64
                ? .string(Base64.text(littleEndian: embedding.vector))
                : .doubles(embedding.vector.map(Double.init))
            return ["object": "embedding", "index": .int(index), "embedding": vector]
        }
        let tokens = vectors.reduce(0) { $0 + $1.tokens }
        return Response(json: [
            "object": "list", "data": .array(data), "model": .string(use.name),
            "usage": ["prompt_tokens": .int(tokens), "total_tokens": .int(tokens)],
        ])
    }
}
