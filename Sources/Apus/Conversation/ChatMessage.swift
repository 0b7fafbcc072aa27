public import ApusGGUF
public import ApusJSON

/// A message of a conversation: a JSON object with a role and, mostly, content.
///
/// Members beyond these two (`tool_calls`, say) are kept as they are and reach the template.
public struct ChatMessage: Sendable, Hashable {
    /// The whole message.
    public let json: JSONValue
    /// Who says it: `system`, `user`, `assistant`, or what else the model's template knows.
    public let role: String

    /// What is said, when it is text: neither missing nor a list of parts.
    public var content: String? {
        guard case .string(let text)? = json["content"] else { return nil }
        return text
    }

    /// Whether this tells the model how to behave, and is not part of the talk.
    var isInstruction: Bool { role == "system" || role == "developer" }

    /// Makes a message.
    ///
    /// - Parameters:
    ///   - role: Who says it.
    ///   - content: What is said.
    public init(role: String, content: String) {
        self.role = role
        json = ["role": .string(role), "content": .string(content)]
    }

    /// Takes a message from JSON.
    ///
    /// - Parameters:
    ///   - json: An object with a string `role`; its `content` is a string, an array of parts, null or missing.
    ///   - name: What to call it in errors.
    /// - Throws: `ApusError` with code `format`.
    public init(_ json: JSONValue, name: String) throws(ApusError) {
        guard case .object = json else { throw ApusError(.format, "\(name): wanted an object with role and content") }
        guard case .string(let role)? = json["role"] else {
            throw ApusError(.format, "\(name): wanted a member 'role' that is a string")
        }
        switch json["content"] {
        case nil, .null, .string, .array: break
        default: throw ApusError(.format, "\(name): wanted a member 'content' that is a string, an array or null")
        }
        self.role = role
        self.json = json
    }

    /// Takes the messages of a conversation from JSON.
    ///
    /// - Parameters:
    ///   - json: An array of messages.
    ///   - name: What to call it in errors, such as the file's name.
    /// - Returns: The messages in order.
    /// - Throws: `ApusError` with code `format` that names the message.
    public static func list(_ json: JSONValue, name: String) throws(ApusError) -> [ChatMessage] {
        guard case .array(let elements) = json else {
            throw ApusError(.format, "\(name): wanted a JSON array of messages")
        }
        var messages: [ChatMessage] = []
        for (index, element) in elements.enumerated() {
            messages.append(try ChatMessage(element, name: "\(name): message \(index)"))
        }
        return messages
    }
}
