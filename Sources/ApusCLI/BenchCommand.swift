import Apus
import ApusGGUF
import ApusModel
import ArgumentParser

extension ReportFormat: ExpressibleByArgument {}

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures speed, as llama-bench does.",
        discussion: """
            Numbers may be lists and ranges: 1,2,8 or 1-4 or 8-64+8 or 1-16*2. Every combination is measured, -r times \
            after a warm-up, without sampling. The keys of csv, json and jsonl are llama-bench's; then come ours: GB/s and \
            GMAC/s with their share of what the machine could read and compute right before and after each run, \
            load_seconds, first_token_seconds (from the start of the process to the first token after a prompt of one; \
            of the first model only), peak_rss_bytes, the kernels, and logits_hash, a hash over the bits of the last \
            logits, which does not depend on -t, -b, -ub and --isa. ARCHITECTURE.md says how each is measured.
            """)

    @Option(
        name: [.customShort("m"), .customLong("model")], parsing: .singleValue,
        help: "A model: a GGUF file, or the beginning of a name in the model folder; may be given several times.",
        completion: .file(extensions: ["gguf"]))
    var models: [String]

    @Option(
        name: [.customShort("p"), .customLong("n-prompt")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Lengths of prompts; 0 is none. (default: 512)", valueName: "list"))
    var prompts: [String] = []

    @Option(
        name: [.customShort("n"), .customLong("n-gen")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Tokens decoded one by one; 0 is none. (default: 128)", valueName: "list"))
    var generations: [String] = []

    @Option(
        name: [.customLong("pg", withSingleDash: true)], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A prompt and a generation after it; may be given several times.", valueName: "prompt,gen"))
    var pairs: [String] = []

    @Option(
        name: [.customShort("d"), .customLong("n-depth")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Tokens in the cache before a test begins. (default: 0)", valueName: "list"))
    var depths: [String] = []

    @Option(
        name: [.customShort("t"), .customLong("threads")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Threads; by default the cores that this process may use.", valueName: "list"))
    var threads: [String] = []

    @Option(
        name: [.customShort("b"), .customLong("batch-size")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Tokens given to the model at once. (default: 2048)", valueName: "list"))
    var batches: [String] = []

    @Option(
        name: [.customLong("ub", withSingleDash: true), .customLong("ubatch-size")],
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Tokens computed at once. (default: 512)", valueName: "list"))
    var microBatches: [String] = []

    @Option(name: [.customShort("r"), .customLong("repetitions")], parsing: .unconditional, help: "Timed runs.")
    var repetitions = 5

    @Option(name: .customLong("delay"), parsing: .unconditional, help: "Seconds to wait before each test.")
    var delay = 0

    @Option(name: [.customShort("o"), .customLong("output")], help: "The form of the output.")
    var format = ReportFormat.md

    @Flag(name: .customLong("progress"), help: "Tell on standard error what is being measured.")
    var progress = false

    @Flag(name: .customLong("no-warmup"), help: "Measure the first run too.")
    var noWarmup = false

    @Flag(
        name: .customLong("no-roofs"), help: "Do not measure what the machine can read and compute around each run.")
    var noRoofs = false

    @Option(
        name: .customLong("isa"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Kernels to use, a list; by default the best, or what APUS_ISA says.", valueName: "list"))
    var isas: [String] = []

    @Flag(
        name: .customLong("batched"),
        help: "Measure sequences that are decoded together, as llama-batched-bench does, with its keys.")
    var batched = false

    @Option(
        name: .customLong("npp", withSingleDash: true), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("With --batched: tokens of each prompt. (default: 128)", valueName: "list"))
    var batchedPrompts: [String] = []

    @Option(
        name: .customLong("ntg", withSingleDash: true), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("With --batched: tokens that each sequence decodes. (default: 32)", valueName: "list"))
    var batchedGenerations: [String] = []

    @Option(
        name: .customLong("npl", withSingleDash: true), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("With --batched: numbers of sequences. (default: 1,2,4,8,16)", valueName: "list"))
    var sequences: [String] = []

    @Flag(name: .customLong("pps", withSingleDash: true), help: "With --batched: all sequences share one prompt.")
    var sharesPrompt = false

    private static let defaultBatch = 2048
    private static let defaultMicroBatch = 512

    func validate() throws {
        _ = try plan(paths: models)
        if repetitions < 1 { throw ValidationError("-r is \(repetitions), wanted: 1 or more") }
        if !(0...86_400).contains(delay) { throw ValidationError("--delay is \(delay), wanted: 0 to 86400") }
        let plain = [("-p", prompts), ("-n", generations), ("-pg", pairs), ("-d", depths)]
        let batchedOnly = [("-npp", batchedPrompts), ("-ntg", batchedGenerations), ("-npl", sequences)]
        if batched, let wrong = plain.first(where: { !$0.1.isEmpty }) {
            throw ValidationError("\(wrong.0) does not go with --batched, which has -npp, -ntg and -npl")
        }
        if !batched, let wrong = batchedOnly.first(where: { !$0.1.isEmpty })?.0 ?? (sharesPrompt ? "-pps" : nil) {
            throw ValidationError("\(wrong) needs --batched")
        }
    }

    func run() throws {
        let plan = try plan(paths: models.map { model throws(ApusError) in try ModelLocator.path(for: model) })
        for isa in plan.isas { try InstructionSet.select(isa) }
        var settings = BenchSettings()
        settings.repetitions = repetitions
        settings.delay = delay
        settings.warmsUp = !noWarmup
        settings.measuresRoofs = !noRoofs
        settings.showsProgress = progress
        var table = TableSettings()
        table.showsBatch = plan.batches != [Self.defaultBatch]
        table.showsMicroBatch = plan.microBatches != [Self.defaultMicroBatch]
        Interrupt.beginGraceful()
        if batched { try runBatched(plan.batchedTests, settings, table) } else { try run(plan.tests, settings, table) }
    }

    private func run(_ tests: [BenchTest], _ settings: BenchSettings, _ table: TableSettings) throws(ApusError) {
        var needs: [String: BenchEngine.Needs] = [:]
        for test in tests {
            try needs[test.model, default: BenchEngine.Needs()].add(
                // The context of a depth, and the one under test.
                sequences: test.depth > 0 ? 2 : 1, positions: test.positions, stepTokens: test.stepTokens,
                threads: test.threads)
        }
        var runner = BenchRunner(settings, count: tests.count)
        var report = Report(format, columns: table.columns)
        for test in tests {
            let result = try runner.run(test, needs: needs[test.model] ?? BenchEngine.Needs())
            try report.add(table.row(result), name: test.name, samples: result.samples)
        }
        try report.end()
    }

    private func runBatched(
        _ tests: [BatchedTest], _ settings: BenchSettings, _ table: TableSettings
    ) throws(ApusError) {
        var needs: [String: BenchEngine.Needs] = [:]
        for test in tests {
            try needs[test.model, default: BenchEngine.Needs()].add(
                sequences: test.sequences, positions: test.prompt + test.generated, stepTokens: test.stepTokens,
                threads: test.threads)
        }
        var runner = BenchRunner(settings, count: tests.count)
        var report = Report(format, columns: table.batchedColumns)
        for test in tests {
            let result = try runner.run(test, needs: needs[test.model] ?? BenchEngine.Needs())
            try report.add(table.row(result), name: "B \(test.sequences)", samples: result.generation)
        }
        try report.end()
    }

    /// What the options ask for.
    private func plan(paths: [String]) throws -> BenchPlan {
        var plan = BenchPlan()
        plan.models = paths
        let names = isas.flatMap { $0.split(separator: ",").map(String.init) }
        plan.isas = names.isEmpty ? [nil] : names
        plan.threads = try list(threads, "-t", in: 1...maxThreads, default: [InstructionSet.processorCount])
        plan.batches = try list(batches, "-b", in: 1...Int(Int32.max), default: [Self.defaultBatch])
        plan.microBatches = try list(
            microBatches, "-ub", in: 1...LoadOptions.maxChunkTokens, default: [Self.defaultMicroBatch])
        let lengths = 0...Int(Int32.max) / 4
        if batched {
            plan.prompts = try list(batchedPrompts, "-npp", in: 1...lengths.upperBound, default: [128])
            plan.generations = try list(batchedGenerations, "-ntg", in: 1...lengths.upperBound, default: [32])
            plan.sequences = try list(sequences, "-npl", in: 1...LoadOptions.maxChunkTokens, default: [1, 2, 4, 8, 16])
            plan.sharesPrompt = sharesPrompt
            return plan
        }
        plan.prompts = try list(prompts, "-p", in: lengths, default: [512])
        plan.generations = try list(generations, "-n", in: lengths, default: [128])
        plan.depths = try list(depths, "-d", in: lengths, default: [0])
        for pair in pairs {
            let numbers = pair.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
            guard numbers.count == 2, let prompt = numbers[0], let generated = numbers[1], lengths.contains(prompt),
                lengths.contains(generated)
            else { throw ValidationError("-pg is \(ApusError.quoted(pair)), wanted: two numbers, as in 512,128") }
            plan.pairs.append((prompt, generated))
        }
        return plan
    }

    private func list(
        _ texts: [String], _ name: String, in range: ClosedRange<Int>, default numbers: [Int]
    ) throws -> [Int] {
        if texts.isEmpty { return numbers }
        do {
            let found = try texts.flatMap { text throws(ApusError) in try NumberList.parse(text) }
            if let wrong = found.first(where: { !range.contains($0) }) {
                throw ValidationError("\(name) is \(wrong), wanted: \(range.lowerBound) to \(range.upperBound)")
            }
            return found
        } catch let error as ApusError {
            throw ValidationError("\(name): \(error.message)")
        }
    }
}

/// The report on its way to standard output.
private struct Report {
    private var writer: ReportWriter
    private let isForPeople: Bool
    private var hasBegun = false
    private var notes = ["build: apus \(ApusVersion.text)"]

    init(_ format: ReportFormat, columns: [ReportColumn]) {
        writer = ReportWriter(format, columns: columns)
        isForPeople = format == .md
    }

    mutating func add(_ row: ReportRow, name: String, samples: Samples) throws(ApusError) {
        // A test that fails at once leaves no head of a table behind.
        let text = (hasBegun ? "" : writer.header) + writer.text(row)
        hasBegun = true
        _ = try Console.write(Array(text.utf8))
        guard samples.isDisturbed else { return }
        let note = "\(name): the runs differ by \(decimal(samples.spread * 100, 0)) %: the machine was disturbed"
        // A table that is kept keeps its warnings; programs have the key `disturbed`.
        if isForPeople { notes.append(note) } else { Console.warn(note) }
    }

    func end() throws(ApusError) {
        _ = try Console.write(Array(((hasBegun ? "" : writer.header) + writer.footer(notes: notes)).utf8))
    }
}
