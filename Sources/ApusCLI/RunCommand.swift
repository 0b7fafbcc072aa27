import Apus
import ApusGGUF
import ApusJSON
import ApusModel
import ApusTokenizer
import ArgumentParser

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Generates text.",
        discussion: """
            The text goes to standard output as it comes, a line of statistics to standard error. Generation ends with \
            the model's end token, a stop string, -n tokens or a full context; Ctrl-C ends it and keeps what is there.
            """)

    @OptionGroup var model: ModelOption
    @OptionGroup var text: TextOptions
    @OptionGroup var compute: ComputeOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags

    @Option(
        name: [.customShort("n"), .customLong("predict")], parsing: .unconditional,
        help: "The most tokens to generate; -1 until the model ends the text or the context is full.")
    var maxTokens = -1

    @Option(
        name: .customLong("stop"), parsing: .unconditionalSingleValue,
        help: "End the text before this string; may be given several times.")
    var stops: [String] = []

    @Flag(name: .customLong("raw"), help: "Take the text as it is, without a chat template. So far it always is.")
    var raw = false

    @Flag(
        name: .customLong("parse-special"),
        help: "Turn the texts of control tokens, such as <|im_end|>, into these tokens.")
    var parseSpecial = false

    @Flag(name: .customLong("ignore-eos"), help: "Never draw a token that ends the text.")
    var ignoreEOS = false

    @Flag(name: .customLong("json"), help: "Print one JSON object at the end instead of the text.")
    var json = false

    func validate() throws {
        if maxTokens < -1 { throw ValidationError("-n is \(maxTokens), wanted: -1 (no limit), 0 or more") }
        if stops.contains(where: \.isEmpty) { throw ValidationError("--stop is empty, wanted: at least one character") }
    }

    func run() throws {
        let path = try model.path()
        let prompt = try text.bytes(wanted: "prompt")
        let start = ContinuousClock.now
        let engine = try Model.load(path: path, options: compute.loadOptions)
        let loadDuration = ContinuousClock.now - start
        let ids = try promptIDs(prompt, engine.tokenizer)

        var options = GenerationOptions()
        options.maxTokens = maxTokens < 0 ? nil : maxTokens
        options.stops = stops
        options.ignoresEndOfGeneration = ignoreEOS
        let chain = try SamplerChain(sampling.options(for: engine.tokenizer))
        let session = try Session(model: engine)
        var generator = try Generator(
            source: session, tokenizer: engine.tokenizer, chain: chain, options: options, cancellation: Interrupt.flag)
        Interrupt.beginGraceful()
        let output = TextOutput(isSilent: json)
        let result = try ModelLocator.naming(path) { () throws(ApusError) in
            try generator.run(prompt: ids) { piece in output.write(piece) }
        }
        if let failure = output.failure { throw failure }

        let report = RunReport(
            promptIDs: ids, result: result, loadDuration: loadDuration, seed: chain.seed,
            logitsHash: session.logitsHash.description, weightBytesPerToken: engine.weights.bytesPerToken)
        if json {
            try Console.writeLine(report.json.text)
        } else {
            try output.endLine()
        }
        for warning in engine.tokenizer.warnings { Console.warn(warning) }
        Console.note(report.line)
        if Interrupt.flag.isCancelled { throw ExitCode(Interrupt.exitCode) }
    }

    /// The prompt's tokens. An empty prompt is the model's begin token, if it has one.
    private func promptIDs(_ prompt: [UInt8], _ tokenizer: any Tokenizer) throws(ApusError) -> [Int32] {
        let ids = tokenizer.encode(prompt, addSpecial: true, parseSpecial: parseSpecial)
        if !ids.isEmpty { return ids }
        if let bos = tokenizer.bosID { return [bos] }
        throw ApusError(.invalidArgument, "the prompt is empty, and the model has no token that begins a text")
    }
}

/// The generated text on its way to standard output.
private final class TextOutput {
    private let isSilent: Bool
    private var endsLine = true
    private var isClosed = false
    /// What kept the text from being written, if anything but a closed pipe did.
    private(set) var failure: ApusError?

    init(isSilent: Bool) {
        self.isSilent = isSilent
    }

    /// Writes a piece; false when no more is wanted.
    func write(_ piece: String) -> Bool {
        if isSilent { return true }
        do throws(ApusError) {
            isClosed = try !Console.write(Array(piece.utf8))
        } catch {
            failure = error
            return false
        }
        endsLine = piece.utf8.last == 0x0A
        return !isClosed
    }

    /// Ends the line where a person would see it go on: on a terminal, or where the statistics follow.
    func endLine() throws(ApusError) {
        if endsLine || isClosed || isSilent { return }
        if Console.outputIsTerminal || Console.outputMeetsError { _ = try Console.write([0x0A]) }
    }
}
