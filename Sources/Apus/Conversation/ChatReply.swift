/// A reply of a conversation, and what it took.
public struct ChatReply: Sendable {
    /// What was generated.
    public var generation: GenerationResult
    /// All tokens of the prompt that the reply follows on.
    public var promptIDs: [Int32]
    /// How many of them were still there from earlier and not computed again.
    public var reusedTokens: Int
    /// The messages that were dropped to make room, oldest first.
    public var dropped: [ChatMessage]
    /// How many tokens the context holds now.
    public var contextTokens: Int
    /// What the random generator was started with.
    public var seed: UInt64

    /// How many tokens of the prompt were computed.
    public var computedTokens: Int { promptIDs.count - reusedTokens }
}
