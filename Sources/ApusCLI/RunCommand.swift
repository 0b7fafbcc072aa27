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
            The text is the user's message in the model's chat template; where the model's file has no template, or \
            with --raw, it is continued as it is. Control tokens' texts in it are plain text without --parse-special.

            What is generated goes to standard output as it comes, a line of statistics to standard error. Generation \
            ends with the model's end token, a stop string, -n tokens or a full context; Ctrl-C ends it and keeps what \
            is there.
            """)

    @OptionGroup var model: ModelOption
    @OptionGroup var text: TextOptions
    @OptionGroup var compute: ComputeOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags

    @OptionGroup var generation: GenerationFlags
    @OptionGroup var template: TemplateOption

    @Option(name: .customLong("system"), parsing: .unconditional, help: "The system's message, before the user's.")
    var system: String?

    @Flag(name: .customLong("raw"), help: "Continue the text as it is, without a chat template.")
    var raw = false

    @Flag(name: .customLong("json"), help: "Print one JSON object at the end instead of the text.")
    var json = false

    func validate() throws {
        if raw, system != nil || template.template != nil {
            throw ValidationError("--raw excludes --system and --chat-template: it takes the text as it is")
        }
    }

    func run() throws {
        let path = try model.path()
        let prompt = try text.bytes(wanted: "prompt")
        let start = ContinuousClock.now
        let engine = try Model.load(path: path, options: compute.loadOptions)
        let loadDuration = ContinuousClock.now - start
        let ids = try promptIDs(prompt, engine)

        let chain = try SamplerChain(sampling.options(for: engine.tokenizer))
        let session = try Session(model: engine, hashesLogits: json)
        var generator = try Generator(
            source: session, tokenizer: engine.tokenizer, chain: chain, options: generation.options,
            speculation: generation.speculation, cancellation: Interrupt.flag)
        Interrupt.beginGraceful()
        let output = TextOutput(isSilent: json)
        let result = try ModelLocator.naming(path) { () throws(ApusError) in
            try generator.run(prompt: ids) { piece in output.write(piece) }
        }
        if let failure = output.failure { throw failure }

        let report = RunReport(
            promptIDs: ids, result: result, loadDuration: loadDuration, seed: chain.seed,
            logitsHash: session.logitsHash, weightBytesPerToken: engine.weights.bytesPerToken)
        if json {
            try Console.writeLine(report.json.text)
        } else {
            try output.endLine()
        }
        for warning in engine.tokenizer.warnings { Console.warn(warning) }
        Console.note(report.line)
        if Interrupt.flag.isCancelled { throw ExitCode(Interrupt.exitCode) }
    }

    /// The prompt's tokens: the user's message in the chat template, or the text as it is.
    private func promptIDs(_ prompt: [UInt8], _ engine: Model) throws(ApusError) -> [Int32] {
        guard let format = try format(engine) else { return try rawIDs(prompt, engine.tokenizer) }
        var messages = [ChatMessage(role: "user", content: String(decoding: prompt, as: UTF8.self))]
        if let system { messages.insert(ChatMessage(role: "system", content: system), at: 0) }
        return try ModelLocator.naming(engine.path) { () throws(ApusError) in
            try format.ids(messages, tokenizer: engine.tokenizer, parsesSpecial: generation.parseSpecial)
        }
    }

    /// The chat template's format, where one is to be used: text goes to a model without a template as it is.
    private func format(_ engine: Model) throws(ApusError) -> ChatFormat? {
        if raw { return nil }
        if let given = try template.given(engine.metadata) { return given }
        if system != nil { return try template.format(engine.path, engine.metadata) { engine.tokenizer } }
        return try ModelLocator.naming(engine.path) { () throws(ApusError) in try ChatFormat(engine.metadata) }
    }

    /// The tokens of a text. An empty text is the model's begin token, if it has one.
    private func rawIDs(_ prompt: [UInt8], _ tokenizer: any Tokenizer) throws(ApusError) -> [Int32] {
        let ids = tokenizer.encode(prompt, addSpecial: true, parseSpecial: generation.parseSpecial)
        if !ids.isEmpty { return ids }
        if let bos = tokenizer.bosID { return [bos] }
        throw ApusError(.invalidArgument, "the prompt is empty, and the model has no token that begins a text")
    }
}
