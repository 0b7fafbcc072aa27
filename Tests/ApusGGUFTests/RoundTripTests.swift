// What the writer writes, the reader reads; both against each other and against the Python package `gguf`.

import ApusGGUF
import Foundation
import Testing

@Suite struct RoundTripTests {
    @Test(arguments: [(3, 32), (2, 32), (3, 8), (3, 64), (2, 4096)])
    func everyTypeComesBack(version: Int, alignment: Int) throws {
        let folder = try TemporaryFolder()
        try sampleWriter(version: version, alignment: alignment).write(to: folder("a.gguf"))
        let file = try GGUFFile(path: folder("a.gguf"))
        #expect(file.version == version)
        #expect(file.alignment == alignment)
        for (key, value) in sampleMetadata { #expect(file.metadata[key] == value, "\(key)") }
        #expect(file.metadata.count == sampleMetadata.count + (alignment == 32 ? 0 : 1))
        #expect(file.tensors.map(\.name) == ["a.weight", "b.bias", "c"])
        #expect(file.tensors.map(\.shape) == [[64, 3], [5], [2, 3, 2, 2]])
        #expect(file.tensors.map(\.byteCount) == [108, 20, 48])
        #expect(file.tensors.map(\.elementCount) == [192, 5, 24])
        #expect(file.tensors.map(\.rowBytes) == [36, 20, 4])
        #expect(file.tensors.map(\.rowCount) == [3, 1, 12])
        #expect(file.tensors.allSatisfy { $0.offset % alignment == 0 })
        #expect(try file.bytes(of: try #require(file.tensor(named: "a.weight"))) == noise(108, seed: 1))
        #expect(try file.bytes(of: try #require(file.tensor(named: "b.bias"))) == noise(20, seed: 2))
        #expect(try file.bytes(of: try #require(file.tensor(named: "c"))) == noise(48, seed: 3))
        #expect(file.tensor(named: "d") == nil)
        #expect(file.fileBytes == (try contents(folder("a.gguf"))).count)
        #expect(file.headerBytes == file.tensors[0].offset)
    }

    @Test func memoryAndFileReadTheSame() throws {
        let folder = try TemporaryFolder()
        try sampleWriter().write(to: folder("a.gguf"))
        let (disk, memory) = try (GGUFFile(path: folder("a.gguf")), GGUFFile(bytes: contents(folder("a.gguf"))))
        #expect(try lines(of: disk) == lines(of: memory))
    }

    @Test func piecesAreReadWhereTheyAre() throws {
        let file = try GGUFFile(bytes: sampleBytes())
        let tensor = try #require(file.tensor(named: "a.weight"))
        var piece = [UInt8](repeating: 0, count: 7)
        try piece.withUnsafeMutableBytes { try file.read(tensor, at: 101, into: $0) }
        #expect(piece == Array(noise(108, seed: 1)[101...]))
        for (offset, count) in [(102, 7), (-1, 7), (.max, 1), (0, 109)] {
            var buffer = [UInt8](repeating: 0, count: count)
            failure(mentioning: "a.weight", code: .invalidArgument) { () throws(ApusError) in
                var failed: ApusError?
                buffer.withUnsafeMutableBytes { buffer in
                    do throws(ApusError) { try file.read(tensor, at: offset, into: buffer) } catch { failed = error }
                }
                if let failed { throw failed }
            }
        }
    }

    @Test func aLargeTensorIsStreamed() throws {
        let folder = try TemporaryFolder()
        var writer = try GGUFWriter()
        let count = 3 << 20
        var calls: [(Int, Int)] = []
        try writer.addTensor("big", shape: [1024, count / 4096], type: .f32) { (offset, buffer) throws(ApusError) in
            calls.append((offset, buffer.count))
            for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: (offset + index) / 3) }
        }
        try writer.write(to: folder("big.gguf"))
        #expect(calls.map(\.1).max() ?? 0 <= 1 << 20)
        #expect(calls.map(\.1).reduce(0, +) == count)
        let file = try GGUFFile(path: folder("big.gguf"))
        let data = try file.bytes(of: file.tensors[0])
        #expect(data.count == count)
        #expect(data.indices.allSatisfy { data[$0] == UInt8(truncatingIfNeeded: $0 / 3) })
    }

    @Test func severalThreadsReadAtOnce() async throws {
        let folder = try TemporaryFolder()
        try sampleWriter().write(to: folder("a.gguf"))
        let file = try GGUFFile(path: folder("a.gguf"))
        let wanted = try file.tensors.map { try fnv(file.bytes(of: $0)) }
        try await withThrowingTaskGroup(of: [UInt64].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var sums: [UInt64] = []
                    for _ in 0..<50 { sums = try file.tensors.map { try fnv(file.bytes(of: $0)) } }
                    return sums
                }
            }
            for try await sums in group { #expect(sums == wanted) }
        }
    }

    @Test func aFailedWriteLeavesNothingAndKeepsTheOldFile() throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("a.gguf", [1, 2, 3])
        var writer = try GGUFWriter()
        try writer.addTensor("first", shape: [4], type: .f32, data: noise(16, seed: 1))
        try writer.addTensor("bad", shape: [1 << 20], type: .f32) { (offset, _) throws(ApusError) in
            if offset > 1 << 20 { throw ApusError(.io, "no more data") }
        }
        let path = folder("a.gguf")
        failure(mentioning: "no more data", code: .io) { () throws(ApusError) in try writer.write(to: path) }
        #expect(folder.names == ["a.gguf"])
        #expect(try contents(path) == [1, 2, 3])

        let prefix = folder("s")
        failure(mentioning: "no more data") { () throws(ApusError) in
            try writer.writeSplit(toPrefix: prefix, tensorsPerFile: 1)
        }
        #expect(folder.names == ["a.gguf"])
    }

    @Test func theWriterRefusesWhatNoFileCanHold() throws {
        failure(mentioning: "version 1", code: .invalidArgument) { () throws(ApusError) in try GGUFWriter(version: 1) }
        for alignment in [0, -32, 4, 24, 1 << 25] {
            failure(mentioning: "\(alignment)") { () throws(ApusError) in try GGUFWriter(alignment: alignment) }
        }
        var writer = try GGUFWriter()
        try writer.addTensor("a", shape: [32], type: .q8_0, data: noise(34, seed: 1))
        let wrong: [(name: String, shape: [Int], type: GGMLType, bytes: Int)] = [
            ("a", [32], .q8_0, 34), ("b", [31], .q8_0, 34), ("b", [32], .q8_0, 33), ("b", [], .f32, 4),
            ("b", [1, 1, 1, 1, 1], .f32, 4), ("b", [0], .f32, 0), ("b", [-1, -1], .f32, 4),
            ("b", [.max, 2], .f32, 0), ("b", [1], GGMLType(rawValue: 99), 0),
        ]
        for (name, shape, type, bytes) in wrong {
            var copy = writer
            failure(mentioning: "'\(name)'", code: .invalidArgument) { () throws(ApusError) in
                try copy.addTensor(name, shape: shape, type: type, data: [UInt8](repeating: 0, count: bytes))
            }
        }
        let folder = try TemporaryFolder()
        writer.set("bad", .nested([.uint8(1)]))
        let path = folder("a.gguf")
        failure(mentioning: "'bad'") { [writer] () throws(ApusError) in try writer.write(to: path) }
        failure(mentioning: "/dev/full", "regular") { () throws(ApusError) in try GGUFWriter().write(to: "/dev/full") }
        let missing = folder("none/a.gguf")
        failure(mentioning: missing, "no such file") { () throws(ApusError) in try GGUFWriter().write(to: missing) }
        #expect(folder.names == [])
    }

    @Test func metadataIsTakenOver() throws {
        let folder = try TemporaryFolder()
        try sampleWriter(alignment: 64).write(to: folder("a.gguf"))
        var copy = try GGUFWriter()
        try copy.set(all: GGUFFile(path: folder("a.gguf")).metadata)
        copy.set("u8", .uint8(7))
        try copy.write(to: folder("b.gguf"))
        let file = try GGUFFile(path: folder("b.gguf"))
        #expect(file.alignment == 32)
        #expect(file.metadata.entries.map(\.key) == sampleMetadata.map(\.key))
        #expect(try file.metadata.int("u8") == 7)
    }
}

