// Groups of options that several commands share. What is out of range is wrong usage, exit 64.

import Apus
import ApusGGUF
import ApusModel
import ArgumentParser

/// -m
struct ModelOption: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("model")],
        help: "The model: a GGUF file, or the beginning of a name in the model folder.",
        completion: .file(extensions: ["gguf"]))
    var model: String

    /// The file that is meant.
    func path() throws(ApusError) -> String { try ModelLocator.path(for: model) }
}

/// -p, -f or standard input.
struct TextOptions: ParsableArguments {
    @Option(
        name: [.customShort("p"), .customLong("prompt")], parsing: .unconditional,
        help: "The text. Without -p and -f it is read from standard input.")
    var prompt: String?

    @Option(
        name: [.customShort("f"), .customLong("file")],
        help: "Take the text from a file, byte for byte; - is standard input.", completion: .file())
    var file: String?

    func validate() throws {
        if prompt != nil && file != nil { throw ValidationError("-p and -f exclude each other: give one text") }
    }

    /// The text's bytes, which are UTF-8.
    ///
    /// - Parameter wanted: What to call the text when there is none.
    func bytes(wanted: String) throws -> [UInt8] {
        if let prompt {
            if prompt.unicodeScalars.contains("\u{FFFD}"), InputFile.isArgumentBroken {
                throw ApusError(.invalidArgument, "-p is not in UTF-8, wanted: a text in UTF-8")
            }
            return Array(prompt.utf8)
        }
        if let file { return try InputFile.readText(file) }
        if isatty(STDIN_FILENO) == 1 {
            throw ValidationError("no \(wanted): give -p TEXT, -f FILE, or a file or pipe as standard input")
        }
        return try InputFile.readText("-")
    }
}

/// What ends a generation, and how texts are read.
struct GenerationFlags: ParsableArguments {
    @Option(
        name: [.customShort("n"), .customLong("predict")], parsing: .unconditional,
        help: "The most tokens to generate; -1 until the model ends the text or the context is full.")
    var maxTokens = -1

    @Option(
        name: .customLong("stop"), parsing: .unconditionalSingleValue,
        help: "End the text before this string; may be given several times.")
    var stops: [String] = []

    @Flag(
        name: .customLong("parse-special"),
        help: "Turn the texts of control tokens, such as <|im_end|>, into these tokens.")
    var parseSpecial = false

    @Flag(name: .customLong("ignore-eos"), help: "Never draw a token that ends the text.")
    var ignoreEOS = false

    @Option(
        name: .customLong("speculate"),
        help: """
            Whether tokens are guessed from what prompt and reply said before, and several computed at once: the text is \
            the same, faster where it repeats itself.
            """)
    var speculation = Speculation.lookup

    func validate() throws {
        do throws(ApusError) {
            try check()
        } catch {
            throw ValidationError(error.message)
        }
    }

    /// Checks the values.
    func check() throws(ApusError) {
        if maxTokens < -1 {
            throw ApusError(.invalidArgument, "-n is \(maxTokens), wanted: -1 (no limit), 0 or more")
        }
        if stops.contains(where: \.isEmpty) {
            throw ApusError(.invalidArgument, "--stop is empty, wanted: at least one character")
        }
    }

    /// The options of the engine.
    var options: GenerationOptions {
        var options = GenerationOptions()
        options.maxTokens = maxTokens < 0 ? nil : maxTokens
        options.stops = stops
        options.ignoresEndOfGeneration = ignoreEOS
        return options
    }
}

/// Threads, prefill chunk and context.
struct ComputeOptions: ParsableArguments {
    @Option(
        name: [.customShort("t"), .customLong("threads")], parsing: .unconditional,
        help: "Threads; by default the cores that this process may use.")
    var threads: Int?

    @Option(
        name: [.customShort("b"), .customLong("batch-size")], parsing: .unconditional,
        help: "Tokens of a prompt that are computed at once.")
    var chunkTokens: Int?

    @Option(
        name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
        help: "Tokens that the context holds; by default what the model was trained for.")
    var contextLength: Int?

    func validate() throws {
        try check(threads, "-t", 1...maxThreads)
        try check(chunkTokens, "-b", 1...LoadOptions.maxChunkTokens)
        try check(contextLength, "-c", 1...Int(Int32.max))
    }

    private func check(_ value: Int?, _ name: String, _ range: ClosedRange<Int>) throws {
        guard let value, !range.contains(value) else { return }
        throw ValidationError("\(name) is \(value), wanted: \(range.lowerBound) to \(range.upperBound)")
    }

    /// What the engine is to be loaded with.
    var loadOptions: LoadOptions {
        var options = LoadOptions()
        options.threads = threads
        options.contextLength = contextLength
        if let chunkTokens { options.chunkTokens = chunkTokens }
        return options
    }
}
