public import ApusGGUF
public import ApusModel

/// One sequence of a model, token by token: feed tokens, read or sample from the logits, go back, fork, save.
///
/// Logits have the same bits however the tokens were fed. A session is for one thread at a time and computes while its caller waits, so
/// tasks that must not wait use an `Engine`. Different sessions, forks of one too, may be used by different threads at the same time.
public final class Session: VerifyingLogitsSource {
    /// The model.
    public let model: Model
    /// How many tokens the sequence can hold.
    public let contextLength: Int
    /// The tokens that the sequence holds.
    public internal(set) var tokens: [Int32] = []
    /// How many tokens the sequence holds.
    public var position: Int { tokens.count }
    /// The number of tokens that a logit is given for.
    public var vocabularySize: Int { model.vocabularySize }
    /// A hash over the logits of all steps so far: those after each `eval`, all of `evalAll`, and those of `verify` that
    /// were looked at; nil where none is wanted, since it costs a pass over the vocabulary.
    public private(set) var logitsHash: LogitsHash?

    let pool: SequencePool
    var sequence: KVSequence
    /// What `sample` draws with, and how many of `tokens` it knows.
    var sampling: (options: SamplingOptions, chain: SamplerChain, accepted: Int)?
    /// The logits after the last token; empty when there are none.
    private var last = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
    /// Logits after each of the tokens from a position on, where they were to be kept.
    private var kept: (rows: LogitsRows, first: Int)?
    /// Where logits go that the next step of somebody else would overwrite.
    private var copies: LogitsRows?

    /// Starts an empty sequence, with memory of its own.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - hashesLogits: Whether `logitsHash` is wanted.
    ///   - poolPositions: Positions of the KV cache that this session and its forks have together; nil for one context.
    /// - Throws: `ApusError` with code `outOfMemory`, or `invalidArgument` for a pool of no positions.
    public convenience init(
        model: Model, hashesLogits: Bool = false, poolPositions: Int? = nil
    ) throws(ApusError) {
        if let poolPositions, poolPositions < 1 {
            throw ApusError(.invalidArgument, "pool positions is \(poolPositions), wanted: at least 1")
        }
        let pool = try SequencePool.own(model, positions: poolPositions ?? model.contextLength)
        self.init(model, pool, KVSequence(pool.decoder.cache), contextLength: model.contextLength)
        logitsHash = hashesLogits ? LogitsHash() : nil
    }

    /// Starts an empty sequence in the cache of an engine, beside its requests: it takes no memory but the pages that it
    /// fills, and steps of requests and of sessions take turns. Requests cannot have the pages that sessions hold.
    ///
    /// - Parameter engine: The engine, which lives as long as the session.
    public convenience init(engine: Engine) {
        let pool = SequencePool.of(engine)
        self.init(engine.model, pool, KVSequence(pool.decoder.cache), contextLength: engine.contextLength)
    }

    private init(_ model: Model, _ pool: SequencePool, _ sequence: KVSequence, contextLength: Int) {
        self.model = model
        self.pool = pool
        self.sequence = sequence
        self.contextLength = contextLength
    }

    deinit { pool.release(sequence) }

    // MARK: Computing

    /// Appends tokens to the sequence and computes the logits after the last one.
    ///
    /// - Parameters:
    ///   - ids: At least one token of the vocabulary; long lists are computed in chunks.
    ///   - cancellation: Is looked at between the ops of a chunk.
    /// - Throws: `ApusError` with code `contextFull`, `invalidArgument` (no tokens, or one outside the vocabulary) or
    ///   `cancelled`; the sequence then holds what it held before, or whole chunks more, and there are no logits.
    public func eval(_ ids: [Int32], cancellation: CancellationFlag? = nil) throws(ApusError) {
        try run(ids, logits: .last, cancellation: cancellation) { _, row in note(row) }
    }

    /// Which logits of the tokens of an `eval` are kept.
    public enum KeptLogits: Sendable, Hashable {
        /// Those after the last token.
        case last
        /// Those after every token: a row of `vocabularySize` floats each.
        case all
    }

