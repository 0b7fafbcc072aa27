public import ApusGGUF

extension Session {
    /// Draws a token from the logits after the last one, as a reply would: with the same options and a seed, the tokens that are drawn
    /// and fed one after another are those that a `Generator` gives. The token joins the sequence with `eval`.
    ///
    /// As long as the options stay the same the random generator goes on; other options, another seed among them, begin anew.
    /// Penalties look at all tokens that the sequence holds.
    ///
    /// - Parameter options: How it is drawn.
    /// - Returns: A token of the vocabulary.
    /// - Throws: `ApusError` with code `invalidArgument` that names the option, or when there are no logits; `format` when the
    ///   model gives NaN or +infinity for a logit.
    public func sample(_ options: SamplingOptions = SamplingOptions()) throws(ApusError) -> Int32 {
        let positions = logitsPositions
        guard !positions.isEmpty else {
            throw ApusError(.invalidArgument, "there are no logits to sample from, wanted: tokens that were computed")
        }
        let logits = try row(at: positions.upperBound - 1).span
        try checkLogits(logits)
        var state = try takeSampling(options)
        for token in tokens[state.accepted...] { state.chain.accept(token) }
        state.accepted = position
        let token = try state.chain.sample(logits)
        sampling = state
        return token
    }

    /// The sampler's state, which knows a beginning of the tokens.
    private func takeSampling(
        _ options: SamplingOptions
    ) throws(ApusError) -> (options: SamplingOptions, chain: SamplerChain, accepted: Int) {
        defer { sampling = nil }
        guard let sampling, sampling.options == options else { return (options, try SamplerChain(options), 0) }
        return sampling
    }
}
