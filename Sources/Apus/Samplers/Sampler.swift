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

    /// Takes note of a token that joined the sequence: of the prompt, or one that was drawn.
    ///
    /// - Parameter token: The token's id.
    mutating func accept(_ token: Int32)

    /// Forgets all accepted tokens.
    mutating func reset()
}

extension Sampler {
    /// Does nothing: most samplers look at one step only.
    ///
    /// - Parameter token: The token's id.
    public mutating func accept(_ token: Int32) {}

    /// Does nothing: most samplers have nothing to forget.
    public mutating func reset() {}
}
