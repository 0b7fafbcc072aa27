public import ApusGGUF
public import ApusModel

/// What a model and one sequence of its context take, held against what the system has left.
public struct MemoryBudget: Sendable, Hashable {
    /// Positions that a sequence can have.
    public let contextLength: Int
    /// Bytes of packed weights.
    public let weightBytes: Int
    /// Bytes of the KV cache when it is full.
    public let cacheBytes: Int
    /// Bytes of activations and logits.
    public let bufferBytes: Int

    /// All of it.
    public var totalBytes: Int { weightBytes + cacheBytes + bufferBytes }

    /// The shortest context that a model is loaded with when nobody asked for a length.
    static let leastContext = 512

    /// Adds up, and refuses what does not fit.
    ///
    /// - Parameters:
    ///   - needs: What the model takes.
    ///   - spec: The model.
    ///   - options: The context length asked for, if any, and the tokens a chunk.
    ///   - available: Bytes that can be taken; nil where the system does not say.
    /// - Throws: `ApusError` with code `outOfMemory` and the figures.
    public init(
        _ needs: DecoderWeights.Requirements, spec: DecoderSpec, options: LoadOptions,
        available: Int? = SystemMemory.available
    ) throws(ApusError) {
        weightBytes = needs.weightBytes
        var length = options.contextLength ?? spec.contextLength
        func bytes(_ length: Int) throws(ApusError) -> (cache: Int, buffers: Int) {
            let pages = (length - 1) / KVCache.pagePositions + 1
            let (cache, overflow) = pages.multipliedReportingOverflow(by: KVCache.pageBytes(spec))
            let buffers = try Decoder.bufferBytes(
                spec, vocabularySize: needs.vocabularySize, maxTokens: min(options.chunkTokens, length),
                maxPositions: length)
            guard !overflow, cache < Int.max / 4, buffers < Int.max / 4 else {
                throw ApusError(.outOfMemory, "a context of \(length) needs more memory than can be addressed")
            }
            return (cache, buffers)
        }
        var (cache, buffers) = try bytes(length)
        if let available {
            // The system needs a little to go on with.
            let room = available - available / 32
            if options.contextLength == nil {
                while length > Self.leastContext, needs.weightBytes + cache + buffers > room {
                    length = max(Self.leastContext, length / 2)
                    (cache, buffers) = try bytes(length)
                }
            }
            guard needs.weightBytes + cache + buffers <= room else {
                throw ApusError(
                    .outOfMemory,
                    "needs \(mebibytes(needs.weightBytes + cache + buffers)) of memory (weights "
                        + "\(mebibytes(needs.weightBytes)), KV cache of \(length) positions \(mebibytes(cache)), "
                        + "activations \(mebibytes(buffers))), available: \(mebibytes(room))")
            }
        }
        contextLength = length
        cacheBytes = cache
        bufferBytes = buffers
    }
}

private func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
