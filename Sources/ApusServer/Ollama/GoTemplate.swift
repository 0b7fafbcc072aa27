internal import ApusAPI

package import ApusGGUF
internal import ApusJSON
package import ApusTemplate

/// A template in the language of Go's `text/template`, in which Ollama's models have theirs.
///
/// It is said in Jinja, whose interpreter knows limits, and which parts of a prompt are the messages'.
package struct GoTemplate: Sendable {
    /// Whether it writes all messages itself, and not only a system text and a question.
    let usesMessages: Bool

    private let template: ChatTemplate

    /// Parses a template.
    ///
    /// - Parameter source: The text.
    /// - Throws: `ApusError` with code `format` or `unsupported` that names the construct.
    package init(_ source: String) throws(ApusError) {
        var translator = GoTemplateTranslator()
        template = try ChatTemplate(source: try translator.translate(source))
        usesMessages = translator.fields.contains("Messages")
    }

    /// The prompt for a question.
    ///
    /// - Parameters:
    ///   - prompt: The question.
    ///   - system: How to behave; empty for nothing.
    /// - Returns: The prompt, up to where the template writes the answer.
    /// - Throws: `ApusError` of `ChatTemplate.render`.
    package func prompt(_ prompt: String, system: String) throws(ApusError) -> RenderedPrompt {
        var messages: [JSONValue] = []
        if !system.isEmpty { messages.append(["Role": "system", "Content": .string(system)]) }
        messages.append(["Role": "user", "Content": .string(prompt)])
        // The answer's place; longer than any row of that character in what is said.
        var mark = "\u{F8F0}"
        while prompt.contains(mark) || system.contains(mark) { mark += "\u{F8F0}" }
        let rendered = try template.prompt([
            "System": .string(system), "Prompt": usesMessages ? "" : .string(prompt), "Messages": .array(messages),
            "Response": usesMessages ? "" : .string(mark), "Suffix": "", "Tools": [], "Think": false,
            "ThinkLevel": "", "IsThinkSet": false,
        ])
        let end = rendered.bytes.firstIndex(of: Array(mark.utf8))
        return rendered.part(0..<(end ?? rendered.bytes.count))
    }
}

extension [UInt8] {
    /// Where a row of bytes begins first.
    func firstIndex(of row: [UInt8]) -> Int? {
        guard let first = row.first, count >= row.count else { return nil }
        return (0...count - row.count).first { self[$0] == first && self[$0...].starts(with: row) }
    }
}
