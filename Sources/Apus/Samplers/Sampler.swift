// What a sampler is.

/// One step on the way from logits to a token: changes the logits of the candidates, or narrows them.
///
/// Samplers are small values that a `SamplerChain` applies in its order. A sampler with an effect on what later
/// steps see keeps that state itself and is told of every token through `accept`.
public protocol Sampler: Sendable {
    /// Changes or narrows the candidates of one step. At least one candidate must be left.
    ///
    /// - Parameter candidates: What the samplers before this one left.
    mutating func apply(_ candidates: inout TokenCandidates)

    /// Like `apply(_:)`, for a sampler that leaves something to chance.
    ///
    /// - Parameters:
    ///   - candidates: What the samplers before this one left.
    ///   - generator: The chain's, so that its seed decides.
    mutating func apply(_ candidates: inout TokenCandidates, with generator: inout Xoshiro256StarStar)

    /// Takes note of what was drawn, whether or not it joins the sequence.
    ///
    /// - Parameter token: The token, with its probability among the candidates that all samplers left.
    mutating func observe(_ token: TokenCandidate)

    /// Takes note of a token that joined the sequence: of the prompt, or one that was drawn.
    ///
    /// - Parameter token: The token's id.
    mutating func accept(_ token: Int32)

    /// Forgets all accepted tokens.
    mutating func reset()
}

extension Sampler {
    /// Applies the sampler without the generator: most leave nothing to chance.
    ///
    /// - Parameters:
    ///   - candidates: What the samplers before this one left.
    ///   - generator: Is not used.
    public mutating func apply(_ candidates: inout TokenCandidates, with generator: inout Xoshiro256StarStar) {
        apply(&candidates)
    }

    /// Does nothing: most samplers do not learn from what was drawn.
    ///
    /// - Parameter token: The token.
    public mutating func observe(_ token: TokenCandidate) {}

    /// Does nothing: most samplers look at one step only.
    ///
    /// - Parameter token: The token's id.
    public mutating func accept(_ token: Int32) {}

    /// Does nothing: most samplers have nothing to forget.
    public mutating func reset() {}
}
