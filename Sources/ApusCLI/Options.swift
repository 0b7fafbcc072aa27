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

/// How tokens are drawn.
struct SamplingFlags: ParsableArguments {
    private static let defaults = SamplingOptions()

    @Option(name: .customLong("temp"), parsing: .unconditional, help: "Temperature; 0 takes the likeliest token.")
    var temperature = defaults.temperature

    @Option(name: .customLong("top-k"), parsing: .unconditional, help: "Keep the K likeliest tokens; 0 keeps all.")
    var topK = defaults.topK

    @Option(
        name: .customLong("top-p"), parsing: .unconditional,
        help: "Keep the likeliest tokens that have this probability together; 1 keeps all.")
    var topP = defaults.topP

    @Option(
        name: .customLong("min-p"), parsing: .unconditional,
        help: "Keep tokens this probable relative to the likeliest; 0 keeps all.")
    var minP = defaults.minP

    @Option(
        name: .customLong("repeat-penalty"), parsing: .unconditional,
        help: "Divide the logits of repeated tokens by this (multiply negative ones); 1 is off.")
    var repeatPenalty = defaults.repeatPenalty

    @Option(
        name: .customLong("repeat-last-n"), parsing: .unconditional,
        help: "How many of the last tokens the penalties look at; 0 is off, -1 all.")
    var repeatLastN = defaults.repeatLastN

    @Option(
        name: .customLong("presence-penalty"), parsing: .unconditional,
        help: "Subtract this from the logits of tokens that occurred; 0 is off.")
    var presencePenalty = defaults.presencePenalty

    @Option(
        name: .customLong("frequency-penalty"), parsing: .unconditional,
        help: "Subtract this for each time that a token occurred; 0 is off.")
    var frequencyPenalty = defaults.frequencyPenalty

    @Option(
        name: [.customShort("s"), .customLong("seed")], parsing: .unconditional,
        help: "Seed of the random generator (xoshiro256**); -1 or none takes a random one, which is reported.")
    var seed: String?

    @Option(
        name: .customLong("samplers"), parsing: .unconditional,
        help: "The samplers in their order; the default is \(SamplingOptions.samplerNames.joined(separator: ";")).")
    var samplers: String?

    func validate() throws {
        do throws(ApusError) {
            try options().validate()
        } catch {
            throw ValidationError(error.message)
        }
    }

    /// The options of the engine.
    func options() throws(ApusError) -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = temperature
        options.topK = topK
        options.topP = topP
        options.minP = minP
        options.repeatPenalty = repeatPenalty
        options.repeatLastN = repeatLastN
        options.presencePenalty = presencePenalty
        options.frequencyPenalty = frequencyPenalty
        if let seed, seed != "-1" {
            guard let number = UInt64(seed) else {
                throw ApusError(
                    .invalidArgument,
                    "--seed is \(ApusError.quoted(seed)), wanted: a whole number of 0 to \(UInt64.max), or -1")
            }
            options.seed = number
        }
        if let samplers {
            options.samplers = samplers.split { $0 == ";" || $0 == "," }.map(String.init)
        }
        return options
    }
}
