// Runs tests: loads models, warms up, measures.

import Apus
import ApusGGUF
import ApusModel

/// What a benchmark measures beside the plan.
struct BenchSettings {
    var repetitions = 5
    /// Seconds to wait before each test.
    var delay = 0
    var warmsUp = true
    var measuresRoofs = true
    var showsProgress = false
}

/// What every row of a model says about the process.
struct ProcessFigures {
    let loadSeconds: Double
    /// From the start of the process to the first token drawn; of the first model only.
    let firstTokenSeconds: Double?
    let peakBytes: Int?
    /// The kernels' variant.
    let isa: String
    let teamBackend: String
}

/// Runs the tests of a plan, in order; keeps a model as long as the next test is on it.
struct BenchRunner {
    let settings: BenchSettings
    private var engine: BenchEngine?
    private var probe: MachineProbe?
    private var firstTokenSeconds: Double?
    private var hasDrawnFirstToken = false
    private let count: Int
    private var number = 0

    init(_ settings: BenchSettings, count: Int) {
        self.settings = settings
        self.count = count
    }

    /// Runs one test.
    ///
    /// - Parameter needs: What all tests on the model need.
    mutating func run(_ test: BenchTest, needs: BenchEngine.Needs) throws(ApusError) -> BenchResult {
        number += 1
        progress("\(test.name), \(test.threads) threads")
        let (engine, decoder) = try load(
            test.model, isa: test.isa, needs: needs, threads: test.threads, stepTokens: test.stepTokens)
        let depth = test.depth
        if depth > 0 { progress("filling the cache with \(depth) tokens") }
        let sequence = try engine.sequence(depth: depth, with: decoder)
        let tokens = [engine.tokens.tokens(0..<test.positions)]
        func prompt(_ tokens: Int) -> BenchSchedule {
            var schedule = BenchSchedule()
            schedule.addPrompts(
                sequences: 1, positions: depth..<depth + tokens, batch: test.batch, stepTokens: test.stepTokens)
            return schedule
        }
        var schedule = prompt(test.prompt)
        schedule.addDecoding(sequences: 1, positions: depth + test.prompt..<test.positions)
        let startTime = SystemInfo.timestamp

        wait()
        if settings.warmsUp {
            progress("warm-up")
            decoder.mergePages()
            var warmUp = prompt(test.prompt)
            if test.generated > 0 {
                warmUp.addDecoding(sequences: 1, positions: depth + test.prompt..<depth + test.prompt + 1)
            }
            try engine.run(warmUp, on: [sequence], tokens: tokens, with: decoder)
        }
        try prepareProbe(engine)
        var samples = Samples(nanoseconds: [], tokens: test.prompt + test.generated)
        var roofs = RoofShare(schedule.work(engine.cost))
        var hashes: [LogitsHash] = []
        var before = measureRoofs(test.threads, roofs.work)
        for repetition in 1...settings.repetitions {
            progress("run \(repetition) of \(settings.repetitions)")
            sequence.truncate(to: depth)
            let start = ContinuousClock.now
            let logits = try engine.run(schedule, on: [sequence], tokens: tokens, with: decoder)
            let duration = ContinuousClock.now - start
            // What is measured after a run is measured before the next.
            let after = measureRoofs(test.threads, roofs.work)
            samples.nanoseconds.append(duration.nanoseconds)
            roofs.add(seconds: duration.seconds, before: before, after: after)
            before = after
            hashes.append(LogitsHash(of: logits))
        }
        try check(hashes, of: test.name)
        return BenchResult(
            test: test, description: engine.description, startTime: startTime, samples: samples, roofs: roofs,
            hash: hashes[0], process: figures(of: engine))
    }

