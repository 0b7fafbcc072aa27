import ApusGGUF
import Foundation
import Testing

@Suite("apus run with a chat template")
struct RunTemplateTests {
    private static let template =
        "{{ bos_token }}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}"
        + "{% if add_generation_prompt %}a:{% endif %}"

    /// The texts of the tokens, with braces around those of control tokens.
    private func prompt(_ tiny: TinyFolder, _ options: [String], _ text: String = "hello <|end|>") throws -> String {
        let run = ["run", "-m", tiny.model, "-n", "0", "--json", "-p", text]
        let outcome = try Command.run(run + options)
        let ids = try #require(try outcome.object()["prompt_ids"] as? [Int], "\(outcome.error)")
        return ids.map { id in
            switch id {
            case TinyModel.bos: "{begin}"
            case TinyModel.eos: "{end}"
            case 0..<256: String(decoding: [UInt8(id)], as: UTF8.self)
            default: TinyModel.merged[id - 256]
            }
        }.joined()
    }

    @Test("the text is the user's message; its control tokens are plain text, the template's are not")
    func templated() throws {
        let tiny = try TinyFolder(template: Self.template)
        #expect(try prompt(tiny, []) == "{begin}u:hello <|end|>\na:")
        #expect(try prompt(tiny, ["--parse-special"]) == "{begin}u:hello {end}\na:")
        #expect(try prompt(tiny, ["--system", "<|begin|>"]) == "{begin}s:<|begin|>\nu:hello <|end|>\na:")
        #expect(try prompt(tiny, ["--raw"]) == "hello <|end|>")
        #expect(try prompt(tiny, [], "") == "{begin}u:\na:")
        let file = try tiny.folder.file("other.jinja", Data("<|end|>{{ messages[0].content }}".utf8)).path
        #expect(try prompt(tiny, ["--chat-template", file]) == "{end}hello <|end|>")
        #expect(try prompt(tiny, ["--chat-template", "chatml"], "x").hasPrefix("<|im_start|>user\nx<|im_end|>"))
        // With the flag that asks for a begin token there is still one.
        let adding = try TinyFolder(template: Self.template) {
            $0.set("tokenizer.ggml.add_bos_token", .bool(true))
        }
        #expect(try prompt(adding, []) == "{begin}u:hello <|end|>\na:")
    }

    @Test("the prompt is what apus template prints")
    func sameAsTemplate() throws {
        let tiny = try TinyFolder(template: Self.template)
        let messages = Data(#"[{"role":"system","content":"S"},{"role":"user","content":"hello"}]"#.utf8)
        let printed = try Command.run(["template", "-m", tiny.model, "--messages", "-"], input: messages)
        let wanted = try Command.run(
            ["tokenize", "-m", tiny.model, "--parse-special", "--no-bos"], input: printed.output
        ).integers()
        let run = ["run", "-m", tiny.model, "-n", "0", "--json", "-p", "hello", "--system", "S"]
        #expect(try Command.run(run).object()["prompt_ids"] as? [Int] == wanted)
    }

    @Test("a model without a template: the text is continued, and a system's message wants one")
    func without() throws {
        let tiny = try TinyFolder(template: nil)
        #expect(try prompt(tiny, []) == "hello <|end|>")
        expectFailure(
            try Command.run(["run", "-m", tiny.model, "-p", "x", "--system", "S"]), saying: "tiny.gguf",
            "tokenizer.chat_template", "--chat-template")
        #expect(try prompt(tiny, ["--system", "S", "--chat-template", "chatml"], "x").contains("system\nS<|im_end|>"))
        let messages = Data("[]".utf8)
        expectFailure(
            try Command.run(["template", "-m", tiny.model, "--messages", "-"], input: messages), saying: "tiny.gguf",
            "tokenizer.chat_template")
        let printed = try Command.run(
            ["template", "-m", tiny.model, "--messages", "-", "--chat-template", "gemma"], input: messages)
        #expect(printed.text == "<|begin|><start_of_turn>model\n")
    }

    @Test("what is wrong with a template is one line that names its file")
    func faults() throws {
        let tiny = try TinyFolder(template: "\n{{ 1 +")
        let run = ["run", "-m", tiny.model, "-p", "x"]
        expectFailure(try Command.run(run), saying: "tiny.gguf", "line 2")
        expectFailure(try Command.run(run + ["--chat-template", "nope"]), saying: "nope", "chatml")
        let file = try tiny.folder.file("bad.jinja", Data("{% include 'x' %}".utf8)).path
        expectFailure(try Command.run(run + ["--chat-template", file]), saying: "bad.jinja", "include")
        expectFailure(try Command.run(run + ["--chat-template", tiny.folder.path]), saying: "folder")
        let outcome = try Command.run(run + ["--raw", "--system", "x"])
        #expect(outcome.status == 64 && outcome.error.contains("--raw excludes"))
    }
}
