// What a model thinks before it answers: told from the answer, in one piece and in many.

import ApusAPI
import ApusJSON
import ApusServer
import Testing

@Suite struct ThoughtTests {
    private func text(_ value: JSONValue?) -> String {
        if case .string(let text)? = value { text } else { "" }
    }

    /// What a text is taken apart into when it comes in pieces of a number of characters.
    private func split(_ text: String, every count: Int, after prompt: String = "") -> ThoughtSplitter.Piece {
        var splitter = ThoughtSplitter(after: Array(prompt.utf8))
        var (result, rest) = (ThoughtSplitter.Piece(), Array(text)[...])
        while !rest.isEmpty {
            result += splitter.add(String(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        result += splitter.finish()
        return result
    }

    @Test(arguments: [
        ("<think>\nHm, é.\n</think>\n\nYes.", "Hm, é.", "Yes."), ("\n<think>a</think>b", "a", "b"),
        ("<think></think>\n\nYes </think>.", "", "Yes </think>."),
        ("Yes <think>no</think>", "", "Yes <think>no</think>"),
        ("<thin", "", "<thin"), ("<thing>", "", "<thing>"), ("  x ", "", "  x "), ("", "", ""), (" \n", "", " \n"),
        ("<think>a </ b </thin c </think> d", "a </ b </thin c", "d"), ("<think>cut off </thi", "cut off </thi", ""),
        ("<think> \n a\n\nb \n</think>", "a\n\nb", ""),
    ])
    func `Thoughts come apart the same, however the text comes`(text: String, thought: String, answer: String) {
        for count in 1...max(1, text.count) {
            #expect(split(text, every: count) == .init(thought: thought, answer: answer), "pieces of \(count)")
        }
    }

    @Test func `A prompt may have opened the thoughts, and an answer may have begun`() {
        for count in 1...9 {
            #expect(split("Hm.</think>Yes", every: count, after: "a<think>") == .init(thought: "Hm.", answer: "Yes"))
            #expect(split("Hm.</think>Yes", every: count, after: "<think>a") == .init(answer: "Hm.</think>Yes"))
        }
        for (beginning, rest, thought, answer) in [
            ("<think>\nHm", ".</think> Yes", ".", "Yes"), ("<think>Hm</thi", "nk> Yes", "", "Yes"),
            ("Well", ".</think> Yes", "", ".</think> Yes"), ("", "<think>a</think>b", "a", "b"),
        ] {
            var splitter = ThoughtSplitter(continuing: beginning)
            #expect(splitter.split(rest) == .init(thought: thought, answer: answer), "\(beginning)")
        }
    }

    /// A template that opens the thoughts, after which the small model says nothing but thoughts.
    private let template = "{% for m in messages %}{{ m.content }}{% endfor %}{{ enable_thinking }}<think>"

    @Test func `OpenAI's replies have thoughts apart, unless they are to stay`() async throws {
        let server = try await TestServer { $0.chatTemplate = template }
        let path = "/v1/chat/completions"
        let body = #""messages":[{"role":"user","content":"ab"}],"max_tokens":24,"seed":3,"logprobs":true"#
        let plain = try await server.post(path, "{\(body),\"reasoning_format\":\"none\"}").json()
        let said = text(plain["choices"]?[0]?["message"]?["content"])
        #expect(!said.isEmpty && plain["choices"]?[0]?["message"]?["reasoning_content"] == nil)
        let whole = try await server.post(path, "{\(body)}").json()
        let message = try #require(whole["choices"]?[0]?["message"])
        // White space around thoughts goes.
        let thought = String(said.drop { $0.isWhitespace })
        #expect(message["content"] == "" && text(message["reasoning_content"]) == thought)
        let events = try await server.post(path, "{\(body),\"stream\":true}").events()
        let deltas = events.map { $0["choices"]?[0]?["delta"] }
        #expect(deltas.map { text($0?["reasoning_content"]) }.joined() == thought)
        #expect(deltas.allSatisfy { text($0?["content"]) == "" })
        let logged = events.reduce(0) { count, event in
            if case .array(let list)? = event["choices"]?[0]?["logprobs"]?["content"] {
                count + list.count
            } else {
                count
            }
        }
        #expect(logged == 24)
        let wrong = try await server.post(path, "{\(body),\"reasoning_format\":\"loud\"}")
        #expect(wrong.status == 400 && wrong.text.contains("reasoning_format"))
        let kept = try await TestServer { ($0.chatTemplate, $0.separatesThoughts) = (template, false) }
        #expect(try await kept.post(path, "{\(body)}").json()["choices"]?[0]?["message"]?["content"] == .string(said))
    }

    @Test func `Ollama's replies have them too, and think reaches the template`() async throws {
        let server = try await TestServer { $0.chatTemplate = template }
        let options = #""model":"tiny","options":{"num_predict":24,"seed":3},"think":true"#
        for (path, question) in [
            ("/api/chat", #""messages":[{"role":"user","content":"ab"}]"#), ("/api/generate", #""prompt":"ab""#),
        ] {
            let whole = try await server.post(path, "{\(options),\(question),\"stream\":false}").json()
            func thinking(_ reply: JSONValue) -> String { text(reply["message"]?["thinking"] ?? reply["thinking"]) }
            func answer(_ reply: JSONValue) -> String { text(reply["message"]?["content"] ?? reply["response"]) }
            #expect(!thinking(whole).isEmpty && answer(whole).isEmpty)
            let lines = try await server.post(path, "{\(options),\(question)}").text.split(separator: "\n")
            let pieces = try lines.map { try JSONValue(parsing: Array($0.utf8)) }
            #expect(pieces.map(thinking).joined() == thinking(whole))
            #expect(pieces.dropLast().allSatisfy { !thinking($0).isEmpty })
            // A raw prompt is nobody's template.
            let raw = try await server.post(
                "/api/generate", "{\(options),\"prompt\":\"ab\",\"raw\":true,\"stream\":false}")
            #expect(try raw.json()["thinking"] == nil)
        }
        for (think, shown) in [("true", "True"), ("\"high\"", "True"), ("false", "False")] {
            let kwargs = #"{"messages":[{"role":"user","content":"ab"}],"chat_template_kwargs":{"enable_thinking":"#
            let prompt = try await server.post("/apply-template", kwargs + (think == "false" ? "false}}" : "true}}"))
            #expect(text(try prompt.json()["prompt"]) == "ab\(shown)<think>")
            let reply = try await server.post(
                "/api/chat",
                #"{"model":"tiny","messages":[{"role":"user","content":"ab"}],"stream":false,"options":{"num_predict":1},"think":"#
                    + think + "}")
            // One token for each byte of the prompt.
            #expect(try reply.json()["prompt_eval_count"] == .int("ab\(shown)<think>".utf8.count))
        }
        let shown = try await server.post("/api/show", #"{"model":"tiny"}"#).json()
        #expect(shown["capabilities"] == ["completion", "thinking"])
        #expect(try await server.get("/api/tags").json()["models"]?[0]?["capabilities"] == ["completion", "thinking"])
    }

    @Test func `Variables of the template, special tokens and continued answers can be set for all requests`()
        async throws
    {
        let server = try await TestServer {
            $0.chatTemplate = "{% for m in messages %}{{ m.content }}.{% endfor %}{{ tone }}{{ other }}"
            $0.templateVariables = [.init("tone", "calm"), .init("other", "x"), .init("tone", "loud")]
            $0.continuesLastAnswer = true
            $0.rendersSpecialTokens = true
        }
        func prompt(_ more: String, role: String = "user") async throws -> String {
            let body = "{\"messages\":[{\"role\":\"\(role)\",\"content\":\"ab\"}]\(more)}"
            return text(try await server.post("/apply-template", body).json()["prompt"])
        }
        #expect(try await prompt("") == "ab.loudx")
        #expect(try await prompt(#","chat_template_kwargs":{"other":"y"}"#) == "ab.loudy")
        #expect(try await prompt("", role: "assistant") == "ab")
        #expect(try await prompt(#","continue_final_message":false"#, role: "assistant") == "ab.loudx")
        #expect(try await prompt(#","add_generation_prompt":true"#, role: "assistant") == "ab.loudx")
        // Token 256 is <|im_start|>.
        for (path, question) in [
            (
                "/v1/chat/completions",
                #""messages":[{"role":"user","content":"ab"}],"max_tokens":2,"logit_bias":{"256":1000}"#
            ),
            ("/completion", #""prompt":"ab","n_predict":2,"logit_bias":[[256,1000]]"#),
            (
                "/api/generate",
                #""model":"tiny","prompt":"ab","stream":false,"options":{"num_predict":2,"logit_bias":{"256":1000}}"#
            ),
        ] {
            let reply = try await server.post(path, "{\(question)}").json()
            let said = reply["choices"]?[0]?["message"]?["content"] ?? reply["content"] ?? reply["response"]
            #expect(text(said) == "<|im_start|><|im_start|>", "\(path)")
        }
    }
}

extension JSONValue {
    fileprivate subscript(index: Int) -> JSONValue? {
        if case .array(let list) = self, list.indices.contains(index) { list[index] } else { nil }
    }
}