/// Files that the Python package wrote.
@Suite struct PythonTests {
    private static let fixtures = Result<TemporaryFolder, any Error> {
        let folder = try TemporaryFolder()
        _ = try Oracle.run("make", folder.path)
        return folder
    }

    @Test(arguments: ["everything", "version2", "align8", "align64", "align4096", "split"])
    func readsWhatPythonWrote(name: String) throws {
        let folder = try Self.fixtures.get()
        let wanted = try String(contentsOfFile: folder("\(name).txt"), encoding: .utf8).split(separator: "\n")
        #expect(wanted.count >= 40)
        let first = folder.names.first { $0.hasPrefix(name + "-00001-of-") && $0.hasSuffix(".gguf") }
        let file = try GGUFFile(path: folder(first ?? "\(name).gguf"))
        #expect(try lines(of: file) == wanted.map(String.init))
        #expect(file.paths.count == (name == "split" ? 5 : 1))
    }

    @Test func pythonReadsWhatTheWriterWrote() throws {
        let folder = try TemporaryFolder()
        for alignment in [32, 128] {
            var writer = try sampleWriter(alignment: alignment)
            // The package's reader knows neither empty arrays nor nested ones of mixed types.
            writer.set("none", .bool(true))
            writer.set("nested", .bool(false))
            // It has no layout for the types that ggml removed.
            let removed = ["Q4_2", "Q4_3", "Q2_0", "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8"]
            for type in GGMLType.all where !removed.contains(type.name) && !type.name.hasPrefix("IQ4_NL_") {
                let bytes = noise(type.blockBytes * 6, seed: UInt64(type.rawValue))
                try writer.addTensor("t.\(type)", shape: [type.blockSize * 2, 3], type: type, data: bytes)
            }
            try writer.write(to: folder("ours.gguf"))
            let file = try GGUFFile(path: folder("ours.gguf"))
            #expect(try Oracle.run("dump", folder("ours.gguf")) == lines(of: file))
        }
    }

    @Test func refusesTheOtherVersionsByName() throws {
        let folder = try Self.fixtures.get()
        for (name, parts) in [
            ("version1", ["version 1", "2 or 3"]), ("version4", ["version 4", "2 or 3"]),
            ("bigendian", ["big-endian", "version 3"]),
        ] {
            let path = folder("\(name).gguf")
            let error = failure(mentioning: path, code: .unsupported) { () throws(ApusError) in try GGUFFile(path: path)
            }
            for part in parts { #expect(error?.message.contains(part) == true, "\(String(describing: error))") }
        }
    }

    @Test func nestedArraysComeBack() throws {
        let file = try GGUFFile(path: Self.fixtures.get()("nested.gguf"))
        guard case .nested(let rows) = file.metadata["test.nested"] else {
            Issue.record("no nested array")
            return
        }
        #expect(rows.map(\.description) == ["[1, 2]", "[3, 4]"])
        failure(mentioning: "test.nested", "array of 2 array", "integers") { () throws(ApusError) in
            try file.metadata.intArray("test.nested")
        }
    }
}
