import ApusGGUF
import ApusJSON
import ApusTemplate
import ArgumentParser

struct TemplateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "template",
        abstract: "Prints the prompt that a model's chat template makes of messages.",
        discussion: "Reads only the file's header, no weights.")

    @OptionGroup var model: ModelOption

    @Option(
        help: ArgumentHelp("A JSON array of messages with role and content; - is standard input.", valueName: "file"))
    var messages: String

    @Option(help: ArgumentHelp("A JSON array of tools that the model may call.", valueName: "file"))
    var tools: String?

    @Flag(name: .customLong("no-generation-prompt"), help: "Do not begin the assistant's answer.")
    var noGenerationPrompt = false

    func run() throws {
        let path = try model.path()
        let messages = try Self.array(messages)
        let tools = try tools.map { try Self.array($0) } ?? .null
        let metadata = try GGUFFile(path: path).metadata
        guard let source = try metadata.optionalString("tokenizer.chat_template") else {
            throw ApusError(
                .format, "\(ApusError.printable(path)): no tokenizer.chat_template, wanted: a model with one")
        }
        let prompt = try ModelLocator.naming(path) { () throws(ApusError) in
            let template = try ChatTemplate(source: source)
            return try template.render(
                .object(
                    [
                        .init("messages", messages), .init("tools", tools), .init("documents", .null),
                        .init("add_generation_prompt", .bool(!noGenerationPrompt)),
                    ] + (try Self.specialTokens(metadata))))
        }
        guard try Console.write(Array(prompt.utf8)) else { return }
        if Console.outputIsTerminal && prompt.utf8.last != 0x0A { _ = try Console.write([0x0A]) }
    }

    private static func array(_ path: String) throws(ApusError) -> JSONValue {
        let name = path == "-" ? "standard input" : ApusError.printable(path)
        let value = try JSONValue(parsing: try InputFile.read(path), name: name)
        guard case .array = value else { throw ApusError(.format, "\(name): wanted a JSON array") }
        return value
    }

    /// The texts of the tokens that templates know by name.
    private static func specialTokens(_ metadata: Metadata) throws(ApusError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        guard let tokens = try metadata.optionalStringArray("tokenizer.ggml.tokens") else { return [] }
        for (name, key) in [
            ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding"),
        ] {
            guard let id = try metadata.optionalInt("tokenizer.ggml.\(key)_token_id"), id >= 0, id < tokens.count else {
                continue
            }
            members.append(.init(name, .string(tokens[id])))
        }
        return members
    }
}
