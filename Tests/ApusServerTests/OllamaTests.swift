// Ollama's API: what comes back, in one piece and in many.

import Apus
import ApusGGUF
import ApusJSON
import ApusServer
import Foundation
import Testing

@Suite struct OllamaTests {
    /// The objects of a streamed reply.
    private func lines(_ reply: Reply) throws -> [JSONValue] {
        #expect(reply.headers["content-type"] == "application/x-ndjson")
        #expect(reply.text.hasSuffix("\n"))
        return try reply.text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
    }

    private func int(_ value: JSONValue?) throws -> Int {
        guard case .int(let number)? = value else {
            Issue.record("\(value?.text ?? "nothing") is no whole number")
            return -1
        }
        return number
    }

    private func text(_ value: JSONValue?) -> String {
        if case .string(let text)? = value { text } else { "" }
    }

    private static let durations = ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"]
    private let question = #""model":"tiny","messages":[{"role":"User","content":"Hi"}]"#

    @Test func `Durations that clients divide by are not zero, even of a single token`() async throws {
        let server = try await TestServer()
        let body = "{\(question),\"stream\":false,\"options\":{\"num_predict\":1}}"
        for _ in 0..<2 {
            let reply = try await server.post("/api/chat", body).json()
            #expect(try int(reply["eval_count"]) == 1)
            #expect(try int(reply["eval_duration"]) > 0 && int(reply["prompt_eval_duration"]) > 0)
        }
    }

