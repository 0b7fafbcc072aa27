// A loaded model and what the tests on it share.

import Apus
import ApusGGUF
import ApusModel

/// A model under test: its weights, one cache, the decoder of the present settings, and the deepest context computed.
final class BenchEngine {
    let path: String
    let isa: String?
    let model: Model
    let description: ModelDescription
    let cost: DecoderCost
    let tokens: BenchTokens
    /// From the opening of the file to packed weights.
    let loadSeconds: Double
    /// The most memory that loading took, in bytes.
    private(set) var peakBytes: Int?

    private let cache: KVCache
    private var decoder: Decoder?
    private var prefix: KVSequence

    /// What the tests on a model need of it.
    struct Needs {
        /// Positions of the longest sequence.
        var positions = 1
        /// Positions of all sequences that exist at once, in whole pages.
        var cachePositions = 0
        /// The most tokens of a step.
        var stepTokens = 1
        var threads = 1

        mutating func add(sequences: Int, positions: Int, stepTokens: Int, threads: Int) throws(ApusError) {
            self.positions = max(self.positions, positions)
            let pages = (positions - 1) / KVCache.pagePositions + 1
            let (total, overflow) = sequences.multipliedReportingOverflow(by: pages * KVCache.pagePositions)
            guard !overflow, total < 1 << 40 else {
                throw ApusError(
                    .outOfMemory, "no memory for a KV cache of \(sequences) sequences of \(positions) positions")
            }
            cachePositions = max(cachePositions, total)
            self.stepTokens = max(self.stepTokens, stepTokens)
            self.threads = max(self.threads, threads)
        }
    }

    /// Loads a model.
    ///
    /// - Parameter foreignBytes: Memory of the process that is not the model's.
    init(path: String, isa: String?, needs: Needs, foreignBytes: Int) throws(ApusError) {
        self.path = path
        self.isa = isa
        SystemInfo.resetPeakMemory()
        // Loading selects what the variable says.
        if let isa { setenv("APUS_ISA", isa, 1) }
        var options = LoadOptions()
        options.threads = needs.threads
        options.contextLength = needs.positions
        options.chunkTokens = needs.stepTokens
        let start = ContinuousClock.now
        model = try Model.load(path: path, options: options, cancellation: Interrupt.flag)
        loadSeconds = (ContinuousClock.now - start).seconds
        // One page more for each of two sequences: a copy that is about to be written to.
        let positions = needs.cachePositions + 2 * KVCache.pagePositions
        let bytes = Double(positions / KVCache.pagePositions) * Double(KVCache.pageBytes(model.weights.spec))
        if let available = SystemMemory.available, bytes > Double(available) {
            throw ApusError(
                .outOfMemory,
                "\(ApusError.printable(path)): the KV cache of \(positions) positions needs "
                    + "\(decimal(bytes / 1e6, 0)) MB, available: \(decimal(Double(available) / 1e6, 0)) MB")
        }
        cache = try KVCache(model.weights.spec, positions: positions)
        prefix = KVSequence(cache)
        cost = DecoderCost(model.weights)
        tokens = BenchTokens(model.tokenizer)
        let file = try GGUFFile(path: path)
        description = ModelDescription(file, spec: model.weights.spec)
        notePeak(without: foreignBytes)
    }

    /// Takes the present peak into account.
    ///
    /// - Parameter foreignBytes: Memory in it that is not the model's.
    func notePeak(without foreignBytes: Int) {
        guard let peak = SystemInfo.peakMemory else { return }
        peakBytes = max(peakBytes ?? 0, peak - foreignBytes)
    }

    /// A decoder for some settings; the last one is kept.
    func decoder(threads: Int, stepTokens: Int) throws(ApusError) -> Decoder {
        if let decoder, decoder.threads == threads, decoder.maxTokens == stepTokens { return decoder }
        decoder = nil
        let new = try Decoder(
            model.weights, cache: cache, maxTokens: stepTokens, maxPositions: model.contextLength, threads: threads)
        decoder = new
        return new
    }

    /// An empty sequence.
    func sequence() -> KVSequence { KVSequence(cache) }

    /// A sequence of some depth. The deepest one is computed once; the others share its pages, which gives the same bits.
    func sequence(depth: Int, with decoder: Decoder) throws(ApusError) -> KVSequence {
        if prefix.length < depth {
            var schedule = BenchSchedule()
            schedule.addPrompts(
                sequences: 1, positions: prefix.length..<depth, batch: depth, stepTokens: decoder.maxTokens)
            try run(schedule, on: [prefix], tokens: [tokens.tokens(0..<depth)], with: decoder)
        }
        return prefix.fork(length: depth)
    }

    /// Runs steps.
    ///
    /// - Parameters:
    ///   - sequences: What the steps' indices mean.
    ///   - tokens: Each sequence's tokens from its first position on.
    /// - Returns: The last logits of all, which last until the decoder runs again.
    @discardableResult
    func run(
        _ schedule: BenchSchedule, on sequences: [KVSequence], tokens: [[Int32]], with decoder: Decoder
    ) throws(ApusError) -> UnsafeMutableBufferPointer<Float> {
        var logits = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
        for step in schedule.steps {
            let chunks = step.pieces.map {
                Decoder.Chunk(
                    sequences[$0.sequence], tokens: tokens[$0.sequence][$0.positions],
                    logits: $0.hasLogits ? .last : .none)
            }
            try decoder.run(chunks, cancellation: Interrupt.flag) { _, row in logits = row }
        }
        return logits
    }

    /// Draws the first token after a prompt of one: what a person waits for at the least.
    ///
    /// - Returns: Seconds since this process was started.
    func firstToken(with decoder: Decoder) throws(ApusError) -> Double {
        let sequence = sequence()
        var schedule = BenchSchedule()
        schedule.addDecoding(sequences: 1, positions: 0..<1)
        let logits = try run(schedule, on: [sequence], tokens: [tokens.tokens(0..<1)], with: decoder)
        let token = logits.indices.max { logits[$0] < logits[$1] }
        precondition(token != nil, "a vocabulary has tokens")
        return SystemInfo.secondsSinceStart()
    }
}
