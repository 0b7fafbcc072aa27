import Apus
import ApusGGUF
import ApusJSON
import ApusTemplate
import ApusTokenizer
import ArgumentParser

struct TemplateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "template",
        abstract: "Prints the prompt that a model's chat template makes of messages.",
        discussion: "Reads only the file's header, no weights.")

    @OptionGroup var model: ModelOption
    @OptionGroup var template: TemplateOption

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
        var options = ChatPromptOptions(addsGenerationPrompt: !noGenerationPrompt)
        options.tools = try tools.map { try Self.array($0) } ?? .null
        let metadata = try GGUFFile(path: path).metadata
        let format = try template.format(path, metadata) { () throws(ApusError) in try Tokenizers.make(metadata) }
        let prompt = try ModelLocator.naming(path) { [options] () throws(ApusError) in
            try format.prompt(messages, options: options)
        }
        guard try Console.write(prompt.bytes) else { return }
        if Console.outputIsTerminal && prompt.bytes.last != 0x0A { _ = try Console.write([0x0A]) }
    }

    private static func array(_ path: String) throws(ApusError) -> JSONValue {
        let name = path == "-" ? "standard input" : ApusError.printable(path)
        let value = try JSONValue(parsing: try InputFile.read(path), name: name)
        guard case .array = value else { throw ApusError(.format, "\(name): wanted a JSON array") }
        return value
    }
}