    /// Appends tokens to the sequence and keeps logits for `withLogits(at:)`.
    ///
    /// - Parameters:
    ///   - ids: At least one token of the vocabulary.
    ///   - keeping: Which logits are kept, until the next `eval`.
    ///   - cancellation: Is looked at between the ops of a chunk.
    /// - Throws: As `eval` does, and `outOfMemory` when there is no memory for the logits.
    public func eval(
        _ ids: [Int32], keeping: KeptLogits, cancellation: CancellationFlag? = nil
    ) throws(ApusError) {
        guard keeping == .all else { return try eval(ids, cancellation: cancellation) }
        try checkRoom(for: ids)
        let rows = try LogitsRows(capacity: ids.count, columns: vocabularySize)
        let first = position
        try run(ids, logits: .all, cancellation: cancellation) { index, row in
            note(row)
            rows.copy(row, to: index)
        }
        kept = (rows, first)
        last = rows[ids.count - 1]
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
            note(row)
            try onLogits(index, row)
        }
    }

    /// The most tokens that `verify` takes: those whose logits a step gives at once.
    public var verifiableCount: Int { min(model.chunkTokens, pool.decoder.logitRows) }

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
        var keptCount = 0
        var goesOn = true
        do throws(ApusError) {
            try run(ids, logits: .all, cancellation: cancellation) { index, row throws(ApusError) in
                guard goesOn else { return }
                keptCount = index + 1
                note(row)
                goesOn = try onLogits(index, row)
            }
        } catch {
            drop(to: start)
            throw error
        }
        drop(to: start + keptCount)
    }

    /// Notes the logits after the last token so far.
    private func note(_ row: UnsafeMutableBufferPointer<Float>) {
        last = row
        logitsHash?.combine(row)
    }

    private func checkRoom(for ids: [Int32]) throws(ApusError) {
        guard !ids.isEmpty else { throw ApusError(.invalidArgument, "no tokens to compute, wanted: at least one") }
        guard ids.count <= contextLength - position else {
            throw ApusError(
                .contextFull, "\(position) + \(ids.count) tokens do not fit the context of \(contextLength)")
        }
    }

    /// Appends tokens; on an error there are no logits.
    private func run(
        _ ids: [Int32], logits wanted: Decoder.Chunk.Logits, cancellation: CancellationFlag?,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Void
    ) throws(ApusError) {
        try checkRoom(for: ids)
        dropLogits()
        do throws(ApusError) {
            var first = 0
            while first < ids.count {
                // A shared step's rows are copied, so they must not be more than the decoder has at once.
                let most = wanted == .all && pool.isShared ? verifiableCount : model.chunkTokens
                let count = min(ids.count - first, pool.sync { pool.stepTokens(atMost: most) })
                let chunk = Decoder.Chunk(
                    sequence, tokens: ids[first..<first + count],
                    logits: wanted == .all || first + count == ids.count ? wanted : .none)
                try step(chunk, cancellation) { index, row throws(ApusError) in try onLogits(first + index, row) }
                tokens += chunk.tokens
                first += count
            }
        } catch {
            dropLogits()
            throw error
        }
    }

    /// Computes a step; rows of logits are good until the next one.
    private func step(
        _ chunk: Decoder.Chunk, _ cancellation: CancellationFlag?,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Void
    ) throws(ApusError) {
        guard pool.isShared else {
            return try pool.decoder.run([chunk], cancellation: cancellation, onLogits: onLogits)
        }
        var indices: [Int] = []
        let copies = try rowsForCopies(chunk.logits == .all ? chunk.tokens.count : 1)
        try pool.sync { () throws(ApusError) in
            try pool.reserve(chunk.tokens.count, for: sequence)
            try pool.decoder.run([chunk], cancellation: cancellation) { index, row in
                copies.copy(row, to: indices.count)
                indices.append(index)
            }
        }
        do throws(ApusError) {
            for (row, index) in indices.enumerated() { try onLogits(index, copies[row]) }
        } catch {
            pool.sync { sequence.truncate(to: position) }
            throw error
        }
    }

    private func rowsForCopies(_ count: Int) throws(ApusError) -> LogitsRows {
        if let copies, copies.capacity >= count { return copies }
        let rows = try LogitsRows(capacity: count, columns: vocabularySize)
        copies = rows
        return rows
    }

    // MARK: Logits

    /// The positions of the tokens after which there are logits: that of the last token, more after `eval(_:keeping:)`,
    /// none before the first `eval` and after an error.
    public var logitsPositions: Range<Int> {
        if last.isEmpty { return position..<position }
        return (kept?.first ?? position - 1)..<position
    }

    /// Gives access to the logits after the last token, (vocabularySize); empty where there are none.
    ///
    /// - Parameter body: Must not keep the pointer.
    /// - Returns: What `body` returns.
    public func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R { body(last) }

    /// Gives access to the logits after a token, (vocabularySize).
    ///
    /// - Parameters:
    ///   - position: The token's, one of `logitsPositions`.
    ///   - body: Must not keep the pointer.
    /// - Returns: What `body` returns.
    /// - Throws: `ApusError` with code `invalidArgument` for another position.
    public func withLogits<R>(
        at position: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> R
    ) throws(ApusError) -> R { body(try row(at: position)) }

    /// The logits after a token, at an address that stays until this session computes, drops or loads tokens, or ends.
    package func logits(at position: Int) throws(ApusError) -> UnsafeMutableBufferPointer<Float> {
        // Not where the decoder left them: the next step, which overwrites that, may be a fork's.
        try keepCopy()
        return try row(at: position)
    }

    /// The logits after a token, until the next step.
    func row(at position: Int) throws(ApusError) -> UnsafeMutableBufferPointer<Float> {
        let positions = logitsPositions
        guard positions.contains(position) else {
            let there =
                positions.isEmpty ? "computed tokens" : "\(positions.lowerBound) to \(positions.upperBound - 1)"
            throw ApusError(.invalidArgument, "there are no logits at position \(position), wanted: \(there)")
        }
        return kept.map { $0.rows[position - $0.first] } ?? last
    }

    private func dropLogits() {
        last = UnsafeMutableBufferPointer(start: nil, count: 0)
        kept = nil
    }

    // MARK: Going back, and going on twice

    /// Drops tokens from the end of the sequence. There are logits then if those after the token that is the last one now
    /// were kept.
    ///
    /// - Parameter length: How many to keep; nothing happens when it is no less than there are.
    public func truncate(to length: Int) {
        guard length < position else { return }
        drop(to: max(0, length))
        if let kept, kept.first < position {
            last = kept.rows[position - 1 - kept.first]
        } else {
            dropLogits()
        }
    }

    /// Drops tokens, whatever logits there are.
    private func drop(to length: Int) {
        pool.sync { sequence.truncate(to: length) }
        tokens.removeSubrange(min(length, tokens.count)...)
        limitSampling()
    }

    /// Lets the samplers forget tokens that are gone.
    private func limitSampling() {
        guard let accepted = sampling?.accepted, accepted > position else { return }
        sampling?.chain.restart(after: tokens)
        sampling?.accepted = position
    }

    /// Forgets everything.
    func removeAll() {
        pool.sync {
            sequence.removeAll()
            pool.publish()
        }
        tokens = []
        dropLogits()
    }

    /// Another session that begins with the same tokens, and shares their pages of the cache: only the page that both go on
    /// in is copied. It takes over the logits after its last token, where they are known, and the state of `sample`.
    ///
    /// - Parameter length: How many of the tokens; nil for all.
    /// - Returns: The other session. The two may be used by different threads.
    /// - Throws: `ApusError` with code `invalidArgument` for a length beyond the sequence's, or `outOfMemory`.
    public func fork(at length: Int? = nil) throws(ApusError) -> sending Session {
        let length = length ?? position
        guard 0...position ~= length else {
            throw ApusError(.invalidArgument, "the length of a fork is \(length), wanted: 0 to \(position)")
        }
        if !pool.isShared {
            pool.share()
            try keepCopy()
        }
        let sequence = pool.sync { self.sequence.fork(length: length) }
        // Safe to send: the pages that both have are touched on the compute thread only, and nothing else is shared.
        nonisolated(unsafe) let fork = Session(model, pool, sequence, contextLength: contextLength)
        fork.tokens = Array(tokens.prefix(length))
        fork.logitsHash = logitsHash
        fork.sampling = sampling
        fork.limitSampling()
        if logitsPositions.contains(length - 1) {
            fork.last = try row(at: length - 1)
            try fork.keepCopy()
        }
        return fork
    }

    /// Copies the last logits to where nobody else writes.
    private func keepCopy() throws(ApusError) {
        guard kept == nil, !last.isEmpty, copies?.contains(last) != true else { return }
        let rows = try rowsForCopies(1)
        rows.copy(last, to: 0)
        last = rows[0]
    }
}
