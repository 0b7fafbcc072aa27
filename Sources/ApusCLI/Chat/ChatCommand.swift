import Apus
import ApusGGUF
import ApusModel
import ApusTokenizer
import ArgumentParser

struct ChatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Converses with a model.",
        discussion: """
            On a terminal lines are edited and remembered; /help lists the commands. Ctrl-C stops a reply, Ctrl-D ends the \
            conversation. A line that ends with \\ goes on in the next; lines between \"\"\" and \"\"\" are one message.

            Without a terminal each line of standard input is a message, or a command, and each reply goes to standard \
            output with a line break at its end; all else goes to standard error. The exit code is 1 when a message or \
            command failed.

            The format is the model's chat template, or, where the file has none, what its vocabulary shows \
            (\(ChatFormat.names.joined(separator: ", "))). Texts of control tokens in messages are plain text without \
            --parse-special. When the context is full the oldest questions and replies are dropped. The n-th reply is \
            drawn with the seed + n - 1.
            """)

    @OptionGroup var model: ModelOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var generation: GenerationFlags
    @OptionGroup var template: TemplateOption

    @Option(name: .customLong("system"), parsing: .unconditional, help: "The system's message.")
    var system: String?

    @Option(
        name: .customLong("history"), parsing: .unconditional,
        help: ArgumentHelp(
            "Where lines are remembered; an empty name for nowhere. By default apus/history in $XDG_STATE_HOME.",
            valueName: "file"),
        completion: .file())
    var history: String?

    @Flag(name: .customLong("verbose"), help: "After each reply tell what it took, as /set verbose on does.")
    var verbose = false

    @Flag(name: .customLong("json"), help: "Print a JSON object a line for each reply.")
    var json = false

    @OptionGroup(title: "Sampling") var sampling: SamplingFlags

    func run() throws {
        let path = try model.path()
        let engine = try Model.load(path: path, options: compute.loadOptions)
        let format = try template.format(path, engine.metadata) { engine.tokenizer }
        let conversation = Conversation(
            source: try Session(model: engine), tokenizer: engine.tokenizer, format: format,
            sampling: try sampling.options(for: engine.tokenizer))
        if let system {
            try ModelLocator.naming(path) { () throws(ApusError) in try conversation.setSystem(system) }
        }
        for warning in engine.tokenizer.warnings { Console.warn(warning) }

        let isInteractive = isatty(STDIN_FILENO) == 1 && (Console.outputIsTerminal || Console.errorIsTerminal)
        let settings = ChatSettings(sampling: sampling, generation: generation, isVerbose: verbose)
        let chat = try ChatLoop(
            conversation, settings, model: engine, input: input(isInteractive), isInteractive: isInteractive,
            printsJSON: json)
        if isInteractive {
            let name = ApusError.printable((try? engine.metadata.optionalString("general.name")) ?? path)
            chat.show("\(name), context \(engine.contextLength). /help lists the commands, Ctrl-D ends.")
        }
        do throws(ApusError) {
            try chat.run()
        } catch {
            if error.code == .cancelled { throw ExitCode(Interrupt.exitCode) }
            throw error
        }
        if !chat.succeeded, !isInteractive { throw ExitCode.failure }
    }

    private func input(_ isInteractive: Bool) -> any LineInput {
        #if LineEditing
            if isInteractive, let input = EditedInput(history: HistoryFile(history)) {
                return input
            }
        #endif
        return PlainInput(showsPrompt: isInteractive)
    }
}
