import ApusGGUF
import Foundation
import Testing

@Suite("apus template")
struct TemplateTests {
    private static let source =
        "{{ bos_token }}{% for tool in tools or [] %}[{{ tool.name }}]{% endfor %}\n"
        + "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}\n"
        + "{% if add_generation_prompt %}bot:{% endif %}\n"

    private func folder(_ source: String) throws -> TinyFolder {
        try TinyFolder { $0.set("tokenizer.chat_template", .string(source)) }
    }

    private let messages = Data(#"[{"role": "user", "content": "é"}]"#.utf8)

    @Test("prints the prompt, with tools and without")
    func prompt() throws {
        let tiny = try folder(Self.source)
        let command = ["template", "-m", tiny.model, "--messages", "-"]
        let plain = try Command.run(command, input: messages)
        #expect(plain.status == 0)
        #expect(plain.text.hasSuffix("user: é\nbot:"), "\(plain.text) \(plain.error)")
        let ended = try Command.run(command + ["--no-generation-prompt"], input: messages)
        #expect(ended.text.hasSuffix("user: é\n"))
        let tools = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString).json")
        try Data(#"[{"name": "search"}]"#.utf8).write(to: tools)
        defer { try? FileManager.default.removeItem(at: tools) }
        let tooled = try Command.run(command + ["--tools", tools.path], input: messages)
        #expect(tooled.text.contains("[search]user: é\nbot:"), "\(tooled.text) \(tooled.error)")
    }

    @Test("one line for what is wrong")
    func faults() throws {
        let cases: [(source: String, messages: String, wanted: String)] = [
            ("", "1", "array"), (Self.source, "{}", "array"), (Self.source, "[", "standard input"),
            ("\n{{ 1 +", "[]", "line 2"), ("{{ raise_exception('no\nluck') }}", "[]", "luck"),
            ("{% include 'x' %}", "[]", "include"),
        ]
        for item in cases {
            let tiny = try folder(item.source)
            let outcome = try Command.run(
                ["template", "-m", tiny.model, "--messages", "-"], input: Data(item.messages.utf8))
            #expect(outcome.status == 1, "\(item.wanted)")
            #expect(outcome.errorLines.count == 1 && outcome.error.contains(item.wanted), "\(outcome.error)")
            #expect(outcome.output.isEmpty)
        }
    }
}
