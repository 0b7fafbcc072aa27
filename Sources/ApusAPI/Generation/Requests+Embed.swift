package import Apus
internal import ApusGGUF

extension Requests {
    /// Computes the vectors of texts, some of them at the same time.
    ///
    /// - Parameters:
    ///   - prompts: The texts.
    ///   - use: The model.
    ///   - isNormalized: Whether vectors are divided by their lengths.
    ///   - signal: Calls the work off.
    ///   - parameter: What the prompts were, for errors.
    /// - Returns: The vectors, in order.
    /// - Throws: 400 with the parameter; `CancelSignal.error` when nobody wants them any more.
    package func embed(
        _ prompts: [EngineRequest.Prompt], use: ModelUse, isNormalized: Bool = true, signal: CancelSignal,
        parameter: String
    ) async throws -> [Embedding] {
        let tokenizer = use.tokenizer
        let limit = use.engine.contextLength
        let texts = try prompts.enumerated().map { index, prompt in
            if case .text(let bytes, _) = prompt {
                try checkLength(bytes.count, use: use, limit: limit, parameter: parameter)
            }
            let ids = prompt.ids(tokenizer)
            let place = prompts.count == 1 ? parameter : "\(parameter)[\(index)]"
            if ids.isEmpty { throw RequestError.invalid(place, "\(place) has no tokens, wanted: at least one") }
            if ids.count > limit {
                throw RequestError.contextFull(
                    promptTokens: ids.count, completionTokens: 0, limit: limit, parameter: parameter)
            }
            return EngineRequest.Prompt.ids(ids)
        }
        let (engine, pooling) = (use.engine, defaults.pooling)
        do {
            return try await signal.run {
                try await withThrowingTaskGroup(of: (Int, Embedding).self) { group in
                    var vectors = [Embedding?](repeating: nil, count: texts.count)
                    var next = 0
                    func add() {
                        guard next < texts.count else { return }
                        let index = next
                        next += 1
                        group.addTask {
                            let vector = try await engine.embed(
                                texts[index], pooling: pooling, isNormalized: isNormalized)
                            return (index, vector)
                        }
                    }
                    for _ in 0..<8 { add() }
                    while let (index, vector) = try await group.next() {
                        vectors[index] = vector
                        add()
                    }
                    return vectors.compactMap(\.self)
                }
            }
        } catch let error as ApusError {
            if signal.isRaised { throw signal.error }
            throw RequestError(error, parameter: parameter)
        }
    }
}
