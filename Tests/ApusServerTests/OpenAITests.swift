// OpenAI's API: what comes back, in one piece and in many.

import Apus
import ApusJSON
import ApusServer
import Foundation
import Testing

@Suite struct OpenAITests {
    /// The text that a stream's pieces make up, by choice.
    private func texts(_ events: [JSONValue], _ text: (JSONValue) -> JSONValue?) -> [Int: String] {
        var texts: [Int: String] = [:]
        for event in events {
            guard case .array(let choices)? = event["choices"] else { continue }
            for choice in choices {
                guard case .int(let index)? = choice["index"] else { continue }
                if case .string(let piece)? = text(choice) { texts[index, default: ""] += piece }
            }
        }
        return texts
    }

    private func choices(_ json: JSONValue) throws -> [JSONValue] {
        guard case .array(let choices)? = json["choices"] else {
            Issue.record("no choices: \(json.text)")
            return []
        }
        return choices
    }

    private let chat =
        #""messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hi"}]}]"#

    @Test func `A chat reply is the same in one piece and in many`() async throws {
        let server = try await TestServer()
        let request = "\(chat),\"max_tokens\":12,\"n\":3,\"seed\":-7,\"logprobs\":true,\"top_logprobs\":2"
        let whole = try await server.post("/v1/chat/completions", "{\(request)}")
        #expect(whole.status == 200)
        #expect(whole.headers["content-type"] == "application/json; charset=utf-8")
        let json = try whole.json()
        #expect(json["object"] == "chat.completion" && json["model"] == "tiny")
        let all = try choices(json)
        #expect(all.map { $0["index"] } == [0, 1, 2])
        let stream = try await server.post(
            "/v1/chat/completions", "{\(request),\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
        #expect(stream.headers["content-type"] == "text/event-stream; charset=utf-8")
        let events = try stream.events()
        #expect(Set(events.map { $0["id"] }).count == 1 && Set(events.map { $0["created"] }).count == 1)
        let streamed = texts(events) { $0["delta"]?["content"] }
        for (index, choice) in all.enumerated() {
            #expect(choice["message"]?["content"] == .string(streamed[index] ?? ""))
            #expect(choice["finish_reason"] == "length" || choice["finish_reason"] == "stop")
            guard case .array(let entries)? = choice["logprobs"]?["content"] else {
                Issue.record("no log probabilities")
                continue
            }
            guard case .array(let top)? = entries.first?["top_logprobs"] else { continue }
            #expect(top.count == 2)
        }
        // Usage comes once, in the last piece, and is that of the whole reply.
        #expect(events.count { $0["usage"] != nil } == 1 && events.last?["choices"] == [])
        let usage = try #require(events.last?["usage"])
        #expect(usage["completion_tokens"] == json["usage"]?["completion_tokens"])
        #expect(usage["prompt_tokens"] == json["usage"]?["prompt_tokens"])
    }

    @Test func `A prompt is text, ids, or a list of either`() async throws {
        let server = try await TestServer()
        func texts(_ prompt: String) async throws -> [JSONValue?] {
            let reply = try await server.post(
                "/v1/completions", "{\"prompt\":\(prompt),\"max_tokens\":8,\"temperature\":0}")
            return try choices(reply.json()).map { $0["text"] }
        }
        let (hi, ho) = (try await texts("\"hi\""), try await texts("\"ho\""))
        #expect(hi.count == 1 && hi != ho)
        #expect(try await texts("[104,105]") == hi)
        #expect(try await texts("[\"hi\"]") == hi)
        #expect(try await texts("[\"hi\",\"ho\"]") == hi + ho)
        #expect(try await texts("[[104,105],[104,111],\"hi\"]") == hi + ho + hi)
        let many = (0..<20).map { $0 % 3 == 0 ? "\"ho\"" : "\"hi\"" }.joined(separator: ",")
        #expect(try await texts("[\(many)]") == (0..<20).map { ($0 % 3 == 0 ? ho : hi)[0] })
    }

    @Test func `Echo scores a prompt as evaluation harnesses read it`() async throws {
        let server = try await TestServer()
        let ids = Array("The moon".utf8)
        let body =
            "\"prompt\":[\(ids)],\"temperature\":0,\"max_tokens\":1,\"logprobs\":1,\"seed\":1234,\"echo\":true"
        let choice = try choices(try await server.post("/v1/completions", "{\(body)}").json())[0]
        let scores = try #require(choice["logprobs"])
        guard case .array(let values)? = scores["token_logprobs"], case .array(let tops)? = scores["top_logprobs"],
            case .array(let tokens)? = scores["tokens"], case .array(let offsets)? = scores["text_offset"]
        else {
            Issue.record("no scores")
            return
        }
        // A value for each token of the prompt, the first one null, and one more.
        #expect(values.count == ids.count + 1 && values[0] == .null && tops[0] == .null)
        #expect(tokens.count == values.count && tops.count == values.count)
        #expect(Array(offsets.prefix(ids.count)) == ids.indices.map { JSONValue.int($0) })
        for index in values.indices.dropFirst() {
            guard case .string(let token) = tokens[index] else { continue }
            #expect(tops[index][token] == values[index])
        }
        // The scores are the engine's own.
        let model = try Model.load(path: try TestServer.modelPath.get())
        var request = EngineRequest(.ids(ids.map(Int32.init)))
        request.generation.maxTokens = 0
        request.promptLogProbabilities = 1
        var wanted: [JSONValue] = []
        for try await event in try Engine(model: model).submit(request) {
            if case .promptLogProbabilities(let list) = event { wanted = list.map { .double($0.token.value) } }
        }
        #expect(Array(values[1..<ids.count]) == wanted)
        // In pieces it is the same.
        let events = try await server.post("/v1/completions", "{\(body),\"stream\":true}").events()
        var streamed: [JSONValue] = []
        for event in events {
            streamed += try choices(event).flatMap { $0["logprobs"]?["token_logprobs"]?.elements ?? [] }
        }
        #expect(streamed == values)
        #expect(texts(events) { $0["text"] }[0].map(JSONValue.string) == choice["text"])
    }

    @Test func `An embedding is the same as numbers and in base64`() async throws {
        let server = try await TestServer()
        func vectors(_ encoding: String) async throws -> [JSONValue] {
            let reply = try await server.post(
                "/v1/embeddings", "{\"input\":[\"one\",[116,119,111]],\"encoding_format\":\(encoding)}")
            #expect(reply.status == 200)
            let json = try reply.json()
            #expect(json["usage"] == ["prompt_tokens": 6, "total_tokens": 6])
            return json["data"]?.elements.compactMap { $0["embedding"] } ?? []
        }
        let numbers = try await vectors("null")
        let texts = try await vectors("\"base64\"")
        #expect(numbers.count == 2 && texts.count == 2)
        for (numbers, text) in zip(numbers, texts) {
            guard case .string(let text) = text, let data = Data(base64Encoded: text) else {
                Issue.record("no base64")
                continue
            }
            let values = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            #expect(numbers == .doubles(values.map(Double.init)))
            #expect(abs(values.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
    }

    @Test func `Stop strings, biases and limits are heeded, and what is null or empty asks for nothing`() async throws {
        let server = try await TestServer()
        func reply(_ options: String) async throws -> JSONValue {
            let reply = try await server.post("/v1/completions", "{\"prompt\":\"hi\",\"temperature\":0,\(options)}")
            #expect(reply.status == 200, "\(reply.text)")
            return try choices(reply.json())[0]
        }
        // Only one letter can come.
        let forced = try await reply("\"logit_bias\":{\"65\":100000},\"max_completion_tokens\":5,\"user\":\"me\"")
        #expect(forced["text"] == "AAAAA" && forced["finish_reason"] == "length")
        let banned = try await reply("\"logit_bias\":[[\"B\",100000],[66,false],[65,90000]],\"n_predict\":2")
        #expect(banned["text"] == "AA")
        let stopped = try await reply("\"logit_bias\":{\"65\":100000},\"stop\":[\"AAA\"],\"max_tokens\":9")
        #expect(stopped["text"] == "" && stopped["finish_reason"] == "stop")
        let ended = try await reply("\"logit_bias\":{\"257\":100000},\"max_tokens\":9")
        #expect(ended["text"] == "" && ended["finish_reason"] == "stop")
        let none = try await reply(
            "\"stop\":null,\"logit_bias\":{},\"tools\":[],\"tool_choice\":\"auto\",\"response_format\":{\"type\":\"text\"},"
                + "\"seed\":null,\"suffix\":null,\"logprobs\":null,\"max_tokens\":3,\"what\":[{}]")
        #expect(none["finish_reason"] == "length")
    }

    @Test func `Models are listed with their further names, and asked for by any`() async throws {
        let server = try await TestServer { $0.library.aliases = ["gpt-4": "tiny", "org/model": "tiny"] }
        let json = try await server.get("/v1/models").json()
        #expect(json["data"]?.elements.map { $0["id"] } == ["tiny", "gpt-4", "org/model"])
        #expect(try await server.get("/v1/models/gpt-4").json()["id"] == "gpt-4")
        #expect(try await server.get("/v1/models/org%2Fmodel").json()["id"] == "org/model")
        let unknown = try await server.get("/v1/models/..%2F..%2Fetc%2Fpasswd")
        #expect(unknown.status == 404)
        #expect(try unknown.json()["error"]?["code"] == "model_not_found")
        let named = try await server.post("/v1/completions", #"{"model":"GPT-4","prompt":"a","max_tokens":1}"#)
        #expect(try named.json()["model"] == "GPT-4")
    }
}

extension JSONValue {
    /// The elements of an array; none of anything else.
    var elements: [JSONValue] {
        if case .array(let elements) = self { return elements }
        return []
    }
}
