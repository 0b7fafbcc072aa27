public import ApusGGUF
public import ApusModel

/// One sequence of a model, token by token: feed tokens, read logits. Not for several threads at once.
public final class Session: VerifyingLogitsSource {
    /// The model.
    public let model: Model
    /// How many tokens the sequence can hold.
    public var contextLength: Int { model.contextLength }
    /// How many tokens the sequence holds.
    public var position: Int { sequence.length }
    /// The number of tokens that a logit is given for.
    public var vocabularySize: Int { model.vocabularySize }
    /// A hash over the logits of all steps so far: those after each `eval`, all of `evalAll`, and those of `verify` that
    /// were looked at; nil where none is wanted, since it costs a pass over the vocabulary.
    public private(set) var logitsHash: LogitsHash?

    private let decoder: Decoder
    private let sequence: KVSequence
    private var logits: UnsafeMutableBufferPointer<Float>

    /// Starts an empty sequence.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - hashesLogits: Whether `logitsHash` is wanted.
    /// - Throws: `ApusError` with code `outOfMemory`.
    public init(model: Model, hashesLogits: Bool = false) throws(ApusError) {
        self.model = model
        logitsHash = hashesLogits ? LogitsHash() : nil
        let cache = try KVCache(model.weights.spec, positions: model.contextLength)
        decoder = try Decoder(
            model.weights, cache: cache, maxTokens: model.chunkTokens, maxPositions: model.contextLength,
            threads: model.threads)
        sequence = KVSequence(cache)
        logits = UnsafeMutableBufferPointer(start: nil, count: 0)
    }

    /// Appends tokens to the sequence and computes the logits after the last one.
    ///
    /// - Parameters:
    ///   - ids: At least one token of the vocabulary; long lists are computed in chunks.
    ///   - cancellation: Is looked at between the ops of a chunk.
    /// - Throws: `ApusError` with code `contextFull`, `invalidArgument` (no tokens, or one outside the vocabulary) or
    ///   `cancelled`; the sequence then holds what it held before, or whole chunks more.
    public func eval(_ ids: [Int32], cancellation: CancellationFlag? = nil) throws(ApusError) {
        try run(ids, logits: .last, cancellation: cancellation) { _, row throws(ApusError) in
            logits = row
            logitsHash?.combine(row)
        }
    }

    /// Appends tokens and gives the logits after each of them.
    ///
    /// - Parameters:
    ///   - ids: At least one token of the vocabulary.
    ///   - cancellation: Is looked at between the ops of a chunk.
    ///   - onLogits: Gets the index in `ids` and the logits after that token, (vocabularySize), in order.
    /// - Throws: As `eval` does, and what `onLogits` throws.
    public func evalAll(
        _ ids: [Int32], cancellation: CancellationFlag? = nil,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Void
    ) throws(ApusError) {
        try run(ids, logits: .all, cancellation: cancellation) { index, row throws(ApusError) in
            logits = row
            logitsHash?.combine(row)
            try onLogits(index, row)
        }
    }

    /// The most tokens that `verify` takes: those whose logits a step gives at once.
    public var verifiableCount: Int { min(model.chunkTokens, decoder.logitRows) }

    /// Appends a token and guesses at those after it in one step, and keeps what is right.
    ///
    /// - Parameters:
    ///   - ids: At least one token of the vocabulary, at most `verifiableCount`; all but the first one are guesses.
    ///   - cancellation: Is looked at between the ops of the step.
    ///   - onLogits: Gets the index in `ids` and the logits after that token, (vocabularySize), in order, until it returns
    ///     false: the tokens after that one are dropped, and these logits are those after the last token.
    /// - Throws: As `eval` does, and what `onLogits` throws; the sequence then holds what it held before.
    public func verify(
        _ ids: [Int32], cancellation: CancellationFlag? = nil,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Bool
    ) throws(ApusError) {
        guard ids.count <= verifiableCount else {
            throw ApusError(.invalidArgument, "\(ids.count) tokens to verify, wanted: at most \(verifiableCount)")
        }
        let start = position
        var kept = 0
        var goesOn = true
        try run(ids, logits: .all, cancellation: cancellation) { index, row throws(ApusError) in
            guard goesOn else { return }
            kept = index + 1
            logits = row
            logitsHash?.combine(row)
            goesOn = try onLogits(index, row)
        }
        truncate(to: start + kept)
    }

    /// Gives access to the logits after the last token, (vocabularySize); empty before the first `eval`.
    ///
    /// - Parameter body: Must not keep the pointer.
    /// - Returns: What `body` returns.
    public func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R { body(logits) }

    /// Drops tokens from the end of the sequence.
    ///
    /// - Parameter length: How many to keep.
    public func truncate(to length: Int) { sequence.truncate(to: length) }

    private func run(
        _ ids: [Int32], logits wanted: Decoder.Chunk.Logits, cancellation: CancellationFlag?,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Void
    ) throws(ApusError) {
        guard !ids.isEmpty else { throw ApusError(.invalidArgument, "no tokens to compute, wanted: at least one") }
        guard ids.count <= contextLength - position else {
            throw ApusError(
                .contextFull, "\(position) + \(ids.count) tokens do not fit the context of \(contextLength)")
        }
        for first in stride(from: 0, to: ids.count, by: model.chunkTokens) {
            let end = min(first + model.chunkTokens, ids.count)
            let chunk = Decoder.Chunk(
                sequence, tokens: ids[first..<end], logits: wanted == .all || end == ids.count ? wanted : .none)
            try decoder.run([chunk], cancellation: cancellation) { index, row throws(ApusError) in
                try onLogits(first + index, row)
            }
        }
    }
}
