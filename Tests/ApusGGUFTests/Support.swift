// What the GGUF tests share: folders that vanish, errors to look at, and the Python package as the other side.

import ApusGGUF
import Foundation
import Testing

/// A folder that is removed with the last reference to it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("apus-gguf-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in the folder.
    func callAsFunction(_ name: String) -> String { path + "/" + name }

    /// Writes a file and gives its path.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: self(name)))
        return self(name)
    }

    var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }
}

func contents(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// The error of a call that must fail, held to what every message has to be: one line, no control characters.
@discardableResult
func failure<T>(
    mentioning parts: String..., code: ApusError.Code? = nil, location: SourceLocation = #_sourceLocation,
    of body: () throws(ApusError) -> T
) -> ApusError? {
    do throws(ApusError) {
        _ = try body()
        Issue.record("no error; wanted one that mentions \(parts)", sourceLocation: location)
        return nil
    } catch {
        let message = error.message
        #expect(!message.isEmpty && message.utf8.count < 6000, sourceLocation: location)
        #expect(!message.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }, sourceLocation: location)
        for part in parts {
            #expect(message.contains(part), "message: \(message)", sourceLocation: location)
        }
        if let code { #expect(error.code == code, "message: \(message)", sourceLocation: location) }
        return error
    }
}

/// Whether a call returns or throws, since the point is that it does not trap.
func survives<T>(_ body: () throws(ApusError) -> T) -> Bool {
    do throws(ApusError) {
        _ = try body()
        return true
    } catch {
        return !error.message.isEmpty
    }
}

/// The Python package `gguf`, through gguf_oracle.py.
enum Oracle {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    private static var python: String {
        if let path = ProcessInfo.processInfo.environment["APUS_PYTHON"] { return path }
        let root = folder.deletingLastPathComponent().deletingLastPathComponent()
        return root.appendingPathComponent(".venv/bin/python").path
    }

    /// Runs the script and gives what it printed, by lines.
    static func run(_ arguments: String...) throws -> [String] {
        guard FileManager.default.isExecutableFile(atPath: python) else {
            throw Failure(
                description: "no Python with the package gguf at \(python): run `make test`, or set APUS_PYTHON")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [folder.appendingPathComponent("gguf_oracle.py").path] + arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "gguf_oracle.py \(arguments) failed: \(message)")
        }
        return text.split(separator: "\n").map(String.init)
    }
}

/// What a file holds, in the lines that gguf_oracle.py describes.
func lines(of file: GGUFFile) throws -> [String] {
    var result = file.metadata.entries.filter { !$0.key.hasPrefix("split.") }.map { key, value in
        "kv \(key) " + (value.elementType.map { "array:\($0)" } ?? value.type.description) + " " + shown(value)
    }
    for tensor in file.tensors {
        let shape = tensor.shape.map(String.init).joined(separator: "x")
        result.append("tensor \(tensor.name) \(tensor.type) \(shape) \(fnv(try file.bytes(of: tensor)))")
    }
    return result
}

private func shown(_ value: Metadata.Value) -> String {
    func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
    return switch value {
    case .uint8(let value): String(value)
    case .int8(let value): String(value)
    case .uint16(let value): String(value)
    case .int16(let value): String(value)
    case .uint32(let value): String(value)
    case .int32(let value): String(value)
    case .uint64(let value): String(value)
    case .int64(let value): String(value)
    case .float32(let value): String(value.bitPattern)
    case .float64(let value): String(value.bitPattern)
    case .bool(let value): value ? "1" : "0"
    case .string(let value): hex(Array(value.utf8))
    case .numbers(let array): (0..<array.count).map { shown(array.value(at: $0)) }.joined(separator: ",")
    case .strings(let array): array.indices.map { hex(array.bytes(at: $0)) }.joined(separator: ",")
    case .nested(let array): array.map(shown).joined(separator: ";")
    }
}

/// The FNV-1a hash.
func fnv(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}

/// Bytes that look random and are the same every time.
func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state >> 32)
    }
}
