// The options of the samplers, named like llama.cpp's. What is out of range is wrong usage, exit 64.

import Apus
import ApusGGUF
import ApusTokenizer
import ArgumentParser

/// How tokens are drawn.
struct SamplingFlags: ParsableArguments {
    private static let defaults = SamplingOptions()

    @Option(name: .customLong("temp"), parsing: .unconditional, help: "Temperature; 0 takes the likeliest token.")
    var temperature = defaults.temperature

    @Option(
        name: .customLong("dynatemp-range"), parsing: .unconditional,
        help: "Move the temperature by up to this, with the entropy; 0 keeps it.")
    var dynatempRange = defaults.dynatempRange

    @Option(
        name: .customLong("dynatemp-exp"), parsing: .unconditional,
        help: "Exponent that bends the share of the entropy, for --dynatemp-range.")
    var dynatempExponent = defaults.dynatempExponent

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
        name: [.customLong("typical"), .customLong("typical-p")], parsing: .unconditional,
        help: "Keep the most typical tokens that have this probability together; 1 keeps all.")
    var typicalP = defaults.typicalP

    @Option(
        name: [.customLong("top-nsigma"), .customLong("top-n-sigma")], parsing: .unconditional,
        help: "Keep tokens within this many standard deviations of the highest logit; -1 keeps all.")
    var topNSigma = defaults.topNSigma

    @Option(
        name: .customLong("xtc-probability"), parsing: .unconditional,
        help: "Drop the top choices but the last with this probability; 0 is off.")
    var xtcProbability = defaults.xtcProbability

    @Option(
        name: .customLong("xtc-threshold"), parsing: .unconditional,
        help: "How probable a token must be to be a top choice; above 0.5 is off.")
    var xtcThreshold = defaults.xtcThreshold

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
        name: .customLong("dry-multiplier"), parsing: .unconditional,
        help: "DRY: what continuing a repetition costs; 0 is off.")
    var dryMultiplier = defaults.dryMultiplier

    @Option(
        name: .customLong("dry-base"), parsing: .unconditional,
        help: "DRY: the cost is multiplied by this for every further token.")
    var dryBase = defaults.dryBase

    @Option(
        name: .customLong("dry-allowed-length"), parsing: .unconditional,
        help: "DRY: the length of repetition that begins to cost.")
    var dryAllowedLength = defaults.dryAllowedLength

    @Option(
        name: .customLong("dry-penalty-last-n"), parsing: .unconditional,
        help: "DRY: how many of the last tokens are looked at; 0 is off, -1 all.")
    var dryPenaltyLastN = defaults.dryPenaltyLastN

    @Option(
        name: .customLong("dry-sequence-breaker"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "DRY: a text that ends a repetition; may be given several times.",
            discussion: #"""
                Replaces the default ones, which are "\n", ":", "\"" and "*"; "none" removes all. \n, \r, \t, \", \' and \\ \#
                are understood.
                """#))
    var drySequenceBreakers: [String] = []

    @Option(
        name: .customLong("mirostat"), parsing: .unconditional,
        help: "2 draws with Mirostat 2.0, for which only --temp and --logit-bias count; 0 is off.")
    var mirostat = defaults.mirostat

    @Option(
        name: .customLong("mirostat-lr"), parsing: .unconditional, help: "Mirostat's learning rate (eta).")
    var mirostatEta = defaults.mirostatEta

    @Option(
        name: .customLong("mirostat-ent"), parsing: .unconditional,
        help: "The surprise that Mirostat aims at, in bits (tau).")
    var mirostatTau = defaults.mirostatTau

    @Option(
        name: [.customShort("l"), .customLong("logit-bias")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Add to a token's logit: 15043+1, 15043-1; 15043-inf bans it. May be given several times.",
            valueName: "id(+|-)value"))
    var logitBiases: [String] = []

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
            try plainOptions().validate()
        } catch {
            throw ValidationError(error.message)
        }
    }

    /// The options of the engine for a model.
    ///
    /// - Parameter tokenizer: The model's: DRY's breakers are texts.
    func options(for tokenizer: any Tokenizer) throws(ApusError) -> SamplingOptions {
        var options = try plainOptions()
        for id in options.logitBias.keys.sorted() where id >= tokenizer.vocabularySize {
            throw ApusError(
                .invalidArgument, "--logit-bias names token \(id), wanted: an id in 0...\(tokenizer.vocabularySize - 1)"
            )
        }
        if options.usesDRY { options.dryBreakers = DRYBreakers.sequences(of: breakers, in: tokenizer) }
        return options
    }

    /// The options but for those that need a tokenizer.
    func plainOptions() throws(ApusError) -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = temperature
        options.dynatempRange = dynatempRange
        options.dynatempExponent = dynatempExponent
        options.topK = topK
        options.topP = topP
        options.minP = minP
        options.typicalP = typicalP
        options.topNSigma = topNSigma
        options.xtcProbability = xtcProbability
        options.xtcThreshold = xtcThreshold
        options.repeatPenalty = repeatPenalty
        options.repeatLastN = repeatLastN
        options.presencePenalty = presencePenalty
        options.frequencyPenalty = frequencyPenalty
        options.dryMultiplier = dryMultiplier
        options.dryBase = dryBase
        options.dryAllowedLength = dryAllowedLength
        options.dryPenaltyLastN = dryPenaltyLastN
        options.mirostat = mirostat
        options.mirostatEta = mirostatEta
        options.mirostatTau = mirostatTau
        for text in logitBiases {
            let (id, bias) = try Self.bias(text)
            options.logitBias[id, default: 0] += bias
        }
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

    /// `--logit-bias`: an id, a sign, a number.
    private static func bias(_ text: String) throws(ApusError) -> (id: Int32, bias: Float) {
        let id = text.prefix { $0 != "+" && $0 != "-" }
        let rest = text.dropFirst(id.count)
        let digits = rest.dropFirst()
        guard let sign = rest.first, let first = digits.first, first != "+", first != "-", let number = Int32(id),
            let size = Float(digits)
        else {
            throw ApusError(
                .invalidArgument,
                "--logit-bias is \(ApusError.quoted(text)), wanted: an id, + or -, and a number, such as 15043-1.5")
        }
        return (number, sign == "-" ? -size : size)
    }

    /// The texts that end a repetition: as in llama.cpp the first one given drops the default ones, and "none" all.
    var breakers: [String] {
        if drySequenceBreakers.isEmpty { return DRYBreakers.standard }
        let last = drySequenceBreakers.lastIndex(of: "none").map { $0 + 1 } ?? 0
        return drySequenceBreakers[last...].map(Self.unescaped)
    }

    private static func unescaped(_ text: String) -> String {
        let meanings: [Character: Character] = ["n": "\n", "r": "\r", "t": "\t", "\"": "\"", "'": "'", "\\": "\\"]
        var result = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            if character == "\\", let next = rest.first, let meaning = meanings[next] {
                result.append(meaning)
                rest.removeFirst()
            } else {
                result.append(character)
            }
        }
        return result
    }
}
