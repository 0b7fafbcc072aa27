public import ApusGGUF

/// How tokens are drawn. The defaults are llama.cpp's.
public struct SamplingOptions: Sendable, Hashable {
    /// Divides the logits; 0 always takes the likeliest token. 0 or above.
    public var temperature: Float = 0.8
    /// How far the temperature moves with the entropy, in both directions; 0 keeps it fixed.
    public var dynatempRange: Float = 0
    /// Bends the share of the entropy that moves the temperature. 0 or above.
    public var dynatempExponent: Float = 1
    /// Keeps this many likeliest tokens; 0 or less keeps all.
    public var topK: Int = 40
    /// Keeps the likeliest tokens whose probabilities add up to this, 0 ... 1; 1 keeps all.
    public var topP: Float = 0.95
    /// Keeps the tokens at least this probable relative to the likeliest, 0 ... 1; 0 keeps all.
    public var minP: Float = 0.05
    /// Keeps the most typical tokens whose probabilities add up to this, 0 ... 1; 1 keeps all.
    public var typicalP: Float = 1
    /// Keeps the tokens this many standard deviations of the logits below the highest one; 0 and below keeps all.
    public var topNSigma: Float = -1
    /// How often the top choices are dropped, 0 ... 1; 0 never drops any.
    public var xtcProbability: Float = 0
    /// How probable a top choice is, 0 ... 1; above 0.5 none is dropped.
    public var xtcThreshold: Float = 0.1
    /// Divides the positive and multiplies the other logits of repeated tokens. Above 0; 1 has no effect.
    public var repeatPenalty: Float = 1
    /// Subtracted from the logits of tokens that occurred.
    public var presencePenalty: Float = 0
    /// Subtracted from the logits of tokens for each time that they occurred.
    public var frequencyPenalty: Float = 0
    /// How many of the last tokens the penalties look at; 0 turns them off, -1 looks at all.
    public var repeatLastN: Int = 64
    /// What continuing a repetition of the allowed length costs; 0 turns DRY off.
    public var dryMultiplier: Float = 0
    /// By what the cost grows with every further token. 1 or above.
    public var dryBase: Float = 1.75
    /// The length of repetition that begins to cost. 0 or more.
    public var dryAllowedLength: Int = 2
    /// How many of the last tokens DRY looks at; 0 turns it off, -1 looks at all.
    public var dryPenaltyLastN: Int = 64
    /// Sequences of tokens that end a repetition. `DRYBreakers` makes them from strings and a tokenizer.
    public var dryBreakers: [[Int32]] = []
    /// 2 draws with Mirostat 2.0, which takes the place of the samplers but the temperature; 0 does not.
    public var mirostat: Int = 0
    /// The surprise that Mirostat aims at, in bits.
    public var mirostatTau: Float = 5
    /// How fast Mirostat's limit moves.
    public var mirostatEta: Float = 0.1
    /// Added to the logits of tokens, whatever samplers are named; -infinity bans a token.
    public var logitBias: [Int32: Float] = [:]
    /// Starts the random generator; nil takes one from the system, which `SamplerChain.seed` then tells.
    public var seed: UInt64?
    /// The samplers by name, in the order in which they are applied.
    public var samplers: [String] = Self.samplerNames

    /// The names that `samplers` may hold, in the default order. A dash may stand for an underscore.
    public static let samplerNames = SamplerRegistry.names

    /// Whether DRY has an effect, and `dryBreakers` a use.
    public var usesDRY: Bool { dryMultiplier != 0 && dryPenaltyLastN != 0 }

    /// The defaults.
    public init() {}

    /// Checks every value.
    ///
    /// - Throws: `ApusError` with code `invalidArgument` that names the parameter, its value and the range wanted.
    public func validate() throws(ApusError) {
        try checkPositive("temperature", temperature)
        try checkPositive("dynatemp_range", dynatempRange)
        try checkPositive("dynatemp_exponent", dynatempExponent)
        try checkShare("top_p", topP)
        try checkShare("min_p", minP)
        try checkShare("typical_p", typicalP)
        try check("top_n_sigma", topNSigma, "a finite number", true)
        try checkShare("xtc_probability", xtcProbability)
        try checkShare("xtc_threshold", xtcThreshold)
        try check("repeat_penalty", repeatPenalty, "a finite number above 0", repeatPenalty > 0)
        try check("presence_penalty", presencePenalty, "a finite number", true)
        try check("frequency_penalty", frequencyPenalty, "a finite number", true)
        try checkCount("repeat_last_n", repeatLastN)
        try checkPositive("dry_multiplier", dryMultiplier)
        try check("dry_base", dryBase, "a finite number of 1 or above", dryBase >= 1)
        try check("dry_allowed_length", dryAllowedLength, "0 or more", dryAllowedLength >= 0)
        try checkCount("dry_penalty_last_n", dryPenaltyLastN)
        try check("mirostat", mirostat, "0 (off) or 2", mirostat == 0 || mirostat == 2)
        try checkPositive("mirostat_tau", mirostatTau)
        try checkPositive("mirostat_eta", mirostatEta)
        for (token, bias) in logitBias where !(bias < .infinity) {
            throw ApusError(
                .invalidArgument, "logit_bias of token \(token) is \(bias), wanted: a finite number or -infinity")
        }
        for name in samplers where SamplerRegistry.builder(named: name) == nil {
            throw ApusError(
                .invalidArgument,
                "samplers names \(ApusError.quoted(name)), wanted: any of \(Self.samplerNames.joined(separator: ", "))")
        }
    }

    private func checkPositive(_ name: String, _ value: Float) throws(ApusError) {
        try check(name, value, "a finite number of 0 or above", value >= 0)
    }

    private func checkShare(_ name: String, _ value: Float) throws(ApusError) {
        try check(name, value, "0 to 1", value >= 0 && value <= 1)
    }

    private func checkCount(_ name: String, _ value: Int) throws(ApusError) {
        try check(name, value, "-1 (all tokens), 0 (off) or more", value >= -1)
    }

    private func check(_ name: String, _ value: Float, _ wanted: String, _ inRange: Bool) throws(ApusError) {
        guard value.isFinite && inRange else {
            throw ApusError(.invalidArgument, "\(name) is \(value), wanted: \(wanted)")
        }
    }

    private func check(_ name: String, _ value: Int, _ wanted: String, _ inRange: Bool) throws(ApusError) {
        guard inRange else { throw ApusError(.invalidArgument, "\(name) is \(value), wanted: \(wanted)") }
    }
}
