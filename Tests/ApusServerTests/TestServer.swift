// A server on a small model, and a client that says exactly what a test wants it to say.

import Apus
import ApusGGUF
import ApusJSON
import ApusModel
import ApusServer
import ApusTestSupport
import Foundation
import Logging
import ServiceLifecycle
import Testing

/// A server that runs as long as a test.
final class TestServer: Sendable {
    let port: Int
    let server: ApusServer
    private let group: ServiceGroup
    private let run: Task<Void, any Error>

    /// The model's file, made once for all tests.
    static let modelPath: Result<String, any Error> = Result {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-server-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let bytes = (0..<256).map { byte -> String in
            let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
            // As byte-level vocabularies have it: what cannot be seen stands at 256 and above, in order.
            let before = (0..<byte).count { !((33...126).contains($0) || (161...172).contains($0) || $0 >= 174) }
            return String(UnicodeScalar(UInt32(isPrintable ? byte : 256 + before)) ?? "?")
        }
        let tokens = bytes + ["<|im_start|>", "<|im_end|>"]
        let types = [Int32](repeating: 1, count: 256) + [3, 3]
        let model = SyntheticModel {
            $0.vocabulary = tokens.count
            $0.metadata = [
                ("tokenizer.ggml.tokens", .strings(GGUFStringArray(tokens))),
                ("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types))),
                ("tokenizer.ggml.eos_token_id", .uint32(257)),
            ]
        }
        try model.withFile { file throws(ApusError) in
            do { try FileManager.default.copyItem(atPath: file.paths[0], toPath: "\(path)/tiny.gguf") } catch {
                throw ApusError(.io, "\(error)")
            }
        }
        return "\(path)/tiny.gguf"
    }

    /// Starts a server and waits until it listens and its model is loaded.
    init(_ change: (inout ServerConfiguration) -> Void = { _ in }) async throws {
        var configuration = ServerConfiguration()
        configuration.listeners = [.init(port: 0)]
        configuration.library.paths = [try Self.modelPath.get()]
        configuration.library.load.threads = 2
        configuration.library.engine.poolPositions = 4096
        configuration.preloadedModels = ["tiny:latest"]
        configuration.drainTimeout = .milliseconds(200)
        change(&configuration)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let server = try ApusServer(configuration: configuration, logger: logger) { ports in
            continuation.yield(ports[0])
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: server, successTerminationBehavior: .gracefullyShutdownGroup)],
                logger: logger))
        (self.server, self.group) = (server, group)
        run = Task {
            defer { continuation.finish() }
            try await group.run()
        }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else {
            try await run.value
            throw CancellationError()
        }
        self.port = port
        for _ in 0..<1000 {
            if try await get("/health").status == 200 { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the model was not loaded")
    }

    /// The engine of the model.
    func engine() async throws -> Engine { try #require(await server.library.loaded.first).engine }

    /// Has the server end in good order, and waits for it.
    func stop() async throws {
        await group.triggerGracefulShutdown()
        try await run.value
    }

    deinit { run.cancel() }

    /// Waits for something that comes by itself.
    static func eventually(_ isTrue: () async throws -> Bool) async rethrows -> Bool {
        for _ in 0..<500 {
            if try await isTrue() { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    // MARK: Requests

    func get(_ path: String, _ headers: [String] = []) async throws -> Reply {
        try await send(head("GET", path, headers) + Array("\r\n".utf8))
    }

    /// Posts JSON, or what is to be none.
    func post(_ path: String, _ body: String, _ headers: [String] = []) async throws -> Reply {
        try await post(path, Array(body.utf8), headers)
    }

    func post(_ path: String, _ body: [UInt8], _ headers: [String] = []) async throws -> Reply {
        try await send(head("POST", path, headers + ["Content-Length: \(body.count)"]) + Array("\r\n".utf8) + body)
    }

    /// A request's first lines, after which the connection is closed.
    func head(_ method: String, _ path: String, _ headers: [String] = []) -> [UInt8] {
        let lines = ["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Connection: close"] + headers
        return Array(lines.map { $0 + "\r\n" }.joined().utf8)
    }

    /// Sends bytes and reads the whole reply.
    func send(_ bytes: [UInt8]) async throws -> Reply { try Reply(try await exchange(bytes)) }

    /// Sends bytes and reads until the server closes, or something has come; then hangs up.
    func exchange(_ bytes: [UInt8], until isEnough: @escaping @Sendable ([UInt8]) -> Bool = { _ in false })
        async throws -> [UInt8]
    {
        let port = port
        return try await withCheckedThrowingContinuation { continuation in
            // Sockets that block need a thread of their own: Swift's and Dispatch's are few, and the server runs on these.
            Thread.detachNewThread {
                continuation.resume(with: Result { try Socket(port: port).exchange(bytes, until: isEnough) })
            }
        }
    }
}

/// A reply, taken apart.
struct Reply: Sendable {
    let status: Int
    let headers: [String: String]
    let body: [UInt8]

    init(_ bytes: [UInt8]) throws {
        let end = try #require(bytes.indices.first { bytes[$0...].starts(with: Array("\r\n\r\n".utf8)) })
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        status = try #require(Int(lines[0].split(separator: " ")[1]))
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        }
        self.headers = headers
        let rest = Array(bytes[(end + 4)...])
        body = headers["transfer-encoding"] == "chunked" ? Self.dechunked(rest) : rest
    }

    var text: String { String(decoding: body, as: UTF8.self) }

    func json() throws -> JSONValue { try JSONValue(parsing: body) }

    /// The objects of server-sent events, without `[DONE]`, which must be the last.
    func events() throws -> [JSONValue] {
        var datas = text.components(separatedBy: "\n\n").filter { $0.hasPrefix("data: ") }.map { $0.dropFirst(6) }
        #expect(datas.popLast() == "[DONE]")
        return try datas.map { try JSONValue(parsing: Array($0.utf8)) }
    }

    private static func dechunked(_ bytes: [UInt8]) -> [UInt8] {
        var (rest, body) = (bytes[...], [UInt8]())
        while let line = rest.firstIndex(of: 0x0A),
            let count = Int(
                String(decoding: rest[..<line], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines),
                radix: 16),
            count > 0, rest.count >= line + 1 - rest.startIndex + count
        {
            body += rest[(line + 1)..<(line + 1 + count)]
            rest = rest[(line + 1 + count)...].dropFirst(2)
        }
        return body
    }
}

/// A connection.
private final class Socket {
    private let descriptor: Int32

    init(port: Int) throws {
        #if canImport(Darwin)
            let kind = SOCK_STREAM
        #else
            let kind = Int32(SOCK_STREAM.rawValue)
        #endif
        descriptor = socket(AF_INET, kind, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // A guard against a server that hangs, at many times what any test takes.
        var timeout = timeval(tv_sec: 120, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        guard status == 0 else { throw POSIXError(.ECONNREFUSED) }
    }

    deinit { close(descriptor) }

    func exchange(_ bytes: [UInt8], until isEnough: ([UInt8]) -> Bool) throws -> [UInt8] {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            // The server may reply and close before it has read all.
            if count <= 0 { break }
            rest = rest.dropFirst(count)
        }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !isEnough(received) {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 || count < 0 && errno == ECONNRESET { break }
            if count < 0 { throw POSIXError(.ETIMEDOUT) }
            received += buffer[..<count]
        }
        return received
    }
}
