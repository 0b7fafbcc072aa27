import Apus
import ApusGGUF
import ApusJSON
import ApusModel
import ArgumentParser

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Tells what is in a model file, and what of it is not supported.",
        discussion: "Reads only the file's header, no weights.")

    @Argument(
        help: "A GGUF file, or the beginning of a name in the model folder.", completion: .file(extensions: ["gguf"]))
    var file: String

    @Option(
        name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
        help: "Estimate the memory for this context; by default for the one that the model was trained for.")
    var contextLength: Int?

    @Flag(name: .customLong("tensors"), help: "List the tensors.")
    var tensors = false

    @Flag(name: .customLong("json"), help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard let contextLength, contextLength < 1 || contextLength > Int(Int32.max) else { return }
        throw ValidationError("-c is \(contextLength), wanted: 1 to \(Int32.max)")
    }

    func run() throws {
        let path = try ModelLocator.path(for: file)
        let summary = ModelSummary(try GGUFFile(path: path), contextLength: contextLength)
        if json {
            try Console.writeLine(summary.json(withTensors: tensors).text)
        } else {
            _ = try Console.write(Array(summary.lines(withTensors: tensors).joined(separator: "\n").utf8) + [0x0A])
        }
    }
}
