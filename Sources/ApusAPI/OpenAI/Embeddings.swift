internal import Apus
internal import ApusGGUF
package import ApusJSON
internal import ApusModel

/// The body of a request of `/v1/embeddings`.
package struct EmbeddingsBody: Sendable {
    private enum Encoding: String, CaseIterable { case float, base64 }

    /// The model that it names.
    package let model: String?
    private let fields: Fields
    private let encoding: Encoding

    /// Reads what can be read before the model is there.
    ///
    /// - Throws: 400 with the parameter.
    package init(_ fields: Fields) throws(RequestError) {
        self.fields = fields
        encoding = try fields.word("encoding_format", as: Encoding.self) ?? .float
        model = try fields.string("model")
    }

    /// Reads the rest.
    ///
    /// - Parameters:
    ///   - use: The model.
    ///   - requests: Makes requests to its engine.
    ///   - signal: Calls them off.
    /// - Returns: What computes the vectors and gives the reply; it throws 400 with the parameter, or `CancelSignal.error` when
    ///   nobody wants it any more.
    /// - Throws: 400 with the parameter.
    package func prepare(
        _ use: ModelUse, _ requests: Requests, signal: CancelSignal
    ) throws(RequestError) -> @Sendable () async throws -> JSONValue {
        let prompts = try TextPrompt.read(fields, "input", use: use, parsesSpecial: false)
        let dimensions = use.model.weights.spec.dim
        if let count = try fields.int("dimensions", in: 1...Int(Int32.max)), count != dimensions {
            throw .unsupported(
                "dimensions", "dimensions is \(count), wanted: \(dimensions), which is what the model has")
        }
        return { [encoding] in
            let vectors = try await requests.embed(prompts.map(\.prompt), use: use, signal: signal, parameter: "input")
            return Self.reply(vectors, encoding, model: use.name)
        }
    }

    private static func reply(_ vectors: [Embedding], _ encoding: Encoding, model: String) -> JSONValue {
        let data = vectors.enumerated().map { index, embedding -> JSONValue in
            let vector: JSONValue =
                encoding == .base64
                ? .string(Base64.text(littleEndian: embedding.vector))
                : .doubles(embedding.vector.map(Double.init))
            return ["object": "embedding", "index": .int(index), "embedding": vector]
        }
        let tokens = vectors.reduce(0) { $0 + $1.tokens }
        return [
            "object": "list", "data": .array(data), "model": .string(model),
            "usage": ["prompt_tokens": .int(tokens), "total_tokens": .int(tokens)],
        ]
    }
}
