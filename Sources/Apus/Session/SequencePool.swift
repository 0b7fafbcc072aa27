internal import ApusGGUF
internal import ApusModel

/// What sessions compute with: a decoder and the pages of its cache.
///
/// As long as one session alone has a pool, it computes on its caller's thread and reads logits where the decoder left them. Once the
/// pool is shared, by forks or with an engine's requests, decoder, cache and sequences are touched on the compute thread only.
// Safe to share for that reason; `isShared` changes once, while a single session, and so a single thread, has the pool.
final class SequencePool: @unchecked Sendable {
    let decoder: Decoder
    /// Whether others compute with the decoder too.
    private(set) var isShared: Bool
    /// The engine whose pages these are, if any.
    private let engine: Engine?

    private init(_ decoder: Decoder, of engine: Engine?) {
        self.decoder = decoder
        self.engine = engine
        isShared = engine != nil
    }

    /// A pool of its own.
    static func own(_ model: Model, positions: Int) throws(ApusError) -> SequencePool {
        let cache = try KVCache(model.weights.spec, positions: positions)
        let decoder = try Decoder(
            model.weights, cache: cache, maxTokens: model.chunkTokens, maxPositions: model.contextLength,
            threads: model.threads)
        return SequencePool(decoder, of: nil)
    }

    /// An engine's pool.
    static func of(_ engine: Engine) -> SequencePool { engine.scheduler.sync { SequencePool($0.decoder, of: engine) } }

    var pageBytes: Int { decoder.cache.pageBytes }

    /// Makes a pool one that several sessions have.
    func share() {
        if !isShared { isShared = true }
    }

    /// Does something with the decoder, the cache or a sequence, where that is to be done.
    func sync<R, E: Error>(_ work: () throws(E) -> R) throws(E) -> R {
        isShared ? try ComputeThread.shared.run(work) : try work()
    }

    /// The most tokens that the next step should have, so that an engine's requests do not wait for long. Inside of `sync`.
    func stepTokens(atMost limit: Int) -> Int {
        guard let engine else { return limit }
        return engine.scheduler.assumeIsolated { scheduler in
            scheduler.running.isEmpty ? limit : max(1, min(limit, scheduler.sizer.tokens))
        }
    }

    /// Gives a sequence pages for its next positions; in an engine those go first that only the prefix tree holds. Inside of `sync`.
    func reserve(_ count: Int, for sequence: KVSequence) throws(ApusError) {
        if let engine {
            let needed = sequence.pagesToReserve(count)
            let hasRoom = engine.scheduler.assumeIsolated { $0.makeRoom(needed, spare: $0.running.count) }
            guard hasRoom else {
                throw ApusError(
                    .contextFull, "the engine's KV cache has no room for \(count) more positions of a session")
            }
        }
        try sequence.reserve(count)
        publish()
    }

    /// Lets go of a sequence's pages, at once or as soon as the step at hand is done.
    func release(_ sequence: KVSequence) {
        guard isShared else { return sequence.removeAll() }
        // Safe to send: its session, the only one who used it, is gone.
        nonisolated(unsafe) let sequence = sequence
        ComputeThread.shared.submit {
            sequence.removeAll()
            self.publish()
        }
    }

    /// Tells in the engine's metrics what sessions hold. Inside of `sync`.
    func publish() { engine?.scheduler.assumeIsolated { $0.publish() } }
}
