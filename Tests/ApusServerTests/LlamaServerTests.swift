// llama-server's own routes, and vLLM's about tokens.

import Apus
import ApusJSON
import ApusServer
import Foundation
import Testing

@Suite struct LlamaServerTests {
    private func events(_ reply: Reply) throws -> [JSONValue] {
        #expect(reply.headers["content-type"] == "text/event-stream; charset=utf-8")
        return try reply.text.components(separatedBy: "\n\n").filter { $0.hasPrefix("data: ") }.map {
            try JSONValue(parsing: Array($0.dropFirst(6).utf8))
        }
    }

    private func text(_ value: JSONValue?) -> String {
        if case .string(let text)? = value { text } else { "" }
    }

    private func list(_ value: JSONValue?) -> [JSONValue] {
        if case .array(let list)? = value { list } else { [] }
    }

    @Test func `What ends a repetition can be set for all requests`() async throws {
        let dry =
            #""prompt":"abababab","n_predict":60,"seed":5,"ignore_eos":true,"dry_multiplier":50,"dry_allowed_length":1"#
        func said(_ server: TestServer, _ more: String = "") async throws -> String {
            text(try await server.post("/completion", "{\(dry)\(more)}").json()["content"])
        }
        let server = try await TestServer { $0.dryBreakers = ["a", "b"] }
        let plain = try await TestServer()
        let broken = try await said(plain, #","dry_sequence_breakers":["a","b"]"#)
        #expect(try await said(server) == broken)
        #expect(try await said(plain) != broken)
        #expect(try await said(server, #","dry_sequence_breakers":["\n",":","\"","*"]"#) == said(plain))
    }

    @Test func `Streams of OpenAI's tell of progress where it is asked for`() async throws {
        let server = try await TestServer()
        for (path, question) in [
            ("/v1/chat/completions", #""messages":[{"role":"user","content":"ab"}]"#),
            ("/v1/completions", #""prompt":"ab""#),
        ] {
            let body = "{\(question),\"max_tokens\":2,\"stream\":true"
            let told = try await server.post(path, body + ",\"return_progress\":true}").events()
            let progress = try #require(told.compactMap { $0["prompt_progress"] }.last)
            #expect(
                progress["processed"] == progress["total"] && progress["cache"] != nil && progress["time_ms"] != nil)
            #expect(told.allSatisfy { list($0["choices"]).count == 1 })
            let plain = try await server.post(path, body + "}").events()
            #expect(plain.allSatisfy { $0["prompt_progress"] == nil } && plain.count < told.count)
        }
    }

    @Test func `A completion is the same in one piece and in many`() async throws {
        let server = try await TestServer()
        let request =
            #""prompt":"ab","n_predict":25,"seed":3,"n_probs":3,"return_tokens":true,"timings_per_token":true"#
        for path in ["/completion", "/completions"] {
            let whole = try await server.post(path, "{\(request)}").json()
            let pieces = try events(
                try await server.post(path, "{\(request),\"stream\":true,\"return_progress\":true}"))
            let last = try #require(pieces.last)
            #expect(pieces.map { text($0["content"]) }.joined() == text(whole["content"]))
            #expect(pieces.flatMap { list($0["tokens"]) } == list(whole["tokens"]))
            #expect(pieces.flatMap { list($0["completion_probabilities"]) } == list(whole["completion_probabilities"]))
            #expect(list(whole["tokens"]).count == list(whole["completion_probabilities"]).count)
            #expect(list(whole["completion_probabilities"]).allSatisfy { list($0["top_logprobs"]).count == 3 })
            #expect(pieces.dropLast().allSatisfy { $0["stop"] == false } && last["stop"] == true)
            let progress = pieces.compactMap { $0["prompt_progress"] }
            #expect(progress.last?["processed"] == 2 && progress.last?["total"] == 2)
            for end in [whole, last] {
                #expect(end["tokens_predicted"] == .int(list(whole["tokens"]).count))
                #expect(end["tokens_evaluated"] == 2 && end["prompt"] == "ab" && end["truncated"] == false)
                #expect(["eos", "limit"].contains(text(end["stop_type"])) && end["stopping_word"] == "")
                #expect(end["generation_settings"]?["seed"] == 3 && end["generation_settings"]?["n_predict"] == 25)
                #expect(end["timings"]?["predicted_n"] == end["tokens_predicted"])
            }
        }
    }

    @Test func `Prompts are texts, tokens, mixtures and objects, and each has its replies`() async throws {
        let server = try await TestServer()
        func contents(_ prompt: String, _ more: String = "") async throws -> [String] {
            let reply = try await server.post(
                "/completion", "{\"prompt\":\(prompt),\"n_predict\":8,\"temperature\":0\(more)}")
            let json = try reply.json()
            if case .array(let replies) = json {
                #expect(replies.map { $0["index"] } == replies.indices.map { .int($0) })
                return replies.map { text($0["content"]) }
            }
            return [text(json["content"])]
        }
        let (ab, cd) = (try await contents("\"ab\"")[0], try await contents("\"cd\"")[0])
        #expect(try await contents("[97,98]") == [ab])
        #expect(try await contents("[97,\"b\"]") == [ab])
        #expect(try await contents("[\"ab\"]") == [ab])
        #expect(try await contents("[\"ab\",[99,100],{\"prompt_string\":\"ab\"}]") == [ab, cd, ab])
        #expect(try await contents("[\"ab\",\"cd\"]", ",\"n_cmpl\":2") == [ab, ab, cd, cd])
        let picked = try await server.post(
            "/completion",
            #"{"prompt":"ab","n_predict":1,"response_fields":["content","generation_settings/n_predict","nothing"]}"#)
        guard case .object(let members) = try picked.json() else { return }
        #expect(members.map(\.name) == ["content", "n_predict"])
    }

    @Test func `Stop strings, limits of time and the end of the context are told apart`() async throws {
        let server = try await TestServer()
        let free = text(
            try await server.post("/completion", #"{"prompt":"ab","n_predict":40,"temperature":0,"ignore_eos":true}"#)
                .json()["content"])
        let scalars = Array(free.unicodeScalars)
        if let word = (2..<scalars.count).lazy.map({ String(scalars[$0]) }).first(where: { $0 != "\u{FFFD}" }) {
            let stopped = try await server.post(
                "/completion",
                "{\"prompt\":\"ab\",\"n_predict\":40,\"temperature\":0,\"ignore_eos\":true,\"stop\":\(JSONValue.string(word).text)}"
            ).json()
            #expect(stopped["stop_type"] == "word" && text(stopped["stopping_word"]) == word)
            #expect(free.hasPrefix(text(stopped["content"])))
        }
        let timed = try await server.post(
            "/completion", #"{"prompt":"ab","ignore_eos":true,"t_max_predict_ms":30}"#
        ).json()
        #expect(timed["stop_type"] == "limit" && timed["truncated"] == false)
        let full = try await server.post("/completion", #"{"prompt":"ab","ignore_eos":true,"n_predict":-1}"#).json()
        #expect(full["stop_type"] == "limit" && full["truncated"] == true)
    }

    @Test(arguments: [
        ("{}", "prompt"), (#"{"prompt":null}"#, "prompt"), (#"{"prompt":[]}"#, "prompt"),
        (#"{"prompt":[[]]}"#, "prompt"),
        (#"{"prompt":5}"#, "prompt"), (#"{"prompt":[1,2.5]}"#, "prompt[1]"), (#"{"prompt":[258]}"#, "prompt[0]"),
        (#"{"prompt":["a",7,[1]]}"#, "prompt[2]"), (#"{"prompt":{"a":1}}"#, "prompt.prompt_string"),
        (#"{"prompt":{"prompt_string":"a","multimodal_data":["x"]}}"#, "multimodal_data"),
        (#"{"prompt":"a","n_discard":-1}"#, "n_discard"), (#"{"prompt":"a","n_keep":-2}"#, "n_keep"),
        (#"{"prompt":"a","n_predict":-2}"#, "n_predict"), (#"{"prompt":"a","n_probs":259}"#, "n_probs"),
        (#"{"prompt":"a","id_slot":-2}"#, "id_slot"), (#"{"prompt":"a","id_slot":99999999999}"#, "id_slot"),
        (#"{"prompt":"a","n_cmpl":0}"#, "n_cmpl"), (#"{"prompt":"a","grammar":"root"}"#, "grammar"),
        (#"{"prompt":"a","json_schema":{"type":"object"}}"#, "json_schema"), (#"{"prompt":"a","lora":[1]}"#, "lora"),
        (#"{"prompt":"a","post_sampling_probs":true}"#, "post_sampling_probs"),
        (#"{"prompt":"a","response_fields":[1]}"#, "response_fields[0]"), (#"{"prompt":"a","stream":1}"#, "stream"),
        (#"{"prompt":"a","logit_bias":[[1]]}"#, "logit_bias[0]"),
        (#"{"prompt":"a","t_max_predict_ms":"x"}"#, "t_max_predict_ms"),
    ])
    func `What is wrong is named`(body: String, name: String) async throws {
        let reply = try await Self.server().post("/completion", body)
        let error = try reply.json()["error"]
        #expect(reply.status == 400 && error?["code"] == 400, "\(reply.text)")
        let message = text(error?["message"])
        #expect(message.contains(name), "\(reply.text)")
    }

    @Test func `Texts become tokens and tokens texts, in the words of llama-server and of vLLM`() async throws {
        let server = try await Self.server()
        func json(_ path: String, _ body: String) async throws -> JSONValue { try await server.post(path, body).json() }
        #expect(try await json("/tokenize", #"{"content":"ab"}"#)["tokens"] == [97, 98])
        #expect(try await json("/tokenize", #"{"content":["a",98]}"#)["tokens"] == [97, 98])
        #expect(try await json("/tokenize", #"{"content":""}"#)["tokens"] == [])
        #expect(try await json("/tokenize", #"{"content":"<|im_end|>"}"#)["tokens"] == [257])
        #expect(try await json("/tokenize", #"{"content":"<|im_end|>","parse_special":false}"#)["count"] == 10)
        // Parts of a character are told by their bytes.
        #expect(
            try await json("/tokenize", #"{"content":"aé","with_pieces":true}"#)["tokens"] == [
                ["id": 97, "piece": "a"], ["id": 195, "piece": [195]], ["id": 169, "piece": [169]],
            ])
        let vllm = try await json("/tokenize", #"{"prompt":"ab","add_special_tokens":true,"return_token_strs":true}"#)
        #expect(vllm == ["tokens": [97, 98], "count": 2, "max_model_len": 2048, "token_strs": ["a", "b"]])
        let chat = try await json("/tokenize", #"{"messages":[{"role":"user","content":"a"}]}"#)
        let prompt = try await json("/apply-template", #"{"messages":[{"role":"user","content":"a"}]}"#)["prompt"]
        #expect(prompt == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n")
        let ids = try #require(chat["tokens"])
        let back = try await json("/detokenize", "{\"tokens\":\(ids.text)}")
        #expect(back == ["content": prompt ?? .null, "prompt": prompt ?? .null])
        #expect(try await json("/detokenize", #"{"tokens":[]}"#)["prompt"] == "")
        let open = #"{"messages":[{"role":"assistant","content":"Yes, "}],"continue_final_message":true}"#
        #expect(try await json("/apply-template", open)["prompt"] == "<|im_start|>assistant\nYes, ")
        let bare = #"{"messages":[{"role":"user","content":"a"}],"add_generation_prompt":false}"#
        #expect(try await json("/apply-template", bare)["prompt"] == "<|im_start|>user\na<|im_end|>\n")
        let info = try await server.get("/tokenizer_info").json()
        #expect(info["eos_token"] == "<|im_end|>" && info["bos_token"] == .null && info["vocab_size"] == 258)
        for (path, body, word) in [
            ("/tokenize", "{}", "content"), ("/tokenize", #"{"content":1.5}"#, "content"),
            ("/detokenize", "{}", "tokens"),
            ("/detokenize", #"{"tokens":[258]}"#, "tokens[0]"), ("/detokenize", #"{"tokens":"a"}"#, "tokens"),
            ("/apply-template", "{}", "messages"),
            (
                "/apply-template", #"{"messages":[{"role":"assistant"}],"continue_final_message":3}"#,
                "continue_final_message"
            ),
        ] {
            let reply = try await server.post(path, body)
            #expect(reply.status == 400 && reply.text.contains(word), "\(path) \(body): \(reply.text)")
        }
    }

    @Test func `Slots and metrics tell what runs and what was done`() async throws {
        let server = try await TestServer { $0.library.engine.maxRunning = 1 }
        func slots() async throws -> [JSONValue] { list(try await server.get("/slots").json()) }
        func metrics() async throws -> [Substring: Double] {
            let reply = try await server.get("/metrics")
            #expect(reply.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            var values: [Substring: Double] = [:]
            for line in reply.text.split(separator: "\n") where !line.hasPrefix("#") {
                let words = line.split(separator: " ")
                let value = try #require(Double(words[1]))
                values[words[0]] = value
            }
            return values
        }
        #expect(try await slots().map { $0["is_processing"] } == [false])
        #expect(try await server.get("/slots?fail_on_no_slot=1").status == 200)
        let endless = Task {
            try await server.post("/completion", #"{"prompt":"ab","n_predict":1500,"ignore_eos":true}"#)
        }
        #expect(await TestServer.eventually { (try? await slots())?.first?["is_processing"] == true })
        let slot = try #require(try await slots().first)
        if slot["is_processing"] == true {
            #expect(slot["n_prompt_tokens"] == 2)
            let busy = try await server.get("/slots?fail_on_no_slot=1")
            #expect(busy.status == 503 && busy.headers["retry-after"] != nil)
        }
        #expect(try await endless.value.status == 200)
        let after = try await metrics()
        #expect(after["llamacpp:tokens_predicted_total"] == 1500 && after["llamacpp:prompt_tokens_total"] == 2)
        #expect(after["llamacpp:requests_processing"] == 0 && after["llamacpp:n_tokens_max"] == 1502)
        // What was done is not forgotten with the model.
        _ = try await server.post("/api/generate", #"{"model":"tiny","keep_alive":0}"#)
        #expect(try await metrics()["llamacpp:tokens_predicted_total"] == 1500)
        let hidden = try await TestServer { ($0.exposesSlots, $0.exposesMetrics) = (false, false) }
        for path in ["/slots", "/metrics"] { #expect(try await hidden.get(path).status == 404) }
    }

    @Test func `Properties are told of a model, loaded or not, and of none`() async throws {
        let server = try await TestServer()
        let properties = try await server.get("/props").json()
        #expect(properties["default_generation_settings"]?["n_ctx"] == 2048 && properties["model_alias"] == "tiny")
        #expect(text(properties["model_path"]).hasSuffix("tiny.gguf") && properties["eos_token"] == "<|im_end|>")
        _ = try await server.post("/api/generate", #"{"model":"tiny","keep_alive":0}"#)
        let unloaded = try await server.get("/props?model=tiny").json()
        #expect(unloaded["default_generation_settings"] == properties["default_generation_settings"])
        #expect(list(try await server.get("/api/ps").json()["models"]).isEmpty)
        #expect(try await server.get("/props?model=nope").status == 404)
    }

    @Test func `The description of the routes is whole`() async throws {
        let server = try await Self.server()
        let document = try await server.get("/openapi.json").json()
        guard case .object(let paths)? = document["paths"],
            case .object(let schemas)? = document["components"]?["schemas"]
        else {
            Issue.record("no paths")
            return
        }
        let names = Set(schemas.map(\.name))
        // Every reference leads somewhere, and every schema is led to.
        var used: Set<String> = []
        func look(_ value: JSONValue) {
            switch value {
            case .array(let elements): elements.forEach(look)
            case .object(let members):
                for member in members {
                    if member.name == "$ref", case .string(let path) = member.value {
                        used.insert(String(path.split(separator: "/").last ?? ""))
                    }
                    look(member.value)
                }
            default: break
            }
        }
        look(document)
        #expect(used == names)
        // What is described is served, and what is served is described.
        var described: Set<String> = []
        for path in paths {
            guard case .object(let methods) = path.value else { continue }
            for method in methods {
                described.insert("\(method.name.uppercased()) \(path.name)")
                let target = path.name.replacing("{id}", with: "tiny").replacing("{digest}", with: "sha256:0")
                let reply = try await server.send(
                    server.head(method.name.uppercased(), target, ["Content-Length: 2"]) + Array("\r\n{}".utf8))
                #expect(
                    method.value["responses"]?["\(reply.status)"] != nil, "\(method.name) \(path.name): \(reply.status)"
                )
            }
        }
        #expect(described == Set(server.server.routes.map { $0.replacing("**", with: "{id}") }))
    }

    private static func server() async throws -> TestServer { try await shared.value }

    private static let shared = Task { try await TestServer() }
}
