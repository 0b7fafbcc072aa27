// Running a server: who may use it, how much, and how it ends.

import Apus
import ApusGGUF
import ApusJSON
import ApusModel
import ApusServer
import Testing

@Suite struct OperationTests {
    private let endless =
        #"{"prompt":"a","max_tokens":-1,"ignore_eos":true,"logit_bias":{"65":100000},"temperature":0,"stream":true}"#

    @Test func `Only who has a key gets in, but health is for everybody`() async throws {
        let server = try await TestServer { $0.apiKeys = ["first-key", "second"] }
        #expect(try await server.get("/health").status == 200)
        for headers in [
            [], ["Authorization: Bearer"], ["Authorization: Bearer first"], ["Authorization: Bearer first-key2"],
            ["Authorization: first-key"], ["X-API-Key: nope"], ["API-Key: "], ["Authorization: Basic first-key"],
        ] {
            let reply = try await server.get("/v1/models", headers)
            #expect(reply.status == 401, "\(headers)")
            #expect(try reply.json()["error"]?["type"] == "authentication_error")
        }
        for headers in [
            ["Authorization: Bearer first-key"], ["authorization: bearer second"], ["X-API-Key: second"],
            // As clients of Azure's have it, and such as send a placeholder in the one place and the key in the other.
            ["api-key: second"], ["Authorization: Bearer  first-key"],
            ["Authorization: Bearer x", "X-API-Key: second"],
        ] {
            #expect(try await server.get("/v1/models", headers).status == 200, "\(headers)")
        }
        #expect(try await server.get("/v1/nothing").status == 401)
    }

    @Test func `Without keys any authorization passes`() async throws {
        let server = try await TestServer()
        #expect(try await server.get("/v1/models", ["Authorization: Bearer "]).status == 200)
    }

    @Test func `Pages of allowed origins may use the server, others may not`() async throws {
        let server = try await TestServer { $0.allowedOrigins = ["https://chat.example"] }
        let preflight = try await server.send(
            server.head(
                "OPTIONS", "/v1/completions",
                [
                    "Origin: https://chat.example", "Access-Control-Request-Method: POST",
                    "Access-Control-Request-Headers: authorization",
                ]) + Array("\r\n".utf8))
        #expect(preflight.status == 204)
        #expect(preflight.headers["access-control-allow-origin"] == "https://chat.example")
        #expect(preflight.headers["access-control-allow-headers"] == "authorization")
        let body = #"{"prompt":"a","max_tokens":1}"#
        let allowed = try await server.post("/v1/completions", body, ["Origin: https://chat.example"])
        #expect(allowed.status == 200 && allowed.headers["access-control-allow-origin"] == "https://chat.example")
        let refused = try await server.post("/v1/completions", body, ["Origin: https://evil.example"])
        #expect(refused.status == 403 && refused.headers["access-control-allow-origin"] == nil)
        let own = try await server.post("/v1/completions", body, ["Origin: http://127.0.0.1:\(server.port)"])
        #expect(own.status == 200)
    }

    @Test func `A body is read as JSON whatever it says it is, also in chunks`() async throws {
        let server = try await TestServer()
        let body = #"{"prompt":"a","max_tokens":1}"#
        for type in ["text/plain", "application/x-www-form-urlencoded"] {
            #expect(try await server.post("/v1/completions", body, ["Content-Type: \(type)"]).status == 200)
        }
        let chunks = body.map { "1\r\n\($0)\r\n" }.joined() + "0\r\n\r\n"
        let head = server.head("POST", "/v1/completions", ["Transfer-Encoding: chunked", "Expect: 100-continue"])
        let bytes = try await server.exchange(head + Array("\r\n".utf8) + Array(chunks.utf8))
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 100") && text.contains("HTTP/1.1 200"))
    }

    @Test func `When the client hangs up its request ends, streamed or not`() async throws {
        let server = try await TestServer { $0.library.engine.maxRunning = 1 }
        let engine = try await server.engine()
        // The first one is decoded; the other two wait for its place, and go first.
        let first = server.head("POST", "/v1/completions", ["Content-Length: \(endless.utf8.count)"])
        _ = try await server.exchange(first + Array("\r\n".utf8) + Array(endless.utf8)) { bytes in
            String(decoding: bytes, as: UTF8.self).contains("\"text\":\"A\"")
        }
        #expect(await TestServer.eventually { engine.metrics.running + engine.metrics.waiting == 0 })
        let whole = endless.replacing("true}", with: "false}")
        let second = server.head("POST", "/v1/completions", ["Content-Length: \(whole.utf8.count)"])
        async let hangsUp: [UInt8] = server.exchange(second + Array("\r\n".utf8) + Array(whole.utf8)) { _ in true }
        _ = try await hangsUp
        #expect(await TestServer.eventually { engine.metrics.running + engine.metrics.waiting == 0 })
        #expect(await TestServer.eventually { await server.server.library.loaded.first?.users == 0 })
    }

