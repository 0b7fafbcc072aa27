import Foundation
import Testing

@Suite("apus chat, without a terminal")
struct ChatTests {
    static let template =
        "{{ bos_token }}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}"
        + "{% if add_generation_prompt %}a:{% endif %}"

    private let tiny: TinyFolder

    init() throws { tiny = try TinyFolder(template: Self.template) }

    private func chat(_ lines: String..., options: [String] = []) throws -> Outcome {
        let standard = ["-n", "6", "--ignore-eos", "--seed", "5", "-c", "400"]
        let input = Data(lines.map { $0 + "\n" }.joined().utf8)
        return try Command.run(["chat", "-m", tiny.model] + standard + options, input: input)
    }

    /// A reply's object.
    private struct Reply {
        let text: String
        let prompt: String
        let object: [String: Any]

        init(_ line: Substring) throws {
            let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
            object = try #require(value as? [String: Any])
            text = try #require(object["text"] as? String)
            let ids = try #require(object["prompt_ids"] as? [Int])
            prompt = ids.map { id in
                switch id {
                case TinyModel.bos: "{begin}"
                case TinyModel.eos: "{end}"
                case 0..<256: String(decoding: [UInt8(id)], as: UTF8.self)
                default: id < 259 ? TinyModel.merged[id - 256] : "?"
                }
            }.joined()
        }

        func timing(_ name: String) throws -> Int {
            let timings = try #require(object["timings"] as? [String: Any])
            return try #require(timings[name] as? Int)
        }
    }

    private func replies(_ outcome: Outcome) throws -> [Reply] {
        try outcome.text.split(separator: "\n").map { try Reply($0) }
    }

    @Test("each line is a message; each reply ends its line, and nothing else is printed")
    func lines() throws {
        let plain = try chat("hello", "", "and now", "bye")
        #expect(plain.status == 0)
        #expect(plain.error.isEmpty)
        let json = try replies(try chat("hello", "and now", "bye", options: ["--json"]))
        try #require(json.count == 3)
        #expect(plain.text == json.map { $0.text.hasSuffix("\n") ? $0.text : $0.text + "\n" }.joined())
        #expect(json[0].prompt == "{begin}u:hello\na:")
        #expect(json[1].prompt == "{begin}u:hello\na:\(json[0].text)\nu:and now\na:")
        #expect(json[2].prompt == "{begin}u:hello\na:\(json[0].text)\nu:and now\na:\(json[1].text)\nu:bye\na:")
        for (turn, reply) in json.enumerated() {
            #expect(reply.object["seed"] as? Int == 5 + turn)
            #expect(reply.object["stop_reason"] as? String == "length")
            let total = try reply.timing("prompt_tokens")
            #expect(try reply.timing("computed_tokens") + reply.timing("reused_tokens") == total)
            // All of the prompt before, and what of its reply gives the same tokens again.
            let reused = try reply.timing("reused_tokens")
            let before = turn == 0 ? 0 : try json[turn - 1].timing("prompt_tokens")
            #expect(turn == 0 ? reused == 0 : reused >= before)
        }
        // The first reply is what `run` gives.
        let run = ["run", "-m", tiny.model, "-n", "6", "--ignore-eos", "--seed", "5", "-p", "hello"]
        #expect(try Command.run(run).text == json[0].text)
        let none = try Command.run(["chat", "-m", tiny.model])
        #expect(none.status == 0 && none.output.isEmpty && none.error.isEmpty)
    }

