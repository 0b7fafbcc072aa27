import Apus
import ApusGGUF
import ApusJSON
import ApusServer
import ArgumentParser

/// Which models are served, and how long they stay.
struct ServedModels: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("model")], parsing: .singleValue,
        help: "A model that is loaded at once: a GGUF file, or the beginning of a name; may be given several times.",
        completion: .file(extensions: ["gguf"]))
    var models: [String] = []

    @Option(
        name: .customLong("models-dir"),
        help: ArgumentHelp(
            "A folder of models that are loaded when a request names them.",
            discussion: "NAME.gguf is called NAME, NAME/TAG.gguf is NAME:TAG.", valueName: "folder"),
        completion: .directory)
    var folder: String?

    @Option(
        name: [.customShort("a"), .customLong("alias")], parsing: .singleValue,
        help: ArgumentHelp(
            "A further name: NAME=MODEL, or NAME for the first -m; may be given several times.",
            valueName: "name[=model]"))
    var aliases: [String] = []

    @Flag(name: .customLong("any-model"), help: "Let the first -m answer to names that no model has.")
    var anyModel = false

    @Option(
        name: .customLong("keep-alive"), parsing: .unconditional,
        help: ArgumentHelp(
            "How long a model stays that nobody uses: 30s, 5m, 24h; -1 for ever; by default 5m, and -m for ever.",
            valueName: "time"))
    var keepAlive: KeepAliveFlag?

    @Option(
        name: .customLong("memory"),
        help: ArgumentHelp(
            "Memory that all models may take with their caches: 8G, 900M; by default most of what is free.",
            valueName: "size"))
    var memory: ByteCount?

    @Option(name: .customLong("max-loaded"), help: "Models that may be loaded at the same time.")
    var maxLoaded: Int?

    @Option(
        name: .customLong("chat-template"),
        help: ArgumentHelp(
            "The chat template, instead of the models': a file, or one of \(ChatFormat.names.joined(separator: ", ")).",
            valueName: "file|name"),
        completion: .file())
    var template: String?

    @Option(
        name: .customLong("chat-template-kwargs"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            #"Variables of the chat template, as {"enable_thinking": false}; a request's come before them."#,
            discussion: "May be given several times; of several with a name the last one counts.", valueName: "json"))
    var templateVariables: [String] = []

    @Option(name: .customLong("pooling"), help: "Which states make the vector of an embedding: mean, last or cls.")
    var pooling = EmbeddingPooling.mean.rawValue

    func validate() throws {
        if EmbeddingPooling(rawValue: pooling) == nil {
            let names = EmbeddingPooling.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--pooling is '\(pooling)', wanted: one of \(names)")
        }
        if let maxLoaded, maxLoaded < 1 { throw ValidationError("--max-loaded is \(maxLoaded), wanted: at least 1") }
    }

    /// Sets what the flags say.
    func apply(to configuration: inout ServerConfiguration) throws(ApusError) {
        var paths: [String] = []
        for model in models { paths.append(try ModelLocator.path(for: model)) }
        configuration.library.paths = paths
        // A folder that nobody named is looked at only where there is nothing else to serve.
        configuration.library.folder = folder ?? (models.isEmpty ? ModelLocator.folder() : nil)
        guard !models.isEmpty || configuration.library.folder != nil else {
            throw ApusError(.io, "nothing to serve: give -m MODEL, or a folder of models with --models-dir")
        }
        configuration.preloadedModels = try preloaded(paths)
        for alias in aliases {
            let parts = alias.split(separator: "=", maxSplits: 1).map(String.init)
            guard let name = parts.first, let target = parts.count == 2 ? parts[1] : configuration.preloadedModels.first
            else {
                throw ApusError(
                    .invalidArgument, "--alias is \(ApusError.quoted(alias)), wanted: NAME=MODEL, or NAME beside -m")
            }
            configuration.library.aliases[name] = target
        }
        configuration.acceptsAnyModel = anyModel
        configuration.library.keepAlive =
            keepAlive?.value ?? (models.isEmpty ? configuration.library.keepAlive : .forever)
        configuration.library.memoryBudget = memory?.value
        configuration.library.maxLoaded = maxLoaded
        configuration.pooling = EmbeddingPooling(rawValue: pooling) ?? .mean
        if let template { configuration.chatTemplate = try Self.templateSource(template) }
        for text in templateVariables { configuration.templateVariables += try Self.variables(text) }
    }

    /// The names of the files that are loaded at once.
    private func preloaded(_ paths: [String]) throws(ApusError) -> [String] {
        var names: [String] = []
        for path in paths {
            var options = LibraryOptions()
            options.paths = [path]
            guard let entry = ModelLibrary(options: options).entries().first else {
                throw ApusError(.io, "\(ApusError.printable(path)): no such file, or not one whose name ends in .gguf")
            }
            names.append(entry.name)
        }
        return names
    }

    private static func variables(_ text: String) throws(ApusError) -> [JSONValue.Member] {
        let value = try JSONValue(parsing: Array(text.utf8), name: "--chat-template-kwargs", maxDepth: 64)
        guard case .object(let members) = value else {
            throw ApusError(
                .invalidArgument, "--chat-template-kwargs is \(ApusError.quoted(text)), wanted: an object in JSON")
        }
        return members
    }

    private static func templateSource(_ template: String) throws(ApusError) -> String {
        if ChatFormat.names.contains(template) { return template }
        return String(decoding: try InputFile.readText(template), as: UTF8.self)
    }
}

/// A time as `--keep-alive` has it.
struct KeepAliveFlag: ExpressibleByArgument {
    let value: KeepAlive

    init?(argument: String) {
        guard let value = KeepAlive(text: argument) else { return nil }
        self.value = value
    }
}

/// A number of bytes, with K, M, G or T for powers of 1024.
struct ByteCount: ExpressibleByArgument {
    let value: Int

    /// Shown as the default of an option.
    var defaultValueDescription: String { value >= 1 << 20 ? "\(value >> 20)M" : "\(value >> 10)K" }

    /// So many bytes.
    init(_ value: Int) { self.value = value }

    init?(argument: String) {
        let digits = argument.prefix { $0.isNumber || $0 == "." }
        let unit = argument.dropFirst(digits.count).uppercased()
        let shifts = ["": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40]
        let name = unit.hasSuffix("IB") ? String(unit.dropLast(2)) : unit.count == 2 ? String(unit.dropLast()) : unit
        guard let shift = shifts[name], let number = Double(digits), number >= 0,
            let bytes = Int(exactly: (number * Double(1 << shift)).rounded())
        else { return nil }
        value = bytes
    }
}
