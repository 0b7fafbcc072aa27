internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusTokenizer

/// What `/api/show` tells of a model's file.
struct ShownModel: Sendable {
    /// The form of chat, in Go's template language.
    let template: String
    /// What generation begins with, as in a Modelfile; texts are in quotes.
    let parameters: [(name: String, value: String)]
    /// The file's metadata.
    let info: [JSONValue.Member]
    /// The tensors; empty where they are not wanted.
    let tensors: [JSONValue]
    /// The license, where the file names one.
    let license: String?

    /// Arrays with more elements are only shown where everything is asked for.
    private static let mostElements = 5

    /// Reads a file's header.
    ///
    /// - Parameters:
    ///   - path: The file, or the first of its parts.
    ///   - chatTemplate: A template in place of the file's own, or the name of one.
    ///   - isVerbose: Whether long arrays and the tensors are wanted.
    /// - Throws: `ApusError` when it is no sound model.
    init(path: String, chatTemplate: String?, isVerbose: Bool) throws(ApusError) {
        let file = try GGUFFile(path: path)
        let metadata = file.metadata
        let tokenizer = try Tokenizers.make(metadata)
        template = ShownTemplate.text(
            try? ChatFormat.find(metadata, tokenizer, replacedBy: chatTemplate))
        license = try? metadata.optionalString("general.license")

        var parameters: [(name: String, value: String)] = []
        let architecture = (try? metadata.optionalString("general.architecture")) ?? ""
        if let length = try? metadata.optionalInt("\(architecture).context_length") {
            parameters.append(("num_ctx", "\(length)"))
        }
        for id in tokenizer.endOfGenerationIDs.sorted() {
            let text = String(decoding: tokenizer.bytes(of: id, renderSpecial: true), as: UTF8.self)
            if !text.isEmpty { parameters.append(("stop", JSONValue.string(text).text)) }
        }
        self.parameters = parameters

        var info: [JSONValue.Member] = []
        for (key, value) in metadata.entries where key != "general.name" && key != "tokenizer.chat_template" {
            info.append(.init(key, JSONValue(value, mostElements: isVerbose ? nil : Self.mostElements)))
        }
        if metadata["general.parameter_count"] == nil {
            let count = file.tensors.reduce(0) { $0.addingReportingOverflow($1.elementCount).partialValue }
            info.append(.init("general.parameter_count", .int(count)))
        }
        self.info = info
        tensors =
            isVerbose
            ? file.tensors.map {
                ["name": .string($0.name), "type": .string($0.type.name), "shape": .ints($0.shape)]
            } : []
    }

    /// A line for each parameter, names and values in columns.
    var parameterText: String {
        parameters.map { name, value in
            name + String(repeating: " ", count: max(1, 31 - name.count)) + value
        }.joined(separator: "\n")
    }
}
