// Sets of split files: opened from the first part, and everything that can be wrong with the others.

import ApusGGUF
import Foundation
import Testing

@Suite struct SplitTests {
    private let folder: TemporaryFolder
    private let parts: [String]

    init() throws {
        folder = try TemporaryFolder()
        parts = try sampleWriter(alignment: 64).writeSplit(toPrefix: folder("m"), tensorsPerFile: 1)
    }

    private func refuse(
        _ mentioned: String, code: ApusError.Code = .format, path: String? = nil,
        location: SourceLocation = #_sourceLocation
    ) {
        let path = path ?? parts[0]
        failure(mentioning: mentioned, code: code, location: location) { () throws(ApusError) in
            try GGUFFile(path: path)
        }
    }

    /// Writes a part anew.
    private func rewrite(
        _ part: Int, no: Metadata.Value? = nil, count: Metadata.Value? = nil, total: Metadata.Value = .int32(3),
        tensor: String = "x"
    ) throws {
        var writer = try GGUFWriter(alignment: 64)
        writer.set("split.no", no ?? .uint16(UInt16(part)))
        writer.set("split.count", count ?? .uint16(3))
        writer.set("split.tensors.count", total)
        try writer.addTensor(tensor, shape: [4], type: .f32, data: noise(16, seed: 9))
        try writer.write(to: parts[part])
    }

    @Test func theFirstPartOpensTheSet() throws {
        #expect(
            parts.map { ($0 as NSString).lastPathComponent }
                == ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"])
        let file = try GGUFFile(path: parts[0])
        #expect(file.paths == parts)
        #expect(file.tensors.map(\.fileIndex) == [0, 1, 2])
        #expect(file.tensors.map(\.name) == ["a.weight", "b.bias", "c"])
        #expect(
            try file.tensors.map { try file.bytes(of: $0) } == [
                noise(108, seed: 1), noise(20, seed: 2), noise(48, seed: 3),
            ])
        #expect(try file.metadata.string("general.architecture") == "test")
        #expect(file.fileBytes == (try parts.map { try contents($0).count }.reduce(0, +)))
    }

    @Test func aLaterPartNamesTheFirst() {
        refuse("part 2 of 3; open the first part, \(parts[0])", code: .invalidArgument, path: parts[1])
        refuse("part 3 of 3; open the first part, \(parts[0])", code: .invalidArgument, path: parts[2])
    }

    @Test func aMissingPart() throws {
        try FileManager.default.removeItem(atPath: parts[1])
        refuse("part 2 of 3 is missing: \(parts[1]): no such file", code: .io)
    }

    @Test func aPartThatIsNoFile() throws {
        try FileManager.default.removeItem(atPath: parts[2])
        try FileManager.default.createDirectory(atPath: parts[2], withIntermediateDirectories: false)
        refuse("\(parts[2]): is a folder", code: .io)
    }

    @Test func aPartThatIsCutShort() throws {
        let bytes = try contents(parts[1])
        for length in stride(from: 0, to: bytes.count - 64, by: 7) {
            try Data(bytes[..<length]).write(to: URL(fileURLWithPath: parts[1]))
            refuse(parts[1])
        }
    }

    @Test func wrongNumbers() throws {
        try rewrite(1, no: .uint16(2))
        refuse("\(parts[1]): metadata key 'split.no' is uint16 2, wanted 1 in part 2")
        try rewrite(1, count: .uint16(4))
        refuse("\(parts[1]): metadata key 'split.count' is uint16 4, wanted 3 as in part 1")
        try rewrite(1, count: .uint16(1))
        refuse("\(parts[1]): metadata key 'split.no' is uint16 1")
        try rewrite(1, no: .uint16(0), count: .uint16(1))
        refuse("\(parts[1]): metadata key 'split.count' is uint16 1, wanted 3 as in part 1")
        try rewrite(1, no: .string("1"))
        refuse("'split.no' is string '1', wanted an integer")
        try rewrite(1, no: .int32(-1))
        refuse("'split.no' is int32 -1")
        try rewrite(1, no: .uint16(3))
        refuse("'split.no' is uint16 3, wanted 0 to 2")
    }

    @Test func wrongNumbersInTheFirstPart() throws {
        try rewrite(0, no: .uint16(1))
        refuse("its name must end in -00002-of-00003.gguf")
        try rewrite(0, count: .uint16(2))
        refuse("its name must end in -00001-of-00002.gguf")
        try rewrite(0, count: .uint16(.max))
        refuse("'split.count' is uint16 65535, wanted at most 512")
        try rewrite(0, count: .uint64(.max))
        refuse("'split.count' is uint64 18446744073709551615")
    }

    @Test func wrongTensorCount() throws {
        for total: Metadata.Value in [.int32(2), .int32(4), .int32(-1), .uint64(.max)] {
            try rewrite(0, total: total)
            refuse("\(parts[0]): metadata key 'split.tensors.count' is")
        }
        try rewrite(0, total: .uint64(3))
        #expect(try GGUFFile(path: parts[0]).tensors.count == 3)
    }

    @Test func aTensorInTwoParts() throws {
        try rewrite(2, tensor: "b.bias")
        refuse("\(parts[2]): tensor 'b.bias' is also in \(parts[1])")
    }

    @Test func aFirstPartOfAnotherName() throws {
        try FileManager.default.moveItem(atPath: parts[0], toPath: folder("renamed.gguf"))
        refuse("its name must end in -00001-of-00003.gguf", path: folder("renamed.gguf"))
    }

    @Test func aFileInOnePieceMayHaveAnyName() throws {
        let path = folder("n-00002-of-00009.gguf")
        try sampleWriter().write(to: path)
        #expect(try GGUFFile(path: path).tensors.count == 3)
    }

    @Test func memoryHasNoOtherParts() throws {
        let bytes = try contents(parts[0])
        failure(mentioning: "part 1 of 3", code: .unsupported) { () throws(ApusError) in try GGUFFile(bytes: bytes) }
    }

    @Test func aPartThatShrinks() throws {
        let file = try GGUFFile(path: parts[0])
        #expect(truncate(parts[1], 100) == 0)
        failure(mentioning: parts[1], "'b.bias'", "20 bytes", code: .io) { () throws(ApusError) in
            try file.bytes(of: file.tensors[1])
        }
        #expect(try file.bytes(of: file.tensors[2]) == noise(48, seed: 3))
    }
}
