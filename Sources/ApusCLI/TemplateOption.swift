// Which chat template is meant.

import Apus
import ApusGGUF
import ApusTokenizer
import ArgumentParser

/// --chat-template
struct TemplateOption: ParsableArguments {
    @Option(
        name: .customLong("chat-template"),
        help: ArgumentHelp(
            "The chat template, instead of the model's: a file, or one of \(ChatFormat.names.joined(separator: ", ")).",
            valueName: "file|name"),
        completion: .file())
    var template: String?

    /// The format that the option asks for; nil without the option.
    func given(_ metadata: Metadata) throws(ApusError) -> ChatFormat? {
        guard let template else { return nil }
        if let format = try ChatFormat(named: template, metadata: metadata) { return format }
        let name = ApusError.printable(template)
        var status = stat()
        guard stat(template, &status) == 0 else {
            throw ApusError(
                .io,
                "\(name): no such file, and no chat template of that name, which are "
                    + ChatFormat.names.joined(separator: ", "))
        }
        let source = String(decoding: try InputFile.readText(template), as: UTF8.self)
        return try ModelLocator.naming(template) { () throws(ApusError) in
            try ChatFormat(source: source, metadata: metadata)
        }
    }

    /// The format that the option asks for, or that the model's file has or shows.
    ///
    /// - Parameters:
    ///   - path: The model's file.
    ///   - metadata: The file's metadata.
    ///   - tokenizer: Makes the file's tokenizer, or has it.
    func format(
        _ path: String, _ metadata: Metadata, _ tokenizer: () throws(ApusError) -> any Tokenizer
    ) throws(ApusError) -> ChatFormat {
        if let given = try given(metadata) { return given }
        return try ModelLocator.naming(path) { () throws(ApusError) in
            if let own = try ChatFormat(metadata) { return own }
            do throws(ApusError) {
                return try ChatFormat.find(metadata, try tokenizer())
            } catch {
                throw ApusError(error.code, error.message + ": --chat-template FILE|NAME")
            }
        }
    }
}
