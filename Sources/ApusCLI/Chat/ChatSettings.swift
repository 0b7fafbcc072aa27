// What `/set` changes: the flags of the command, by their names.

import Apus
import ApusGGUF
import ApusTokenizer

/// The flags that can be changed in a conversation.
struct ChatSettings {
    var sampling: SamplingFlags
    var generation: GenerationFlags
    var isVerbose: Bool

    /// A flag: its name, its value as text, and how a text becomes its value.
    private struct Setting {
        let name: String
        let value: (ChatSettings) -> String
        let set: (inout ChatSettings, String) throws(ApusError) -> Void
    }

    private static func wanted(_ name: String, _ text: String, _ what: String) -> ApusError {
        ApusError(.invalidArgument, "\(name) is \(ApusError.quoted(text)), wanted: \(what)")
    }

    private static func number(_ name: String, _ path: WritableKeyPath<SamplingFlags, Float>) -> Setting {
        Setting(name: name, value: { "\($0.sampling[keyPath: path])" }) { settings, text throws(ApusError) in
            guard let number = Float(text) else { throw wanted(name, text, "a number") }
            settings.sampling[keyPath: path] = number
        }
    }

    private static func count(_ name: String, _ path: WritableKeyPath<ChatSettings, Int>) -> Setting {
        Setting(name: name, value: { "\($0[keyPath: path])" }) { settings, text throws(ApusError) in
            guard let number = Int(text) else { throw wanted(name, text, "a whole number") }
            settings[keyPath: path] = number
        }
    }

    private static func flag(_ name: String, _ path: WritableKeyPath<ChatSettings, Bool>) -> Setting {
        Setting(name: name, value: { $0[keyPath: path] ? "on" : "off" }) { settings, text throws(ApusError) in
            guard ["on", "off", "true", "false"].contains(text) else { throw wanted(name, text, "on or off") }
            settings[keyPath: path] = text == "on" || text == "true"
        }
    }

    private static var speculation: Setting {
        Setting(name: "speculate", value: { $0.generation.speculation.rawValue }) { settings, text throws(ApusError) in
            guard let speculation = Speculation(rawValue: text) else {
                let names = Speculation.allCases.map(\.rawValue).joined(separator: " or ")
                throw wanted("speculate", text, names)
            }
            settings.generation.speculation = speculation
        }
    }

    /// Several texts; a word stands for having none.
    private static func texts(
        _ name: String, _ path: WritableKeyPath<ChatSettings, [String]>, none: String = "none"
    ) -> Setting {
        Setting(
            name: name,
            value: { settings in
                let texts = settings[keyPath: path]
                return texts.isEmpty ? none : texts.map { ApusError.quoted($0) }.joined(separator: " ")
            }
        ) { settings, text throws(ApusError) in settings[keyPath: path] = text == none ? [] : [text] }
    }

    private static func text(
        _ name: String, _ path: WritableKeyPath<ChatSettings, String?>, standard: String
    ) -> Setting {
        Setting(name: name, value: { $0[keyPath: path] ?? standard }) { settings, text throws(ApusError) in
            settings[keyPath: path] = text
        }
    }

    private static var all: [Setting] {
        [
            number("temp", \.temperature), number("dynatemp-range", \.dynatempRange),
            number("dynatemp-exp", \.dynatempExponent), count("top-k", \.sampling.topK), number("top-p", \.topP),
            number("min-p", \.minP), number("typical", \.typicalP), number("top-nsigma", \.topNSigma),
            number("xtc-probability", \.xtcProbability), number("xtc-threshold", \.xtcThreshold),
            number("repeat-penalty", \.repeatPenalty), count("repeat-last-n", \.sampling.repeatLastN),
            number("presence-penalty", \.presencePenalty), number("frequency-penalty", \.frequencyPenalty),
            number("dry-multiplier", \.dryMultiplier), number("dry-base", \.dryBase),
            count("dry-allowed-length", \.sampling.dryAllowedLength),
            count("dry-penalty-last-n", \.sampling.dryPenaltyLastN),
            texts("dry-sequence-breaker", \.sampling.drySequenceBreakers, none: "default"),
            count("mirostat", \.sampling.mirostat),
            number("mirostat-lr", \.mirostatEta), number("mirostat-ent", \.mirostatTau),
            texts("logit-bias", \.sampling.logitBiases), text("seed", \.sampling.seed, standard: "-1"),
            text(
                "samplers", \.sampling.samplers,
                standard: SamplingOptions.samplerNames.joined(separator: ";")),
            count("predict", \.generation.maxTokens), texts("stop", \.generation.stops),
            flag("ignore-eos", \.generation.ignoreEOS), speculation, flag("verbose", \.isVerbose),
        ]
    }

    /// Other names of flags.
    private static let aliases = [
        "temperature": "temp", "typical-p": "typical", "top-n-sigma": "top-nsigma", "n": "predict",
        "dynatemp-exponent": "dynatemp-exp", "mirostat-eta": "mirostat-lr", "mirostat-tau": "mirostat-ent",
    ]

    /// Every setting and its value, a line each.
    var lines: [String] { Self.all.map { "\($0.name) \($0.value(self))" } }

    /// Changes a setting.
    ///
    /// - Parameters:
    ///   - given: Its name, which may have underscores for dashes.
    ///   - text: Its value.
    ///   - tokenizer: The model's, whose tokens a bias may name.
    /// - Throws: `invalidArgument` that names what is wrong; nothing is changed then.
    mutating func set(_ given: String, _ text: String, _ tokenizer: any Tokenizer) throws(ApusError) {
        var name = String(given.drop { $0 == "-" }.map { $0 == "_" ? "-" : $0 })
        name = Self.aliases[name] ?? name
        guard let setting = Self.all.first(where: { $0.name == name }) else {
            let names = Self.all.map(\.name).joined(separator: ", ")
            throw ApusError(.invalidArgument, "no setting \(ApusError.quoted(given)), wanted one of: \(names)")
        }
        var changed = self
        try setting.set(&changed, text)
        try changed.sampling.options(for: tokenizer).validate()
        try changed.generation.check()
        self = changed
    }

    /// The value of a setting as text; nil when there is none of that name.
    func line(_ name: String) -> String? {
        let name = String(name.map { $0 == "_" ? "-" : $0 })
        return Self.all.first { $0.name == Self.aliases[name] ?? name }.map { "\($0.name) \($0.value(self))" }
    }
}
