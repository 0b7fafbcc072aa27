internal import Apus
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
            info.append(.init(key, Self.json(value, isVerbose: isVerbose)))
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

    private static func json(_ value: Metadata.Value, isVerbose: Bool) -> JSONValue {
        if let count = value.elementCount, count > mostElements, !isVerbose { return [] }
        switch value {
        case .string(let text): return .string(text)
        case .bool(let flag): return .bool(flag)
        case .float32(let number): return .double(Double(number))
        case .float64(let number): return .double(number)
        case .strings(let texts): return .array(texts.map(JSONValue.string))
        case .numbers(let numbers):
            return .array((0..<numbers.count).map { json(numbers.value(at: $0), isVerbose: true) })
        case .nested(let values): return .array(values.map { json($0, isVerbose: isVerbose) })
        case .uint64(let number): return Int(exactly: number).map(JSONValue.int) ?? .double(Double(number))
        default: return value.integer.map(JSONValue.int) ?? .null
        }
    }
}
