public import ApusGGUF

/// How tokens are drawn. The defaults are llama.cpp's.
public struct SamplingOptions: Sendable, Hashable {
    /// Divides the logits; 0 always takes the likeliest token. 0 or above.
    public var temperature: Float = 0.8
    /// Keeps this many likeliest tokens; 0 or less keeps all.
    public var topK: Int = 40
    /// Keeps the likeliest tokens whose probabilities add up to this, 0 ... 1; 1 keeps all.
    public var topP: Float = 0.95
    /// Keeps the tokens at least this probable relative to the likeliest, 0 ... 1; 0 keeps all.
    public var minP: Float = 0.05
    /// Divides the positive and multiplies the other logits of repeated tokens. Above 0; 1 has no effect.
    public var repeatPenalty: Float = 1
    /// Subtracted from the logits of tokens that occurred.
    public var presencePenalty: Float = 0
    /// Subtracted from the logits of tokens for each time that they occurred.
    public var frequencyPenalty: Float = 0
    /// How many of the last tokens the penalties look at; 0 turns them off, -1 looks at all.
    public var repeatLastN: Int = 64
    /// Starts the random generator; nil takes one from the system, which `SamplerChain.seed` then tells.
    public var seed: UInt64?
    /// The samplers by name, in the order in which they are applied.
    public var samplers: [String] = Self.samplerNames

    /// The names that `samplers` may hold, in the default order.
    public static let samplerNames = SamplerRegistry.names

    /// The defaults.
    public init() {}

    /// Checks every value.
    ///
    /// - Throws: `ApusError` with code `invalidArgument` that names the parameter, its value and the range wanted.
    public func validate() throws(ApusError) {
        try check("temperature", temperature, "a finite number of 0 or above", temperature >= 0)
        try check("top_p", topP, "0 to 1", topP >= 0 && topP <= 1)
        try check("min_p", minP, "0 to 1", minP >= 0 && minP <= 1)
        try check("repeat_penalty", repeatPenalty, "a finite number above 0", repeatPenalty > 0)
        try check("presence_penalty", presencePenalty, "a finite number", true)
        try check("frequency_penalty", frequencyPenalty, "a finite number", true)
        guard repeatLastN >= -1 else {
            throw ApusError(
                .invalidArgument, "repeat_last_n is \(repeatLastN), wanted: -1 (all tokens), 0 (off) or more")
        }
        for name in samplers where !Self.samplerNames.contains(name) {
            throw ApusError(
                .invalidArgument,
                "samplers names \(ApusError.quoted(name)), wanted: any of \(Self.samplerNames.joined(separator: ", "))")
        }
    }

    private func check(_ name: String, _ value: Float, _ wanted: String, _ inRange: Bool) throws(ApusError) {
        guard value.isFinite && inRange else {
            throw ApusError(.invalidArgument, "\(name) is \(value), wanted: \(wanted)")
        }
    }
}