    /// Runs one batched test.
    ///
    /// - Parameter needs: What all tests on the model need.
    mutating func run(_ test: BatchedTest, needs: BenchEngine.Needs) throws(ApusError) -> BatchedResult {
        number += 1
        progress("\(test.sequences) sequences, \(test.threads) threads")
        let (engine, decoder) = try load(
            test.model, isa: test.isa, needs: needs, threads: test.threads, stepTokens: test.stepTokens)
        // The last sequence has the same tokens whatever their number, and so the same logits.
        let end = test.prompt + test.generated
        let tokens = (0..<test.sequences).map {
            engine.tokens.tokens(0..<end, sequence: test.sequences - 1 - $0)
        }
        var prompts = BenchSchedule()
        prompts.addPrompts(
            sequences: test.sharesPrompt ? 1 : test.sequences, positions: 0..<test.prompt, batch: test.batch,
            stepTokens: min(test.batch, test.microBatch))
        var decoding = BenchSchedule()
        decoding.addDecoding(sequences: test.sequences, positions: test.prompt..<end)
        let startTime = SystemInfo.timestamp

        func runPrompts() throws(ApusError) -> [KVSequence] {
            // A shared prompt is that of the last sequence, which does not depend on how many there are.
            let sequences = (0..<(test.sharesPrompt ? 1 : test.sequences)).map { _ in engine.sequence() }
            try engine.run(
                prompts, on: sequences, tokens: test.sharesPrompt ? [tokens[test.sequences - 1]] : tokens, with: decoder
            )
            return test.sharesPrompt ? (0..<test.sequences).map { _ in sequences[0].fork() } : sequences
        }

        wait()
        if settings.warmsUp {
            progress("warm-up")
            decoder.mergePages()
            let sequences = try runPrompts()
            var warmUp = BenchSchedule()
            warmUp.addDecoding(sequences: test.sequences, positions: test.prompt..<test.prompt + 1)
            try engine.run(warmUp, on: sequences, tokens: tokens, with: decoder)
        }
        var prompt = Samples(nanoseconds: [], tokens: (test.sharesPrompt ? 1 : test.sequences) * test.prompt)
        var generation = Samples(nanoseconds: [], tokens: test.sequences * test.generated)
        var roofs = RoofShare(decoding.work(engine.cost))
        try prepareProbe(engine)
        var hashes: [LogitsHash] = []
        for repetition in 1...settings.repetitions {
            progress("run \(repetition) of \(settings.repetitions)")
            let start = ContinuousClock.now
            let sequences = try runPrompts()
            prompt.nanoseconds.append((ContinuousClock.now - start).nanoseconds)
            let before = measureRoofs(test.threads, roofs.work)
            let prefilled = ContinuousClock.now
            let logits = try engine.run(decoding, on: sequences, tokens: tokens, with: decoder)
            let duration = ContinuousClock.now - prefilled
            let after = measureRoofs(test.threads, roofs.work)
            generation.nanoseconds.append(duration.nanoseconds)
            roofs.add(seconds: duration.seconds, before: before, after: after)
            hashes.append(LogitsHash(of: logits))
        }
        try check(hashes, of: "\(test.sequences) sequences")
        return BatchedResult(
            test: test, description: engine.description, startTime: startTime, prompt: prompt, generation: generation,
            roofs: roofs, hash: hashes[0], process: figures(of: engine))
    }

    /// The model and decoder of a test.
    private mutating func load(
        _ path: String, isa: String?, needs: BenchEngine.Needs, threads: Int, stepTokens: Int
    ) throws(ApusError) -> (BenchEngine, Decoder) {
        if let engine, engine.path == path, engine.isa == isa {
            return (engine, try engine.decoder(threads: threads, stepTokens: stepTokens))
        }
        progress("loading \(ApusError.printable(path))")
        // The old model's memory goes before the new one's comes.
        engine = nil
        firstTokenSeconds = nil
        let new = try BenchEngine(path: path, isa: isa, needs: needs, foreignBytes: probe?.bufferBytes ?? 0)
        engine = new
        let decoder = try new.decoder(threads: threads, stepTokens: stepTokens)
        if !hasDrawnFirstToken {
            hasDrawnFirstToken = true
            firstTokenSeconds = try new.firstToken(with: decoder)
        }
        return (new, decoder)
    }

    private func figures(of engine: BenchEngine) -> ProcessFigures {
        engine.notePeak(without: probe?.bufferBytes ?? 0)
        return ProcessFigures(
            loadSeconds: engine.loadSeconds, firstTokenSeconds: firstTokenSeconds, peakBytes: engine.peakBytes,
            isa: InstructionSet.active, teamBackend: InstructionSet.teamBackend)
    }

    /// Takes the probe's memory, which is no part of the model's peak.
    private mutating func prepareProbe(_ engine: BenchEngine) throws(ApusError) {
        guard settings.measuresRoofs, probe == nil else { return }
        engine.notePeak(without: 0)
        probe = try MachineProbe()
        SystemInfo.resetPeakMemory()
    }

    private func measureRoofs(_ threads: Int, _ work: DecoderCost.Work) -> MachineProbe.Roofs? {
        probe?.measure(threads: threads, for: work)
    }

    /// The same work gives the same bits: if not, no figure of it is worth anything.
    private func check(_ hashes: [LogitsHash], of name: String) throws(ApusError) {
        if Set(hashes).count == 1 { return }
        throw ApusError(
            .internalError,
            "\(name): the logits differ from run to run, by their hashes: "
                + hashes.map(\.description).joined(separator: " "))
    }

    private func wait() {
        let end = ContinuousClock.now + .seconds(settings.delay)
        // A signal ends the sleep early; an interrupt is seen by the next step.
        while !Interrupt.flag.isCancelled {
            let rest = (end - ContinuousClock.now).components
            if rest.seconds < 0 || rest.attoseconds <= 0 { return }
            var wanted = timespec(tv_sec: Int(rest.seconds), tv_nsec: Int(rest.attoseconds / 1_000_000_000))
            nanosleep(&wanted, nil)
        }
    }

    private func progress(_ text: String) {
        if settings.showsProgress { Console.note("apus bench: \(number) of \(count): \(text)") }
    }
}

extension LogitsHash {
    init(of logits: UnsafeMutableBufferPointer<Float>) {
        self.init()
        combine(logits)
    }
}

extension Duration {
    fileprivate var nanoseconds: Int {
        Int(components.seconds) * 1_000_000_000 + Int(components.attoseconds / 1_000_000_000)
    }
}
