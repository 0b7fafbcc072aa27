package import Apus
internal import ApusGGUF
internal import ApusJSON

/// The messages of a chat request, as templates want them.
package enum Messages {
    /// Reads `messages`.
    ///
    /// Parts of text are joined by line breaks, `developer` becomes `system`, and content that is null becomes empty.
    ///
    /// - Parameter fields: The request.
    /// - Throws: 400 with the place, and for what is no text.
    package static func read(_ fields: Fields) throws(RequestError) -> [ChatMessage] {
        guard let elements = try fields.array("messages") else {
            throw fields.missing("messages", wanted: "an array of messages")
        }
        var messages: [ChatMessage] = []
        for (index, element) in elements.enumerated() {
            messages.append(try message(element, at: fields.path("messages[\(index)]")))
        }
        return messages
    }

    private static func message(_ json: JSONValue, at place: String) throws(RequestError) -> ChatMessage {
        let fields = try Fields(json, at: place)
        guard var role = try fields.string("role"), !role.isEmpty else {
            throw fields.missing("role", wanted: "a string such as \"user\"")
        }
        if role == "developer" { role = "system" }
        let content = try content(fields)
        guard case .object(let members) = json else { throw fields.missing("role", wanted: "a string") }
        var known: [JSONValue.Member] = [.init("role", .string(role)), .init("content", .string(content))]
        known += members.filter { $0.name != "role" && $0.name != "content" && $0.value != .null }
        do {
            return try ChatMessage(.object(known), name: place)
        } catch {
            throw .invalid(place, error.message)
        }
    }

    private static func content(_ fields: Fields) throws(RequestError) -> String {
        switch fields.value("content") {
        case nil: return ""
        case .string(let text): return text
        case .array(let parts):
            var texts: [String] = []
            for (index, part) in parts.enumerated() {
                let part = try Fields(part, at: fields.path("content[\(index)]"))
                let type = try part.string("type") ?? "text"
                guard ["text", "input_text", "output_text", "refusal"].contains(type) else {
                    throw .unsupported(
                        part.path("type"),
                        "\(part.path("type")) is \(ApusError.quoted(type, limit: 40)), wanted: \"text\"; this model "
                            + "reads nothing else")
                }
                guard let text = try part.string(type == "refusal" ? "refusal" : "text") else {
                    throw part.missing("text", wanted: "a string")
                }
                texts.append(text)
            }
            return texts.joined(separator: "\n")
        case let value?: throw fields.wrong("content", value, wanted: "a string, an array of parts or null")
        }
    }
}

extension ChatPromptOptions {
    /// What a chat request says of the prompt: `chat_template_kwargs`, `add_generation_prompt`, `continue_final_message`.
    ///
    /// - Parameters:
    ///   - fields: The request.
    ///   - messages: The conversation.
    ///   - defaults: What holds where the request does not say it.
    /// - Throws: 400 with the parameter.
    package init(_ fields: Fields, messages: [ChatMessage], defaults: RequestDefaults) throws(RequestError) {
        self.init()
        let begins = try fields.bool("add_generation_prompt")
        addsGenerationPrompt = begins ?? true
        // llama-server's clients may say what goes on: it is always the content.
        let isNamed = fields.value("continue_final_message") == "content"
        let isOpen = defaults.continuesLastAnswer && begins != true && messages.last?.role == "assistant"
        continuesFinalMessage = isNamed ? true : try fields.bool("continue_final_message") ?? isOpen
        if let value = fields.value("chat_template_kwargs") {
            guard case .object(let members) = value else {
                throw fields.wrong("chat_template_kwargs", value, wanted: "an object")
            }
            variables = members
        }
    }
}
