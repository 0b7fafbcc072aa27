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
    static var smolLM2: String {
        let folder = ProcessInfo.processInfo.environment["APUS_MODELS"].flatMap { $0.isEmpty ? nil : $0 }
        return URL(fileURLWithPath: folder ?? "models", relativeTo: repository)
            .appendingPathComponent("smollm2-135m-instruct-q4_1.gguf").path
    }

    static func smolLM2Metadata() throws -> Metadata {
        guard FileManager.default.fileExists(atPath: smolLM2) else {
            throw Missing(description: "no model at \(smolLM2): `make models` fetches it")
        }
        return try GGUFFile(path: smolLM2).metadata
    }

    struct Missing: Error, CustomStringConvertible {
        let description: String
    }
}

/// One run of the oracle: texts with their ids.
struct OracleRun: Decodable {
    struct Case: Decodable {
        let text: String
        let plain: [Int32]
        let special: [Int32]
    }
    struct ChangedType: Decodable {
        let id: Int
        let type: Int32
    }
    let pre: String
    let types: [ChangedType]
    let cases: [Case]
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
