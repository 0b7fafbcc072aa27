package import Apus
internal import ApusGGUF
internal import ApusJSON
internal import ApusTemplate

/// A model's form of chat as a Go template, for clients that look into it: what the model's own template writes around a
/// system text, a question and an answer.
package enum ShownTemplate {
    /// Marks that stand for texts, of private use.
    private static let (system, question, answer) = ("\u{F8F1}", "\u{F8F2}", "\u{F8F3}")

    /// The template in Go's language.
    ///
    /// - Parameter format: The model's form of chat; nil when it has none.
    /// - Returns: What gives the same prompts for a question with or without a system text.
    package static func text(_ format: ChatFormat?) -> String {
        let plain = format.flatMap { parts($0, [("user", question)], [question]) }
        guard let format, let plain else { return "{{ .Prompt }}" }
        let (before, after) = (plain[0], plain[1])
        var text = "\(before){{ .Prompt }}"
        if let told = parts(format, [("system", system), ("user", question)], [system, question]), told[2] == after {
            let (start, end) = (told[0], told[1])
            if end.hasSuffix(before) {
                text = "{{ if .System }}\(start){{ .System }}\(end.dropLast(before.count)){{ end }}" + text
            } else {
                text = "{{ if .System }}\(start){{ .System }}\(end){{ else }}\(before){{ end }}{{ .Prompt }}"
            }
        }
        let answered = parts(format, [("user", question), ("assistant", answer)], [answer], isOpen: false)
        return text + after + "{{ .Response }}" + (answered?[1] ?? "")
    }

    /// What stands between marks in a prompt.
    ///
    /// - Returns: One text more than marks; nil when the template does not write each of them once.
    private static func parts(
        _ format: ChatFormat, _ messages: [(role: String, content: String)], _ marks: [String], isOpen: Bool = true
    ) -> [String]? {
        let messages = messages.map { ChatMessage(role: $0.role, content: $0.content) }
        guard let prompt = try? format.prompt(messages, options: ChatPromptOptions(addsGenerationPrompt: isOpen)) else {
            return nil
        }
        var rest = prompt.text[...]
        var parts: [String] = []
        for mark in marks {
            let pieces = rest.split(separator: Character(mark), omittingEmptySubsequences: false)
            guard pieces.count == 2 else { return nil }
            parts.append(escaped(pieces[0]))
            rest = pieces[1]
        }
        return parts + [escaped(rest)]
    }

    /// Text as a Go template has it.
    private static func escaped(_ text: Substring) -> String {
        text.split(separator: "{{", omittingEmptySubsequences: false).joined(separator: "{{ \"{{\" }}")
    }
}
