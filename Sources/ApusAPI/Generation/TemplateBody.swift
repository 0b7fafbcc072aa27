package import Apus
internal import ApusJSON
internal import ApusTemplate

/// The body of a request for the prompt that a chat request would have.
package struct TemplateBody: Sendable {
    private let messages: [ChatMessage]
    private let options: ChatPromptOptions

    /// Reads it.
    ///
    /// - Parameters:
    ///   - fields: The body.
    ///   - defaults: What holds where it does not say it.
    /// - Throws: 400 with the parameter.
    package init(_ fields: Fields, defaults: RequestDefaults) throws(RequestError) {
        messages = try Messages.read(fields)
        var options = try ChatPromptOptions(fields, messages: messages, defaults: defaults).with(defaults)
        options.tools = try fields.array("tools").map(JSONValue.array) ?? .null
        self.options = options
    }

    /// The prompt's text.
    ///
    /// - Parameter format: How the model wants a conversation.
    /// - Throws: 400, with what the template has to say against the messages.
    package func prompt(_ format: ChatFormat) throws(RequestError) -> String {
        do {
            return try format.prompt(messages, options: options).text
        } catch {
            throw .invalid("messages", error.message, code: "template_error")
        }
    }
}
