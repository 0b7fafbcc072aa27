internal import ApusGGUF
internal import ApusJSON
internal import ApusTemplate

/// A conversation whose last message goes on: where the template writes that message's end is found with a mark, so that it
/// does not matter what the template makes of the text before.
struct OpenMessage {
    /// The messages, the last one with the mark at its end.
    let messages: JSONValue
    private let mark: String

    /// Marks the end of the last message.
    ///
    /// - Parameter messages: An array of messages.
    /// - Throws: `ApusError` with code `invalidArgument` when there is no last message, or it has no text.
    init(_ messages: JSONValue) throws(ApusError) {
        guard case .array(var elements) = messages, let last = elements.last, case .object(var members) = last,
            let index = members.lastIndex(where: { $0.name == "content" })
        else { throw Self.error }
        // Of private use, and longer than any row of that character in the message.
        var mark = "\u{F8F0}"
        switch members[index].value {
        case .string(let text):
            while text.contains(mark) { mark += "\u{F8F0}" }
            members[index].value = .string(text + mark)
        case .array(var parts):
            guard case .object(var part)? = parts.last, let field = part.lastIndex(where: { $0.name == "text" }),
                case .string(let text) = part[field].value
            else { throw Self.error }
            while text.contains(mark) { mark += "\u{F8F0}" }
            part[field].value = .string(text + mark)
            parts[parts.count - 1] = .object(part)
            members[index].value = .array(parts)
        default: throw Self.error
        }
        elements[elements.count - 1] = .object(members)
        self.messages = .array(elements)
        self.mark = mark
    }

    /// The prompt up to the end of the last message.
    ///
    /// - Parameter prompt: What the template made of `messages`.
    /// - Throws: `ApusError` with code `format` when the template left the end out.
    func open(_ prompt: RenderedPrompt) throws(ApusError) -> RenderedPrompt {
        let mark = Array(mark.utf8)
        var start = prompt.bytes.count - mark.count
        while start >= 0, !prompt.bytes[start...].starts(with: mark) { start -= 1 }
        guard start >= 0 else {
            throw ApusError(.format, "the chat template does not write the end of the last message, which is to go on")
        }
        return prompt.part(0..<start)
    }

    private static let error = ApusError(
        .invalidArgument, "the last message is to be continued, wanted: a message whose content is text")
}
