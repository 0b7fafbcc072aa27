// What a path can lead to besides a sound file, and files that change under the reader.

import ApusGGUF
import Foundation
import Glibc
import Testing

/// The user in whose name this thread (the thread alone) opens files, changed until `restore()`.
private struct FileSystemUser {
    private typealias Call = @convention(c) (uid_t) -> Int32

    private let call: Call
    private let old: Int32

    init(_ user: uid_t) throws {
        // Swift's Glibc module leaves this function out.
        let symbol = try #require(dlsym(nil, "setfsuid"))
        call = unsafeBitCast(symbol, to: Call.self)
        old = call(user)
    }

    func restore() { _ = call(uid_t(old)) }
}

@Suite struct PathTests {
    private func refuse(
        _ path: String, _ part: String, code: ApusError.Code = .io, location: SourceLocation = #_sourceLocation
    ) {
        failure(mentioning: part, code: code, location: location) { () throws(ApusError) in try GGUFFile(path: path) }
    }

    @Test func noSuchFile() throws {
        let folder = try TemporaryFolder()
        let file = try folder.file("a.gguf", sampleBytes())
        refuse(folder("none.gguf"), folder("none.gguf") + ": no such file")
        refuse(file + "/x", "no such file")
        refuse("", "'': no such file")
        refuse(file + "\0.txt", "zero byte")
        refuse(String(repeating: "x", count: 5000), "too long")
    }

    @Test func noFileAtAll() throws {
        let folder = try TemporaryFolder()
        refuse(folder.path, "is a folder, wanted a GGUF file")
        refuse("/dev/null", "is a device")
        refuse("/dev/zero", "is a device")
        refuse(try folder.file("empty.gguf", []), "is empty", code: .format)
        // Without O_NONBLOCK this would wait for a writer.
        #expect(mkfifo(folder("fifo"), 0o600) == 0)
        refuse(folder("fifo"), "is a FIFO")
        try FileManager.default.createSymbolicLink(atPath: folder("loop"), withDestinationPath: folder("loop"))
        refuse(folder("loop"), "loop: cannot open it")
    }

    @Test func noPermission() throws {
        let folder = try TemporaryFolder()
        let file = try folder.file("secret.gguf", sampleBytes())
        #expect(chmod(file, 0) == 0)
        // Root may read everything; this thread shall not for a moment, as nobody.
        let user = try FileSystemUser(65_534)
        defer { user.restore() }
        refuse(file, "secret.gguf: no permission to open it")
    }

    @Test func aSymbolicLinkIsFollowed() throws {
        let folder = try TemporaryFolder()
        let file = try folder.file("a.gguf", sampleBytes())
        try FileManager.default.createSymbolicLink(atPath: folder("link"), withDestinationPath: file)
        #expect(try GGUFFile(path: folder("link")).tensors.count == 3)
    }

    @Test func theNameOfAFileStaysOnOneLine() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("a\nb\u{1b}.gguf", [1, 2, 3, 4])
        refuse(path, "a\\u{a}b\\u{1b}.gguf: is no GGUF file", code: .format)
        refuse(path + "x", "a\\u{a}b\\u{1b}.ggufx: no such file")
    }

    @Test func aFileThatShrinks() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("a.gguf", sampleBytes())
        let file = try GGUFFile(path: path)
        let tensor = try #require(file.tensor(named: "c"))
        let wanted = try file.bytes(of: tensor)
        #expect(truncate(path, off_t(tensor.offset + 10)) == 0)
        failure(mentioning: path, "'c'", "48 bytes", "10 found", "shorter", code: .io) { () throws(ApusError) in
            try file.bytes(of: tensor)
        }
        #expect(truncate(path, 0) == 0)
        for tensor in file.tensors {
            failure(mentioning: path, "'\(tensor.name)'", " 0 found", code: .io) { () throws(ApusError) in
                try file.bytes(of: tensor)
            }
        }
        // A file that is removed or replaced stays readable: it is the open one that is read.
        let other = try folder.file("b.gguf", sampleBytes())
        let open = try GGUFFile(path: other)
        try FileManager.default.removeItem(atPath: other)
        #expect(try open.bytes(of: try #require(open.tensor(named: "c"))) == wanted)
    }

    /// A sparse file of 3 GB whose header claims a string of 2 GB, and one of 200 million strings: neither is read.
    @Test func largeClaimsInLargeFiles() throws {
        let folder = try TemporaryFolder()
        var strings = RawFile()
        strings.add("k", array: 8, count: 200_000_000, [])
        var string = RawFile()
        string.add("k", .string, RawFile.string("", length: 1 << 31))
        var numbers = RawFile()
        numbers.add("k", array: 10, count: 1 << 28, [])
        let clock = ContinuousClock()
        for (file, part) in [(strings, "200000000"), (string, "2147483648"), (numbers, "268435456")] {
            let path = try folder.file("sparse.gguf", file.bytes)
            #expect(truncate(path, 3 << 30) == 0)
            let time = clock.measure {
                failure(mentioning: "'k'", part, code: .format) { () throws(ApusError) in try GGUFFile(path: path) }
            }
            #expect(time < .seconds(10))
        }
    }

    /// A vocabulary of Gemma's size; the limit is a guard against a loop that is not linear, not a benchmark.
    @Test func aLargeVocabulary() throws {
        let folder = try TemporaryFolder()
        let count = 262_144
        var writer = try GGUFWriter()
        writer.set("tokens", .strings(GGUFStringArray((0..<count).lazy.map { "token\($0)" })))
        writer.set("scores", .numbers(GGUFNumberArray((0..<count).map { Float($0) })))
        try writer.write(to: folder("vocabulary.gguf"))
        let clock = ContinuousClock()
        var file: GGUFFile?
        let time = try clock.measure { file = try GGUFFile(path: folder("vocabulary.gguf")) }
        #expect(time < .seconds(5))
        let tokens = try #require(file).metadata.stringArray("tokens", count: count)
        #expect(tokens[0] == "token0" && tokens[count - 1] == "token262143")
        #expect(stride(from: 0, to: count, by: 997).allSatisfy { tokens[$0] == "token\($0)" })
    }
}
