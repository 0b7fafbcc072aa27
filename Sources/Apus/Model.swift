public import ApusGGUF
public import ApusModel
public import ApusTokenizer

/// How a model is loaded and run.
public struct LoadOptions: Sendable, Hashable {
    /// Threads of the kernels; nil for as many as the process may use. Results do not depend on it.
    public var threads: Int?
    /// Positions that a sequence can have; nil for the model's own limit, or what the free memory allows.
    public var contextLength: Int?
    /// Tokens of a prompt that are computed together, at the most. Results do not depend on it.
    public var chunkTokens = 512

    /// As many threads as the process may use, the model's own context.
    public init() {}

    /// The most tokens that may be computed together: activations take memory for each.
    public static let maxChunkTokens = 1 << 14

    fileprivate func validate() throws(ApusError) {
        if let threads, !(1...maxThreads).contains(threads) {
            throw ApusError(.invalidArgument, "threads is \(threads), wanted: 1 to \(maxThreads)")
        }
        if let contextLength, !(1...Int(Int32.max)).contains(contextLength) {
            throw ApusError(.invalidArgument, "context length is \(contextLength), wanted: 1 to \(Int32.max)")
        }
        guard (1...Self.maxChunkTokens).contains(chunkTokens) else {
            throw ApusError(
                .invalidArgument, "tokens a chunk is \(chunkTokens), wanted: 1 to \(Self.maxChunkTokens)")
        }
    }
}

/// A loaded model: weights, tokenizer, and how it is to be run. Any number of sessions share one.
public final class Model: Sendable {
    /// The file, or the first of its parts.
    public let path: String
    /// The file's metadata.
    public let metadata: Metadata
    /// From text to tokens and back.
    public let tokenizer: any Tokenizer
    /// The weights.
    public let weights: DecoderWeights
    /// Threads of the kernels.
    public let threads: Int
    /// Positions that a sequence can have.
    public let contextLength: Int
    /// Tokens of a prompt that are computed together, at the most.
    public let chunkTokens: Int
    /// Bytes of the file, all parts together.
    public let fileBytes: Int

    /// The number of tokens that a logit is given for.
    public var vocabularySize: Int { weights.vocabularySize }

    /// Loads a model. Everything is checked, and the memory too, before weights are read.
    ///
    /// - Parameters:
    ///   - path: A GGUF file, or the first part of a split one.
    ///   - options: How it is to be run.
    ///   - cancellation: Stops the loading.
    ///   - progress: Is told which share of the weights has been read, 0 to 1, on the caller's thread.
    /// - Returns: The model; nothing is read from the file afterwards.
    /// - Throws: `ApusError` that names the file and what is wrong with it, or `outOfMemory` with the figures.
    public static func load(
        path: String, options: LoadOptions = LoadOptions(), cancellation: CancellationFlag? = nil,
        progress: ((Float) -> Void)? = nil
    ) throws(ApusError) -> Model {
        try Model(path: path, options: options, cancellation: cancellation, progress: progress)
    }

    /// The least memory that a model takes, without loading it.
    ///
    /// - Parameters:
    ///   - path: A GGUF file, or the first part of a split one.
    ///   - options: How it is to be run.
    /// - Returns: Bytes of weights, buffers, and a cache of the context asked for, or else of the shortest one.
    /// - Throws: As `load`.
    static func leastBytes(path: String, options: LoadOptions) throws(ApusError) -> Int {
        let file = try GGUFFile(path: path)
        let needs = try DecoderWeights.requirements(file)
        let spec = try Architectures.spec(file.metadata)
        var shortest = options
        shortest.contextLength = options.contextLength ?? min(MemoryBudget.leastContext, spec.contextLength)
        return try MemoryBudget(needs, spec: spec, options: shortest, available: nil).totalBytes
    }

    private init(
        path: String, options: LoadOptions, cancellation: CancellationFlag?, progress: ((Float) -> Void)?
    ) throws(ApusError) {
        try options.validate()
        try InstructionSet.select()
        let file = try GGUFFile(path: path)
        do throws(ApusError) {
            let needs = try DecoderWeights.requirements(file)
            tokenizer = try Tokenizers.make(file.metadata)
            guard tokenizer.vocabularySize == needs.vocabularySize else {
                throw ApusError(
                    .format,
                    "tokenizer.ggml.tokens has \(tokenizer.vocabularySize) entries, wanted: \(needs.vocabularySize), "
                        + "the rows of tensor 'token_embd.weight'")
            }
            let budget = try MemoryBudget(needs, spec: Architectures.spec(file.metadata), options: options)
            contextLength = budget.contextLength
            chunkTokens = min(options.chunkTokens, budget.contextLength)
            threads = options.threads ?? InstructionSet.processorCount
            weights = try DecoderWeights(
                file, threads: threads, contextLength: contextLength, cancellation: cancellation, progress: progress)
        } catch {
            throw error.code == .invalidArgument || error.message.contains(path)
                ? error : ApusError(error.code, "\(path): \(error.message)")
        }
        self.path = path
        metadata = file.metadata
        fileBytes = file.fileBytes
    }
}