    @Test func `A chat reply is the same in one piece and in many, none of which is empty`() async throws {
        let server = try await TestServer()
        let options =
            #""logprobs":true,"top_logprobs":2,"options":{"num_predict":30,"seed":4,"stop":["\u0000nothing"]}"#
        let whole = try await server.post("/api/chat", "{\(question),\(options),\"stream\":false}")
        #expect(whole.status == 200 && whole.headers["content-type"] == "application/json; charset=utf-8")
        let json = try whole.json()
        let pieces = try lines(try await server.post("/api/chat", "{\(question),\(options)}"))
        #expect(pieces.dropLast().allSatisfy { $0["done"] == false && text($0["message"]?["content"]) != "" })
        let joined = pieces.map { text($0["message"]?["content"]) }.joined()
        #expect(joined == text(json["message"]?["content"]) && !joined.isEmpty)
        let last = try #require(pieces.last)
        #expect(last["done"] == true && last["message"]?["content"] == "")
        for end in [json, last] {
            #expect(end["model"] == "tiny" && end["message"]?["role"] == "assistant")
            #expect(["stop", "length"].contains(text(end["done_reason"])))
            for name in Self.durations { #expect(try int(end[name]) >= 0) }
            #expect(try int(end["total_duration"]) >= int(end["eval_duration"]))
            #expect(try int(end["prompt_eval_count"]) > 0)
        }
        // Every token's log probability is there once, also of those whose text was held back.
        func entries(_ objects: [JSONValue]) -> [JSONValue] {
            objects.flatMap { object -> [JSONValue] in
                if case .array(let list)? = object["logprobs"] { list } else { [] }
            }
        }
        #expect(entries(pieces) == entries([json]))
        #expect(try entries(pieces).count == int(last["eval_count"]))
        guard case .array(let top)? = entries(pieces).first?["top_logprobs"] else { return }
        #expect(top.count == 2)
    }

    @Test func `Without a question the model is loaded or unloaded`() async throws {
        let server = try await TestServer()
        func models() async throws -> [JSONValue] {
            guard case .array(let models)? = try await server.get("/api/ps").json()["models"] else { return [] }
            return models
        }
        for (path, body) in [
            ("/api/generate", #"{"model":"tiny","keep_alive":0,"prompt":""}"#),
            ("/api/chat", #"{"model":"tiny","messages":[],"keep_alive":"0s"}"#),
        ] {
            #expect(try await server.post(path, body).json()["done_reason"] == "unload")
            #expect(try await TestServer.eventually { try await models().isEmpty })
            let loaded = try await server.post(path, #"{"model":"TINY:latest","keep_alive":"10m"}"#).json()
            #expect(loaded["done_reason"] == "load" && loaded["done"] == true)
            let model = try #require(try await models().first)
            #expect(model["name"] == "tiny:latest" && model["model"] == "tiny:latest" && model["size_vram"] == 0)
            #expect(try int(model["context_length"]) == 2048)
            let expiry = text(model["expires_at"])
            let format = ISO8601DateFormatter()
            format.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
            let left = try #require(format.date(from: expiry.prefix(23) + "Z"), "\(expiry)").timeIntervalSinceNow
            #expect(left > 500 && left < 700)
        }
    }

    @Test func `A template, a system text, raw prompts and the context of the last reply`() async throws {
        let server = try await TestServer()
        func generate(_ more: String, prompt: String = "Hi") async throws -> JSONValue {
            let reply = try await server.post(
                "/api/generate",
                "{\"model\":\"tiny\",\"prompt\":\"\(prompt)\",\"stream\":false,\"options\":{\"num_predict\":6,\"seed\":1}"
                    + more + "}")
            #expect(reply.status == 200, "\(reply.text)")
            return try reply.json()
        }
        let shown = text(try await server.post("/api/show", #"{"model":"tiny"}"#).json()["template"])
        let template = ",\"template\":\(JSONValue.string(shown).text)"
        let plain = try await generate("")
        #expect(try await generate(template)["context"] == plain["context"])
        let told = try await generate(",\"system\":\"S\"")
        #expect(try await generate(",\"system\":\"S\"" + template)["context"] == told["context"])
        #expect(told["context"] != plain["context"])
        // As it is: without template, and with control tokens where their texts stand.
        let raw = try await generate(",\"raw\":true", prompt: "<|im_start|>x")
        #expect(raw["context"] == nil && raw["prompt_eval_count"] == 2)
        #expect(
            try await generate(",\"template\":\"{{ .Prompt }}\"", prompt: "<|im_start|>x")["prompt_eval_count"] == 13)
        // A question after the last reply is the same tokens as in a chat.
        func tokens(_ messages: String) async throws -> [JSONValue] {
            let reply = try await server.post("/tokenize", "{\"messages\":[\(messages)]}")
            guard case .array(let tokens)? = try reply.json()["tokens"] else { return [] }
            return tokens
        }
        let first = try await tokens(#"{"role":"user","content":"Hi"}"#)
        let chat = try await tokens(
            #"{"role":"user","content":"Hi"},{"role":"assistant","content":"A"},{"role":"user","content":"And?"}"#)
        let context = JSONValue.array(first + [65]).text
        let next = try await server.post(
            "/api/generate",
            "{\"model\":\"tiny\",\"prompt\":\"And?\",\"context\":\(context),\"stream\":false,\"options\":{\"num_predict\":0}}"
        )
        #expect(try next.json()["context"] == .array(chat))
    }

    @Test func `What is asked for in vain is named`() async throws {
        let server = try await TestServer()
        let generate = #""model":"tiny","prompt":"a""#
        for (path, body, status, word) in [
            ("/api/chat", "{}", 400, "model"), ("/api/chat", "", 400, "missing request body"),
            ("/api/chat", "{", 400, "line 1"),
            ("/api/chat", #"{"model":"nope","messages":[]}"#, 404, "'nope' not found"),
            ("/api/chat", #"{"model":"tiny","messages":[{"role":"user","content":5}]}"#, 400, "messages[0].content"),
            (
                "/api/chat", #"{"model":"tiny","messages":[{"role":"user","content":"a","images":["x"]}]}"#, 400,
                "messages[0].images"
            ),
            ("/api/chat", "{\(question),\"tools\":[{\"type\":\"function\"}]}", 400, "tools"),
            ("/api/chat", "{\(question),\"format\":\"json\"}", 400, "format"),
            ("/api/chat", "{\(question),\"format\":{\"type\":\"object\"}}", 400, "format"),
            ("/api/chat", "{\(question),\"think\":true}", 400, "think"),
            ("/api/chat", "{\(question),\"think\":\"high\"}", 400, "think"),
            ("/api/chat", "{\(question),\"top_logprobs\":21}", 400, "top_logprobs"),
            ("/api/chat", "{\(question),\"options\":[1]}", 400, "options"),
            ("/api/chat", "{\(question),\"options\":{\"temperature\":\"hot\"}}", 400, "options.temperature"),
            ("/api/chat", "{\(question),\"options\":{\"num_predict\":-3}}", 400, "options.num_predict"),
            ("/api/chat", "{\(question),\"options\":{\"num_ctx\":-1}}", 400, "options.num_ctx"),
            ("/api/chat", "{\(question),\"options\":{\"num_ctx\":3}}", 400, "maximum context length is 3 tokens"),
            ("/api/generate", "{\(generate),\"keep_alive\":\"soon\"}", 400, "keep_alive"),
            ("/api/generate", "{\(generate),\"keep_alive\":true}", 400, "keep_alive"),
            ("/api/generate", "{\(generate),\"suffix\":\"b\"}", 400, "suffix"),
            ("/api/generate", "{\(generate),\"images\":[\"x\"]}", 400, "images"),
            ("/api/generate", "{\(generate),\"raw\":true,\"system\":\"b\"}", 400, "raw"),
            ("/api/generate", "{\(generate),\"context\":[1,-1]}", 400, "context[1]"),
            ("/api/generate", "{\(generate),\"template\":\"{{ nope }}\"}", 400, "template"),
            ("/api/generate", "{\(generate),\"template\":\"{% for %}\"}", 400, "template"),
            ("/api/embed", #"{"model":"tiny","input":[1]}"#, 400, "input[0]"),
            ("/api/embed", #"{"model":"tiny","input":"a","dimensions":-1}"#, 400, "dimensions"),
            ("/api/show", #"{"model":"../../etc/passwd"}"#, 404, "not found"),
            ("/api/show", #"{"model":3}"#, 400, "model"),
            ("/api/copy", #"{"source":"tiny"}"#, 400, "destination"),
            ("/api/copy", #"{"source":"tiny","destination":"../x"}"#, 400, "destination"),
            ("/api/copy", #"{"source":"tiny","destination":"x"}"#, 400, "folder"),
            ("/api/pull", #"{"model":"x"}"#, 400, "not supported"), ("/api/create", "{}", 400, "not supported"),
            ("/api/nothing", "{}", 404, "nothing"), ("/api/chat/api/show", "{}", 404, "nothing"),
        ] {
            let reply = try await server.post(path, body)
            #expect(reply.status == status, "\(body): \(reply.text)")
            #expect(text(try reply.json()["error"]).contains(word), "\(body): \(reply.text)")
        }
    }

    @Test func `What clients of all kinds send passes`() async throws {
        let server = try await TestServer()
        for body in [
            #"{"model":"tiny","messages":[{"role":"user","content":"a","images":[],"tool_calls":null}],"tools":[],"format":"","think":false,"options":{"mirostat":null,"num_predict":1,"num_gpu":-1,"tfs_z":1,"seed":-5,"stop":[]},"keep_alive":null,"stream":null,"unknown":{"a":1}}"#,
            #"{"model":"tiny","messages":[{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":"x","tool_name":"f"}],"options":{"num_predict":1,"num_ctx":99999999}}"#,
        ] {
            let reply = try await server.post("/api/chat", body, ["Content-Type: text/plain"])
            #expect(reply.status == 200, "\(reply.text)")
        }
    }

    @Test func `The oldest messages go only where that is asked for, and the reply tells`() async throws {
        let server = try await TestServer()
        let long = String(repeating: "a", count: 1500)
        let messages = [("system", "S"), ("user", long), ("assistant", long), ("user", "Hi")].map {
            "{\"role\":\"\($0)\",\"content\":\"\($1)\"}"
        }.joined(separator: ",")
        let request = "\"model\":\"tiny\",\"messages\":[\(messages)],\"stream\":false,\"options\":{\"num_predict\":1}"
        let refused = try await server.post("/api/chat", "{\(request)}")
        #expect(refused.status == 400 && refused.text.contains("maximum context length is 2048 tokens"))
        let cut = try await server.post("/api/chat", "{\(request),\"truncate\":true}").json()
        #expect(cut["truncated_messages"] == 2)
        #expect(try int(cut["prompt_eval_count"]) < 100)
    }

    @Test func `Vectors are of length one, and as many and as long as asked for`() async throws {
        let server = try await TestServer()
        func vectors(_ body: String) async throws -> [[Double]] {
            guard case .array(let list)? = try await server.post("/api/embed", body).json()["embeddings"] else {
                Issue.record("no vectors")
                return []
            }
            return list.map { vector in
                guard case .array(let numbers) = vector else { return [] }
                return numbers.compactMap { if case .double(let number) = $0 { number } else { nil } }
            }
        }
        let both = try await vectors(#"{"model":"tiny","input":["ab","cd"]}"#)
        #expect(both.count == 2 && both.allSatisfy { $0.count == 96 })
        for vector in both { #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5) }
        #expect(try await vectors(#"{"model":"tiny","input":"ab"}"#) == [both[0]])
        let short = try await vectors(#"{"model":"tiny","input":"ab","dimensions":10}"#)[0]
        let length = both[0].prefix(10).reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(short.count == 10 && zip(short, both[0]).allSatisfy { abs($0 - $1 / length) < 1e-6 })
        #expect(try await vectors(#"{"model":"tiny","input":[]}"#).isEmpty)
        // A text that is too long is cut, unless that is not wanted.
        let long = String(repeating: "ab", count: 2000)
        let cut = try await vectors("{\"model\":\"tiny\",\"input\":\"\(long)\"}")
        #expect(try await vectors("{\"model\":\"tiny\",\"input\":\"\(long.prefix(2048))\"}") == cut)
        #expect(
            try await server.post("/api/embed", "{\"model\":\"tiny\",\"input\":\"\(long)\",\"truncate\":false}").status
                == 400)
        let older = try await server.post("/api/embeddings", #"{"model":"tiny","prompt":"ab"}"#).json()
        guard case .array(let numbers)? = older["embedding"] else { return }
        #expect(numbers.count == 96)
    }

    @Test func `Models are listed, shown, copied and deleted`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try TestServer.modelPath.get()
        try FileManager.default.copyItem(atPath: path, toPath: "\(folder)/own.gguf")
        let server = try await TestServer {
            $0.library.folder = folder
            $0.library.aliases = ["nick": "own"]
        }
        func names() async throws -> [String] {
            guard case .array(let models)? = try await server.get("/api/tags").json()["models"] else { return [] }
            #expect(models.allSatisfy { $0["name"] == $0["model"] && text($0["digest"]).count == 64 })
            #expect(models.allSatisfy { text($0["details"]?["quantization_level"]) == "Q8_0" })
            #expect(Set(models.map { $0["digest"] }).count == 1)
            return models.map { text($0["name"]) }
        }
        #expect(try await names() == ["own:latest", "tiny:latest", "nick:latest"])
        for body in [#"{"name":"own"}"#, #"{"model":"nick"}"#] {
            let shown = try await server.post("/api/show", body).json()
            #expect(shown["capabilities"] == ["completion"])
            #expect(shown["model_info"]?["general.architecture"] == "llama")
            #expect(shown["model_info"]?["tokenizer.ggml.tokens"] == [])
            #expect(text(shown["parameters"]).contains("num_ctx                        2048\nstop"))
            #expect(text(shown["parameters"]).hasSuffix("\"<|im_end|>\""))
        }
        let verbose = try await server.post("/api/show", #"{"model":"own","verbose":true}"#).json()
        guard case .array(let tokens)? = verbose["model_info"]?["tokenizer.ggml.tokens"] else { return }
        #expect(tokens.count == 258 && verbose["tensors"] != nil)

        func status(_ source: String, _ destination: String) async throws -> Int {
            try await server.post("/api/copy", "{\"source\":\"\(source)\",\"destination\":\"\(destination)\"}").status
        }
        func deleted(_ name: String) async throws -> Int {
            let body = "{\"model\":\"\(name)\"}"
            let head = server.head("DELETE", "/api/delete", ["Content-Length: \(body.utf8.count)"])
            return try await server.send(head + Array("\r\n\(body)".utf8)).status
        }
        #expect(try await status("own", "copy:q8") == 200)
        #expect(try await status("tiny", "other") == 200)
        #expect(try await status("own", "OWN") == 200)
        #expect(try await names() == ["copy:q8", "other:latest", "own:latest", "tiny:latest", "nick:latest"])
        let reply = try await server.post(
            "/api/generate", #"{"model":"copy:q8","prompt":"a","stream":false,"options":{"num_predict":2}}"#)
        #expect(try reply.json()["done"] == true)
        // Names of others, and files that are not the folder's.
        #expect(try await status("own", "nick") == 400)
        #expect(try await status("own", "tiny") == 400)
        #expect(try await deleted("nick") == 400)
        #expect(try await deleted("tiny") == 400)
        #expect(FileManager.default.fileExists(atPath: path))
        // Also while it is loaded.
        #expect(try await deleted("Copy:Q8") == 200)
        #expect(try await deleted("copy:q8") == 404)
        #expect(try await deleted("other:latest") == 200)
        #expect(try await names() == ["own:latest", "tiny:latest", "nick:latest"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["own.gguf"])
    }

    @Test func `The server tells that it runs, in numbers that clients can read`() async throws {
        let server = try await TestServer()
        #expect(try await server.get("/").text == "Ollama is running")
        for path in ["/", "/api/version", "/api/tags"] {
            let head = try await server.send(server.head("HEAD", path) + Array("\r\n".utf8))
            #expect(head.status == 200 && head.body.isEmpty)
        }
        let version = text(try await server.get("/api/version").json()["version"])
        let numbers = version.split(separator: ".").compactMap { Int($0) }
        #expect(numbers.count == 3 && numbers.map(String.init).joined(separator: ".") == version)
    }
}