    @Test func `More requests than may be are refused for now, and who waits sees that the server lives`() async throws
    {
        let server = try await TestServer {
            ($0.library.engine.maxRunning, $0.maxQueue) = (1, 1)
        }
        let engine = try await server.engine()
        func start(
            _ body: String, _ isEnough: @escaping @Sendable (String) -> Bool
        ) -> Task<[UInt8], any Error> {
            let head = server.head("POST", "/v1/completions", ["Content-Length: \(body.utf8.count)"])
            let bytes = head + Array("\r\n\(body)".utf8)
            return Task {
                try await server.exchange(bytes) { isEnough(String(decoding: $0, as: UTF8.self)) }
            }
        }
        // One after another, which takes seconds.
        let held = start(endless.replacing("\"stream\":true", with: "\"n\":100")) { _ in false }
        #expect(await TestServer.eventually { engine.metrics.running == 1 })
        let (isThere, wasRefused) = (Locked(false), Locked(false))
        let waiting = start(endless) {
            if $0.contains("text/event-stream") { isThere.withLock { $0 = true } }
            return ($0.contains("\r\n:\n\n") || $0.contains("\n:\n\n")) && wasRefused.withLock { $0 }
        }
        #expect(await TestServer.eventually { isThere.withLock { $0 } })
        let refused = try await server.post("/v1/completions", #"{"prompt":"a"}"#)
        #expect(refused.status == 503 && refused.headers["retry-after"] == "1")
        wasRefused.withLock { $0 = true }
        #expect(try await server.get("/v1/models").status == 200)
        // A second of silence has passed.
        #expect(String(decoding: try await waiting.value, as: UTF8.self).contains("text/event-stream"))
        held.cancel()
        try await server.stop()
    }

    @Test func `Clients may come while it ends`() async throws {
        for _ in 0..<8 {
            let server = try await TestServer()
            let hello = server.head("GET", "/health") + Array("\r\n".utf8)
            let crowd = (0..<8).map { _ in
                Task {
                    while !Task.isCancelled { _ = try? await server.exchange(hello) }
                }
            }
            try await server.stop()
            for task in crowd { task.cancel() }
            for task in crowd { await task.value }
        }
    }

    @Test func `It ends when it is told to, with what runs cut at the limit`() async throws {
        // Long before the context is full.
        let server = try await TestServer { $0.drainTimeout = .milliseconds(20) }
        let engine = try await server.engine()
        let head = server.head("POST", "/v1/completions", ["Content-Length: \(endless.utf8.count)"])
        let bytes = head + Array("\r\n".utf8) + Array(endless.utf8)
        let running = Task { try await server.exchange(bytes) }
        let whole = endless.replacing("true}", with: "false}")
        let unstreamed = Task { try await server.post("/v1/completions", whole) }
        #expect(await TestServer.eventually { engine.metrics.running == 2 })
        try await server.stop()
        let cut = try await unstreamed.value
        #expect(cut.status == 503 && cut.headers["retry-after"] == "1")
        let text = String(decoding: try await running.value, as: UTF8.self)
        #expect(text.contains("\"finish_reason\":\"length\"") && text.contains("data: [DONE]"))
        await #expect(throws: (any Error).self) { try await server.get("/health") }
    }

    @Test func `Two servers on one port, and a model that is none, are errors that say so`() async throws {
        let first = try await TestServer()
        await #expect(throws: ApusError.self) {
            _ = try await TestServer { $0.listeners = [.init(port: first.port)] }
        }
        await #expect(throws: (any Error).self) {
            _ = try await TestServer {
                $0.tls = .init(certificateFile: "no-such-file.pem", keyFile: "no-such-file.pem")
            }
        }
    }

    @Test func `Times are read as Ollama writes them`() {
        for (text, seconds) in [("300", 300.0), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("0", 0), ("1.5s", 1.5)]
        {
            #expect(KeepAlive(text: text) == .duration(.seconds(seconds)), "\(text)")
        }
        for text in ["-1", "-5m", "9999999h"] { #expect(KeepAlive(text: text) == .forever, "\(text)") }
        for text in ["", "m", "5x", "5 m", "-", "5m3"] where text != "5m3" {
            #expect(KeepAlive(text: text) == nil, "\(text)")
        }
    }
}
