public import ApusJSON

/// What a prompt is made of beside the messages.
public struct ChatPromptOptions: Sendable, Hashable {
    /// An array of tools that the model may call, or null.
    public var tools = JSONValue.null
    /// Further variables of the template, such as `enable_thinking`; they do not replace those it has anyway.
    public var variables: [JSONValue.Member] = []
    /// Whether the assistant's answer is begun.
    public var addsGenerationPrompt = true
    /// Whether the prompt ends inside the last message, which the model then continues. No answer is begun.
    public var continuesFinalMessage = false

    /// The beginning of an answer, and no tools.
    public init() {}

    /// No tools.
    ///
    /// - Parameter addsGenerationPrompt: Whether the assistant's answer is begun.
    public init(addsGenerationPrompt: Bool) { self.addsGenerationPrompt = addsGenerationPrompt }
}