    @Test("replies do not depend on threads, chunks and what could be reused")
    func reproducible() throws {
        let wanted = try chat("hello", "and now", "bye").text
        #expect(try chat("hello", "and now", "bye", options: ["-t", "1", "-b", "3"]).text == wanted)
        #expect(
            try chat("hello", "other", "/undo", "/set seed 6", "and now", "bye").text.hasSuffix(
                wanted.split(separator: "\n").dropFirst().map { $0 + "\n" }.joined()))
    }

    @Test("lines are joined by a backslash and between three quotation marks; a slash can begin a message")
    func multiLine() throws {
        let outcome = try chat(
            "one\\", "two\\", "three", "\"\"\"", "four", "", "/five", "\"\"\"", "\"\"\"six", "seven\"\"\"", "//eight",
            "\"\"\"nine\"\"\"", "ten\\\\", options: ["--json"])
        let prompts = try replies(outcome).map(\.prompt)
        for (prompt, wanted) in zip(
            prompts, ["one\ntwo\nthree", "four\n\n/five", "six\nseven", "/eight", "nine", "ten\\\\"])
        {
            #expect(prompt.hasSuffix("u:\(wanted)\na:"), "\(prompt)")
        }
        #expect(prompts.count == 6 && outcome.status == 0)
        let open = try chat("\"\"\"", "text")
        #expect(open.status == 1 && open.error.contains("does not end") && open.output.isEmpty)
    }

    @Test("what a message says gives no control tokens without --parse-special")
    func injection() throws {
        let plain = try replies(try chat("a <|end|> b", options: ["--json", "--system", "<|end|>"])).first
        #expect(plain?.prompt == "{begin}s:<|end|>\nu:a <|end|> b\na:")
        let trusted = try replies(try chat("a <|end|> b", options: ["--json", "--parse-special"])).first
        #expect(trusted?.prompt == "{begin}u:a {end} b\na:")
    }

    @Test("undo, reset and the system's message")
    func commands() throws {
        let outcome = try chat(
            "/system Be kind.", "one", "two", "/undo", "three", "/reset", "four", "/system \"\"", "/reset", "five",
            "/system", "/exit", "never", options: ["--json"])
        #expect(outcome.status == 0, "\(outcome.error)")
        let all = try replies(outcome)
        try #require(all.count == 5)
        #expect(all[1].prompt == "{begin}s:Be kind.\nu:one\na:\(all[0].text)\nu:two\na:")
        #expect(all[2].prompt == "{begin}s:Be kind.\nu:one\na:\(all[0].text)\nu:three\na:")
        #expect(all[3].prompt == "{begin}s:Be kind.\nu:four\na:")
        #expect(all[4].prompt == "{begin}u:five\na:")
        #expect(outcome.error.contains("taken back: user 'two'") && outcome.error.contains("no system's message"))
        let help = try chat("/help")
        for name in ["/help", "/reset", "/undo", "/system", "/save", "/load", "/set", "/exit"] {
            #expect(help.error.contains(name), "\(name)")
        }
        #expect(help.status == 0 && help.output.isEmpty)
    }

    @Test("what is wrong with a command is a line that names it; the conversation goes on, and the exit code tells")
    func wrongCommands() throws {
        for (line, words) in [
            ("/nope", "'/nope'"), ("/undo", "/undo"), ("/save", "/save wants"), ("/load", "/load wants"),
            ("/load /nonexistent", "/nonexistent"), ("/save /nonexistent/x", "/nonexistent/x"), ("/help me", "'me'"),
            ("/set temp -1", "temperature is -1"), ("/set temp warm", "'warm'"), ("/set nope 1", "'nope'"),
            ("/set top-p 2", "top_p is 2"), ("/set seed x", "'x'"), ("/set logit-bias 9999+1", "9999"),
            ("/set predict -2", "-n is -2"), ("/set verbose maybe", "'maybe'"),
        ] {
            let outcome = try chat(line, "hello")
            #expect(outcome.status == 1, "\(line)")
            #expect(outcome.errorLines.count == 1 && outcome.error.contains(words), "\(line): \(outcome.error)")
            #expect(outcome.text == (try chat("hello").text), "\(line)")
        }
    }

    @Test("settings are listed, shown and changed")
    func settings() throws {
        let outcome = try chat("/set temp 0", "/set top_k 7", "/set", "/set temperature", "/set verbose on", "hello")
        #expect(outcome.status == 0)
        #expect(outcome.error.hasPrefix("temp 0.0\n") && outcome.error.contains("\ntop-k 7\n"), "\(outcome.error)")
        #expect(outcome.error.contains("\nverbose off\ntemp 0.0\nprompt 8 tokens: 8 computed, 0 reused | first token"))
        #expect(outcome.text == (try chat("hello", options: ["--temp", "0"]).text))
        let length = try replies(try chat("/set predict 3", "hello", options: ["--json"])).first
        #expect((length?.object["ids"] as? [Int])?.count == 3)
    }

    @Test("a saved conversation goes on where it was; what cannot be loaded or saved changes nothing")
    func saving() throws {
        let file = tiny.folder.path("saved.json")
        let whole = try chat("é \"one\"", "two", "/save \(file)", "three", options: ["--system", "S"])
        #expect(whole.status == 0, "\(whole.error)")
        let saved = try JSONSerialization.jsonObject(with: try tiny.folder.read("saved.json")) as? [[String: String]]
        #expect(saved?.map { $0["role"] } == ["system", "user", "assistant", "user", "assistant"])
        #expect(saved?[1]["content"] == "é \"one\"")
        let loaded = try chat("lost", "/load \(file)", "three", options: ["--seed", "6"])
        #expect(loaded.status == 0)
        #expect(loaded.text.split(separator: "\n").last == whole.text.split(separator: "\n").last)
        // It is what `apus template` takes.
        let printed = try Command.run(["template", "-m", tiny.model, "--messages", file])
        #expect(printed.text.hasPrefix("<|begin|>s:S\nu:é \"one\"\na:"))

        for (text, words) in [
            ("[", "bad.json, line 1"), ("{}", "array"), ("[{\"role\": \"user\"}, 5]", "message 1"), ("", "bad.json"),
            ("[{\"content\": \"x\"}]", "'role'"),
        ] {
            try tiny.folder.file("bad.json", Data(text.utf8))
            let outcome = try chat("one", "/load \(tiny.folder.path("bad.json"))", "two")
            #expect(outcome.status == 1)
            #expect(outcome.errorLines.count == 1 && outcome.error.contains(words), "\(outcome.error)")
            #expect(outcome.text == (try chat("one", "two").text))
        }
        // Devices are not replaced.
        let device = try chat("one", "/save /dev/full")
        #expect(device.status == 1 && device.error.contains("/dev/full"), "\(device.error)")
    }

    @Test("a full context drops the oldest messages and says so; a message that never fits is an error")
    func contextFull() throws {
        let lines = (0..<8).map { "question \($0)" }
        let input = Data((lines + [String(repeating: "x", count: 90), "last"]).map { $0 + "\n" }.joined().utf8)
        let outcome = try Command.run(
            [
                "chat", "-m", tiny.model, "-n", "6", "--ignore-eos", "--seed", "5", "-c", "80", "--system", "S",
                "--json",
            ],
            input: input)
        #expect(outcome.status == 1)
        let all = try replies(outcome)
        try #require(all.count == 9)
        for (index, reply) in all.enumerated() {
            #expect(reply.prompt.hasPrefix("{begin}s:S\nu:"))
            #expect(reply.prompt.hasSuffix("u:\(index < 8 ? lines[index] : "last")\na:"))
        }
        let dropped = all.flatMap { $0.object["dropped"] as? [[String: String]] ?? [] }
        #expect(dropped.prefix(2).map { $0["content"] } == ["question 0", all[0].text])
        #expect(outcome.error.contains("dropped 2 messages: user 'question 0', assistant '"), "\(outcome.error)")
        #expect(outcome.error.contains("error: the message takes 100 tokens") && outcome.error.contains("context's 80"))
    }

    @Test("a line that is not UTF-8 is an error with its place, and the next one is answered")
    func notUTF8() throws {
        let input = Data([0x61, 0x0A, 0x62, 0xFF, 0x0A, 0x63, 0x0D, 0x0A, 0x64])
        let outcome = try Command.run(
            ["chat", "-m", tiny.model, "-n", "3", "--json", "-c", "400"], input: input)
        #expect(outcome.status == 1 && outcome.error.contains("line 2, byte 1 is 0xFF"), "\(outcome.error)")
        let prompts = try replies(outcome).map(\.prompt)
        try #require(prompts.count == 3)
        #expect(prompts[1].hasSuffix("u:c\na:") && prompts[2].hasSuffix("u:d\na:"))
    }

    @Test("Ctrl-C ends a program's conversation and keeps what is there")
    func interrupted() throws {
        let outcome = try Command.run(
            ["chat", "-m", tiny.model, "-c", "2000000", "--ignore-eos"], input: Data("hello\nmore\n".utf8),
            interruptAfter: 10)
        #expect(outcome.status == 130)
        #expect(outcome.output.count >= 10 && outcome.error.isEmpty, "\(outcome.error)")
    }

    @Test("a reader that goes away ends it quietly; a full disk is an error")
    func closedOutput() throws {
        let chat = "yes hello | $APUS chat -m \(tiny.model) -n 20 --ignore-eos"
        let closed = try Command.shell("{ \(chat); echo \"status $?\" >&2; } | head -c 5")
        #expect(closed.output.count == 5)
        #expect(closed.error.contains("status 0") && !closed.error.contains("error"), "\(closed.error)")
        expectFailure(try Command.shell("\(chat) > /dev/full"), saying: "standard output")
    }

    @Test("a model without a template wants one, unless its vocabulary shows the form")
    func templates() throws {
        let without = try TinyFolder(template: nil)
        let run = ["chat", "-m", without.model, "-n", "3", "-c", "400", "--json"]
        let hello = Data("hello\n".utf8)
        expectFailure(
            try Command.run(run, input: hello), saying: "tiny.gguf", "tokenizer.chat_template", "--chat-template")
        let named = try Command.run(run + ["--chat-template", "llama3"], input: hello)
        #expect(try replies(named).first?.prompt.hasPrefix("{begin}<|start_header_id|>user") == true)
        let strict = try tiny.folder.file(
            "strict", Data("{{ raise_exception('unwelcome') if messages[0].role == 'system' }}x".utf8))
        expectFailure(
            try Command.run(run + ["--chat-template", strict.path, "--system", "S"], input: hello), saying: "unwelcome")
        let usage = try Command.run(["chat", "-m", without.model, "-n", "-2"])
        #expect(usage.status == 64 && usage.error.contains("-n is -2"))
    }

    @Test("a real model: the second turn computes only what is new")
    func realModel() throws {
        let model = "models/smollm2-135m-instruct-q4_1.gguf"
        guard FileManager.default.fileExists(atPath: model) else { return }
        let long = String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 20)
        let outcome = try Command.run(
            ["chat", "-m", model, "-n", "8", "--temp", "0", "-c", "1024", "--json"],
            input: Data("\(long)Repeat that.\nAnd now?\n".utf8))
        let all = try replies(outcome)
        try #require(outcome.status == 0 && all.count == 2)
        #expect(try all[0].timing("computed_tokens") > 200)
        #expect(try all[1].timing("computed_tokens") < 40)
    }
}
