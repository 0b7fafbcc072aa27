public import ApusGGUF

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// How well a model expects a text: the negative log-likelihood of every token given those before it, in nats.
public struct LikelihoodScore: Sendable, Hashable {
    /// Entry i is that of token i + 1 given tokens 0 … i.
    public private(set) var negativeLogLikelihoods: [Double] = []

    private var sum = 0.0

    /// No tokens yet.
    public init() {}

    /// The mean over the tokens; nil when there are none.
    public var mean: Double? {
        negativeLogLikelihoods.isEmpty ? nil : sum / Double(negativeLogLikelihoods.count)
    }

    /// e to the mean; nil when there are no tokens.
    public var perplexity: Double? { mean.map(exp) }

    /// Adds the next token.
    ///
    /// - Parameters:
    ///   - token: Its id.
    ///   - logits: The model's logits before it, (vocabularySize).
    /// - Throws: `ApusError` with code `invalidArgument` when there is no such logit, `format` when the logits
    ///   give no probabilities because one is NaN or +infinity, or all are -infinity.
    public mutating func add(_ token: Int32, logits: Span<Float>) throws(ApusError) {
        let value = try Self.negativeLogLikelihood(of: token, logits: logits)
        negativeLogLikelihoods.append(value)
        sum += value
    }

    /// ln Σ e^logit - logit of the token, in double precision.
    ///
    /// - Parameters:
    ///   - token: Its id.
    ///   - logits: The logits, (vocabularySize).
    /// - Returns: The value in nats; +infinity where the token's logit is -infinity.
    /// - Throws: As `add(_:logits:)`.
    public static func negativeLogLikelihood(of token: Int32, logits: Span<Float>) throws(ApusError) -> Double {
        guard token >= 0, Int(token) < logits.count else {
            throw ApusError(.invalidArgument, "token id is \(token), wanted: 0 to \(logits.count - 1)")
        }
        var highest = -Float.infinity
        var hasNaN = false
        for i in 0..<logits.count {
            let logit = logits[unchecked: i]
            if logit > highest { highest = logit }
            if logit != logit { hasNaN = true }
        }
        guard highest.isFinite, !hasNaN else {
            throw ApusError(
                .format, "the logits give no probabilities: one is nan or infinite; are the weights damaged?")
        }
        var total = 0.0
        for i in 0..<logits.count {
            total += exp(Double(logits[unchecked: i]) - Double(highest))
        }
        return log(total) + Double(highest) - Double(logits[Int(token)])
    }
}
