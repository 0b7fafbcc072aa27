/// Whether tokens are guessed, so that several are computed in one step. What is generated is the same to the bit.
public enum Speculation: String, Sendable, Hashable, CaseIterable {
    /// One token after another.
    case off
    /// The text is guessed to go on as it did where its last tokens stood before, in the prompt or the reply.
    case lookup
}

/// What guessing tokens came to.
public struct SpeculationStatistics: Sendable, Hashable {
    /// Tokens that were guessed and computed.
    public package(set) var drafted = 0
    /// Those of them that were drawn.
    public package(set) var accepted = 0

    /// Nothing was guessed.
    public init() {}
}
