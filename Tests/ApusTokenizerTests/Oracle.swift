// Runs the Python side of these tests and reads what it wrote.

import ApusGGUF
import ApusTokenizer
import Foundation
import Testing

/// The folders and the Python that the tests use.
enum TestFiles {
    static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    static let repository = tests.deletingLastPathComponent().deletingLastPathComponent()

    /// The model that `make test` fetches.
    static var smolLM2: String { model("smollm2-135m-instruct-q4_1.gguf") }

    /// A model that `make models` fetches.
    static var gemma3: String { model("gemma3-270m-q4_k_m.gguf") }

    private static func model(_ name: String) -> String {
        let folder = ProcessInfo.processInfo.environment["APUS_MODELS"].flatMap { $0.isEmpty ? nil : $0 }
        return URL(fileURLWithPath: folder ?? "models", relativeTo: repository).appendingPathComponent(name).path
    }

    static func smolLM2Metadata() throws -> Metadata { try metadata(smolLM2) }

    static func metadata(_ path: String) throws -> Metadata {
        guard FileManager.default.fileExists(atPath: path) else {
            throw Missing(description: "no model at \(path): `make models` fetches it")
        }
        return try GGUFFile(path: path).metadata
    }

    struct Missing: Error, CustomStringConvertible {
        let description: String
    }
}

/// One run of the oracle: texts with their ids.
struct OracleRun {
    struct Case {
        let text: [UInt8]
        let plain: [Int32]
        let special: [Int32]
    }
    let name: String
    let changes: [String: Metadata.Value?]
    let cases: [Case]

    /// Reads what `write_runs` wrote.
    static func read(_ folder: URL, _ metadata: Metadata) throws -> [OracleRun] {
        struct Description: Decodable {
            struct ChangedType: Decodable {
                let id: Int
                let type: Int32
            }
            let pre: String?
            let prefix: Bool?
            let types: [ChangedType]
        }
        let data = try Data(contentsOf: folder.appendingPathComponent("runs.json"))
        let descriptions = try JSONDecoder().decode([Description].self, from: data)
        return try descriptions.enumerated().map { number, description in
            var types = try #require(try metadata.optionalInt32Array("tokenizer.ggml.token_type"))
            for change in description.types { types[change.id] = change.type }
            var changes: [String: Metadata.Value?] = [
                "tokenizer.ggml.token_type": .numbers(GGUFNumberArray(types))
            ]
            if let pre = description.pre { changes["tokenizer.ggml.pre"] = .string(pre) }
            if let prefix = description.prefix { changes["tokenizer.ggml.add_space_prefix"] = .bool(prefix) }
            let name = description.pre ?? "space prefix \(description.prefix ?? true)"
            let bytes = try [UInt8](Data(contentsOf: folder.appendingPathComponent("\(number).bin")))
            return OracleRun(
                name: "\(name), \(description.types.count) types changed", changes: changes, cases: cases(bytes))
        }
    }

    private static func cases(_ bytes: [UInt8]) -> [Case] {
        bytes.withUnsafeBytes { buffer in
            var cases: [Case] = []
            var offset = 0
            func count() -> Int {
                defer { offset += 4 }
                return Int(buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            }
            func ids() -> [Int32] {
                (0..<count()).map { _ in
                    defer { offset += 4 }
                    return buffer.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                }
            }
            while offset < buffer.count {
                let length = count()
                let text = Array(buffer[offset..<offset + length])
                offset += length
                let plain = ids()
                cases.append(Case(text: text, plain: plain, special: ids()))
            }
            return cases
        }
    }
}

/// The Python side: `tokenizer_oracle.py`.
enum Oracle {
    /// Runs the script in a folder of its own, which is removed when `body` is done.
    static func run<Result>(_ arguments: [String], _ body: (URL) throws -> Result) throws -> Result {
        let environment = ProcessInfo.processInfo.environment
        let standard = TestFiles.repository.appendingPathComponent(".venv/bin/python").path
        let python = environment["APUS_PYTHON"].flatMap { $0.isEmpty ? nil : $0 } ?? standard
        guard FileManager.default.isExecutableFile(atPath: python) else {
            throw TestFiles.Missing(
                description: "no Python at \(python): `make setup` makes it, APUS_PYTHON names another")
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        let script = TestFiles.tests.appendingPathComponent("tokenizer_oracle.py").path
        process.arguments = ["-B", script, arguments[0], folder.path] + arguments.dropFirst()
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let message = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw TestFiles.Missing(description: "\(python) \(script): \(String(decoding: message, as: UTF8.self))")
        }
        return try body(folder)
    }
}

extension Metadata {
    /// The same metadata with some values replaced or, for nil, removed.
    func replacing(_ changes: [String: Value?]) -> Metadata {
        var entries = entries.filter { changes[$0.key] == nil }
        for (key, value) in changes { if let value { entries.append((key, value)) } }
        return Metadata(entries, source: "test.gguf")
    }
}
