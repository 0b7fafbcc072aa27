// What nobody should send, and everybody does.

import ApusJSON
import ApusServer
import Testing

@Suite struct BadInputTests {
    @Test(arguments: [
        (#"{"messages":3}"#, "messages"), (#"{}"#, "messages"), (#"{"messages":[]}"#, "messages"),
        (#"{"messages":[1]}"#, "messages[0]"), (#"{"messages":[{"role":1}]}"#, "messages[0].role"),
        (#"{"messages":[{"content":"a"}]}"#, "messages[0].role"),
        (#"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#, "messages[0].content[0].type"),
        (#"{"messages":[{"role":"user","content":[{"text":5}]}]}"#, "messages[0].content[0].text"),
        (#"{"messages":[{"role":"user","content":"a"}],"temperature":"hot"}"#, "temperature"),
        (#"{"messages":[{"role":"user","content":"a"}],"temperature":1e300}"#, "temperature"),
        (#"{"messages":[{"role":"user","content":"a"}],"top_p":2}"#, "top_p"),
        (#"{"messages":[{"role":"user","content":"a"}],"max_tokens":-2}"#, "max_tokens"),
        (#"{"messages":[{"role":"user","content":"a"}],"max_tokens":1.5}"#, "max_tokens"),
        (#"{"messages":[{"role":"user","content":"a"}],"n":0}"#, "n"),
        (#"{"messages":[{"role":"user","content":"a"}],"n":99999999999}"#, "n"),
        (#"{"messages":[{"role":"user","content":"a"}],"stream":"yes"}"#, "stream"),
        (#"{"messages":[{"role":"user","content":"a"}],"stop":[1]}"#, "stop[0]"),
        (#"{"messages":[{"role":"user","content":"a"}],"seed":1e40}"#, "seed"),
        (#"{"messages":[{"role":"user","content":"a"}],"logit_bias":{"999999":1}}"#, "logit_bias"),
        (#"{"messages":[{"role":"user","content":"a"}],"top_logprobs":3}"#, "top_logprobs"),
        (#"{"messages":[{"role":"user","content":"a"}],"samplers":["nope"]}"#, "samplers"),
        (#"{"messages":[{"role":"user","content":"a"}],"model":7}"#, "model"),
        (#"{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function"}]}"#, "tools"),
        (#"{"messages":[{"role":"user","content":"a"}],"tool_choice":"required"}"#, "tool_choice"),
        (#"{"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"}}"#, "response_format"),
        (#"{"messages":[{"role":"user","content":"a"}],"grammar":"root ::= \"a\""}"#, "grammar"),
        (#"{"messages":[{"role":"user","content":"a"}],"continue_final_message":3}"#, "continue_final_message"),
        (#"{"messages":[{"role":"user","content":"a"}],"function_call":{"name":"a"}}"#, "function_call"),
        (#"{"messages":[{"role":"user","content":"a"}],"guided_json":{"type":"object"}}"#, "guided_json"),
        (
            #"{"messages":[{"role":"user","content":"a"}],"stop":[""# + String(repeating: "a", count: 1 << 16)
                + #"a"]}"#, "stop"
        ),
    ])
    func `A chat request is refused with the name of what is wrong`(body: String, parameter: String) async throws {
        let reply = try await Self.server().post("/v1/chat/completions", body)
        #expect(reply.status == 400, "\(reply.text)")
        let error = try #require(try reply.json()["error"])
        #expect(error["param"] == .string(parameter), "\(reply.text)")
        #expect(error["type"] == "invalid_request_error")
        #expect(reply.headers["x-should-retry"] == "false")
    }

    @Test(
        arguments: [
            ("", nil), ("nonsense", nil), ("[]", nil), ("{\"prompt\":\"a\"", nil), ("{\"prompt\":\"\u{0}\"}", nil),
            (#"{"prompt":"a","prompt_":}"#, nil), (String(repeating: "[", count: 100_000), nil),
            (#"{"prompt":{}}"#, "prompt"), (#"{"prompt":[[1],2]}"#, "prompt[1]"), (#"{"prompt":[-1]}"#, "prompt[0]"),
            (#"{"prompt":[1,"a"]}"#, "prompt[1]"), (#"{"prompt":[[]]}"#, "prompt"),
            (#"{"prompt":"a","echo":1}"#, "echo"),
            (#"{"prompt":"a","logprobs":-1}"#, "logprobs"), (#"{"prompt":"a","suffix":"b"}"#, "suffix"),
            (#"{"prompt":"a","best_of":3}"#, "best_of"), (#"{"prompt":[258]}"#, "prompt[0]"),
        ] as [(String, String?)])
    func `A text request is refused with the name of what is wrong`(body: String, parameter: String?) async throws {
        let reply = try await Self.server().post("/v1/completions", body)
        #expect(reply.status == 400, "\(reply.text)")
        #expect(try reply.json()["error"]?["param"] == (parameter.map(JSONValue.string) ?? .null), "\(reply.text)")
    }

    @Test func `What would take too much memory or time is refused at once, and harms nobody`() async throws {
        let server = try await Self.server()
        func refused(_ path: String, _ body: String, _ word: String) async throws {
            let reply = try await server.post(path, body)
            #expect(reply.status == 400 && reply.text.contains(word), "\(reply.status) \(reply.text.prefix(200))")
        }
        func long(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }
        try await refused("/completion", #"{"prompt":"a","n_probs":258,"n":128}"#, "n_probs")
        let few = try await server.post("/completion", #"{"prompt":"a","n_probs":258,"n_predict":1}"#)
        #expect(few.status == 200)
        try await refused("/tokenize", "{\"content\":\"\(long("a", 9 << 20))\"}", "content has more than")
        try await refused("/completion", "{\"prompt\":\"a\",\"logit_bias\":[[\"\(long("a", 2000))\",1]]}", "logit_bias")
        for template in [long("{{ if .System }}", 200_000), long("a", 2 << 20)] {
            try await refused(
                "/api/generate", "{\"model\":\"tiny\",\"prompt\":\"a\",\"template\":\"\(template)\"}", "template")
        }
        try await refused(
            "/api/generate", "{\"model\":\"tiny\",\"prompt\":\"a\",\"template\":\"\(long("{{ if .System }}", 200))\"}",
            "nested")
        // Of a text that is cut anyway only so much is read as can matter.
        let cut = try await server.post("/api/embed", "{\"model\":\"tiny\",\"input\":\"\(long("é", 1 << 20))\"}")
        #expect(try cut.json()["prompt_eval_count"] == 2048)
        try await refused("/v1/embeddings", "{\"input\":\"\(long("a", 1 << 20))\"}", "context_length_exceeded")
    }

    @Test func `Long bodies have so many bytes together, and others need none of them`() async throws {
        let server = try await TestServer { $0.bodyLimit = 2 << 20 }
        // No JSON, which is soon seen; together more than one may have.
        let body = [UInt8](repeating: 0x20, count: 3 << 19)
        let head = server.head("POST", "/tokenize", ["Content-Length: \(body.count)"]) + Array("\r\n".utf8)
        // One that has sent all but its end has the room, as long as it is there; refused itself, it comes again.
        let waiting = Task {
            while !Task.isCancelled {
                _ = try await server.exchange(head + body.dropLast(), until: { !$0.isEmpty })
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        var reply = try await server.post("/tokenize", body)
        for _ in 0..<100 where reply.status != 503 {
            try await Task.sleep(for: .milliseconds(100))
            reply = try await server.post("/tokenize", body)
        }
        #expect(reply.status == 503 && reply.headers["retry-after"] == "1", "\(reply.text)")
        #expect(try await server.post("/tokenize", #"{"content":"ab"}"#).status == 200)
        waiting.cancel()
        try await server.stop()
        _ = try? await waiting.value
        let other = try await TestServer { $0.bodyLimit = 2 << 20 }
        for _ in 0..<3 { #expect(try await other.post("/tokenize", body).status == 400) }
    }

    @Test func `Bytes that are no UTF-8 are refused`() async throws {
        let bytes = Array("{\"prompt\":\"".utf8) + [0xFF, 0xC0] + Array("\"}".utf8)
        #expect(try await Self.server().post("/v1/completions", bytes).status == 400)
    }

    @Test func `A prompt over the context is refused with the figures that clients look for`() async throws {
        let text = String(repeating: "a", count: 3000)
        let reply = try await Self.server().post("/v1/completions", "{\"prompt\":\"\(text)\",\"stream\":true}")
        #expect(reply.status == 400)
        let error = try #require(try reply.json()["error"])
        #expect(error["code"] == "context_length_exceeded" && error["type"] == "exceed_context_size_error")
        #expect(error["n_prompt_tokens"] == 3000 && error["n_ctx"] == 2048)
        guard case .string(let message)? = error["message"] else { return }
        #expect(message.contains("maximum context length is 2048 tokens"))
        // So long a text is not even cut into tokens.
        let long = String(repeating: "a", count: 1_000_000)
        let chat = "{\"messages\":[{\"role\":\"user\",\"content\":\"\(long)\"}]}"
        let refused = try await Self.server().post("/v1/chat/completions", chat)
        #expect(refused.status == 400)
        #expect(try refused.json()["error"]?["param"] == "messages")
        #expect(try refused.json()["error"]?["code"] == "context_length_exceeded")
    }

    @Test func `Unknown models, paths and methods are told apart`() async throws {
        let server = try await Self.server()
        let model = try await server.post("/v1/completions", #"{"model":"../../etc/passwd","prompt":"a"}"#)
        #expect(model.status == 404)
        #expect(try model.json()["error"]?["code"] == "model_not_found")
        #expect(try await server.get("/v1/nothing").status == 404)
        #expect(try await server.post("/v1/../completions%00", "{}").status == 404)
        let method = try await server.get("/v1/completions")
        #expect(method.status == 405 && method.headers["allow"] == "POST")
        #expect(try await server.get("/" + String(repeating: "x/", count: 500)).status == 404)
    }

    @Test func `Requests that are too big or no HTTP end, and leave others alone`() async throws {
        let server = try await TestServer { $0.bodyLimit = 1000 }
        let long = "{\"prompt\":\"\(String(repeating: "a", count: 2000))\"}"
        #expect(try await server.post("/v1/completions", long).status == 413)
        let bomb = (0..<5000).map { "X-Header-\($0): \(String(repeating: "y", count: 50))" }
        let reply = try await server.exchange(server.head("GET", "/health", bomb) + Array("\r\n".utf8))
        let status = reply.isEmpty ? nil : try Reply(reply).status
        #expect(status == nil || status == 400)
        for noise in [
            "\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "POST /v1/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        ] {
            let reply = try await server.exchange(Array(noise.utf8))
            let status = reply.isEmpty ? 0 : try Reply(reply).status
            #expect(status < 500)
        }
        #expect(try await server.get("/health").status == 200)
    }

    @Test func `Who sends a request drop by drop is cut off`() async throws {
        let server = try await TestServer { ($0.readTimeout, $0.idleTimeout) = (.seconds(1), .seconds(1)) }
        // Neither the head nor the body ever comes whole.
        #expect(try await server.exchange(Array("GET /health HTTP/1.1\r\nHos".utf8)).isEmpty)
        let half = server.head("POST", "/v1/completions", ["Content-Length: 100"]) + Array("\r\n{".utf8)
        _ = try await server.exchange(half)
        #expect(try await server.get("/health").status == 200)
    }

    /// One server for all that do it no harm.
    private static func server() async throws -> TestServer { try await shared.value }

    private static let shared = Task { try await TestServer() }
}
