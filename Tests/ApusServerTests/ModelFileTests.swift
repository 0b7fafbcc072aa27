// Models in their folder: what is told of them, and that copying and deleting stays inside of it.

import Apus
import ApusGGUF
import ApusServer
import ApusTestSupport
import Foundation
import Testing

/// A folder of small models that is gone at the end, in a folder with a file that is nobody's business.
private final class Folder {
    let outside = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID())").path
    var path: String { "\(outside)/models" }
    var files: ModelFiles { ModelFiles(folder: path) }

    init(_ names: String...) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for name in names + ["../secret.gguf"] { try add(name) }
    }

    deinit { try? FileManager.default.removeItem(atPath: outside) }

    func add(_ name: String, seed: Int = 0) throws {
        let target = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        var writer = try GGUFWriter()
        writer.set("general.architecture", .string("llama"))
        writer.set("general.file_type", .uint32(15))
        let data = (0..<4096).map { UInt8(truncatingIfNeeded: $0 + seed) }
        try writer.addTensor("x", shape: [1024], type: .f32, data: data)
        try writer.write(to: target)
    }

    /// The names in the folder, hidden ones included.
    func names(_ inner: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(inner)").sorted()
    }

    func entry(_ name: String) throws -> LibraryEntry {
        var options = LibraryOptions()
        options.folder = path
        return try #require(ModelLibrary(options: options).entry(named: name))
    }
}

@Suite struct ModelFileTests {
    @Test(arguments: [
        ("smollm2", "smollm2", "latest"), ("a.b-c_d:q4.0", "a.b-c_d", "q4.0"), ("_x:1", "_x", "1"),
    ])
    func names(text: String, model: String, tag: String) throws {
        let name = try #require(ModelFiles.Name(text))
        #expect(name.model == model && name.tag == tag)
    }

    @Test(arguments: [
        "", ":", "a:", ":a", "..", ".", ".hidden", "a/b", "/etc/passwd", "../x", "a:../x", "a:..", "a\\b", "a b",
        "a\u{0}b", "ä",
        "-rf", "a:b:c", "a\n", String(repeating: "a", count: 81), "a:" + String(repeating: "a", count: 81), "a:-x",
        "a:.x",
    ])
    func `Names that are no files' names are refused`(text: String) { #expect(ModelFiles.Name(text) == nil) }

    @Test func `A copy is another name of the same file, takes another's place whole, and leaves nothing behind`()
        throws
    {
        let folder = try Folder("a.gguf")
        let entry = try folder.entry("a")
        try folder.files.copy(entry, to: #require(ModelFiles.Name("b:q4")))
        try folder.files.copy(entry, to: #require(ModelFiles.Name("c")))
        #expect(try folder.names() == ["a.gguf", "b", "c.gguf"])
        #expect(try folder.names("b") == ["q4.gguf"])
        let numbers = try ["a.gguf", "b/q4.gguf", "c.gguf"].map {
            try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\($0)")[.systemFileNumber] as? Int
        }
        #expect(Set(numbers).count == 1)
        // Again, in place of itself and of another one.
        try folder.add("d.gguf", seed: 1)
        for name in ["c", "d"] { try folder.files.copy(entry, to: #require(ModelFiles.Name(name))) }
        #expect(try folder.names() == ["a.gguf", "b", "c.gguf", "d.gguf"])
        let contents = FileManager.default.contents(atPath: "\(folder.path)/d.gguf")
        #expect(contents == FileManager.default.contents(atPath: entry.path))
        // Of the same name in other letters.
        try folder.add("E.gguf", seed: 2)
        let old = try #require(folder.files.places(of: folder.entry("e")))
        try folder.files.copy(entry, to: #require(ModelFiles.Name("e")), replacing: old)
        #expect(try folder.names() == ["a.gguf", "b", "c.gguf", "d.gguf", "e.gguf"])
    }

    @Test func `A model in parts is copied and deleted with all of them`() throws {
        let folder = try Folder("a-00001-of-00002.gguf", "a-00002-of-00002.gguf", "b.gguf")
        let entry = try folder.entry("a")
        try folder.files.copy(entry, to: #require(ModelFiles.Name("c:x")))
        #expect(try folder.names("c") == ["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"])
        try folder.files.delete(#require(folder.files.places(of: entry)))
        #expect(try folder.names() == ["b.gguf", "c"])
        // A folder of tags goes with its last one.
        try folder.files.delete(#require(folder.files.places(of: folder.entry("c:x"))))
        #expect(try folder.names() == ["b.gguf"])
    }

    @Test func `Links out of the folder are not followed`() throws {
        let folder = try Folder("a.gguf")
        let other = "\(folder.outside)/other"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "\(folder.outside)/secret.gguf", toPath: "\(other)/x.gguf")
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/link", withDestinationPath: other)
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder.path)/s.gguf", withDestinationPath: "\(folder.outside)/secret.gguf")
        let files = folder.files
        // A folder that is a link: nothing is written through it nor deleted.
        #expect(throws: ApusError.self) { try files.copy(folder.entry("a"), to: #require(ModelFiles.Name("link:y"))) }
        #expect(throws: ApusError.self) { try files.delete(#require(files.places(of: folder.entry("link:x")))) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: other) == ["x.gguf"])
        // A file that is a link: the link goes, what it names stays.
        try files.delete(#require(files.places(of: folder.entry("s"))))
        #expect(FileManager.default.fileExists(atPath: "\(folder.outside)/secret.gguf"))
        #expect(try folder.names() == ["a.gguf", "link"])
        // A model that is somewhere else is not the folder's.
        var options = LibraryOptions()
        options.paths = ["\(folder.outside)/secret.gguf"]
        let outside = try #require(ModelLibrary(options: options).entry(named: "secret"))
        #expect(files.places(of: outside) == nil)
    }

    @Test func `A description is short, and its digest is the content's`() throws {
        let folder = try Folder("a.gguf")
        try folder.add("b.gguf", seed: 1)
        try FileManager.default.copyItem(atPath: "\(folder.path)/a.gguf", toPath: "\(folder.path)/c.gguf")
        try Data("GGUF but not".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/d.gguf"))
        let found = try ["a", "b", "c", "d"].map { name in
            let entry = try folder.entry(name)
            return try ModelDescription.read(path: entry.path, fileBytes: entry.fileBytes)
        }
        #expect(found[0].architecture == "llama" && found[0].quantization == "Q4_K_M")
        #expect(found[0].parameterCount == 1024 && found[0].parameterSize == "1K")
        #expect(found[0] == found[2] && found[0].digest != found[1].digest)
        #expect(found[3].parameterCount == 0 && found[3].quantization == "unknown")
        #expect(found.allSatisfy { $0.digest.count == 64 })
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1K"), (134_515_008, "134.52M"), (2_000_000, "2M"), (1_235_814_432, "1.2B"),
        (7_000_000_000, "7B"), (1_050_000, "1.05M"), (1_004_000, "1.00M"),
    ])
    func `Sizes are written as Ollama writes them`(count: Int, wanted: String) {
        var description = ModelDescription(digest: "", fileBytes: 0)
        description.parameterCount = count
        #expect(description.parameterSize == wanted)
    }

    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `SHA-256 is that of FIPS 180-4`(text: String, wanted: String) {
        var whole = SHA256()
        whole.update(Array(text.utf8))
        #expect(whole.hexDigest() == wanted)
        var pieces = SHA256()
        for byte in text.utf8 { pieces.update([byte]) }
        #expect(pieces.hexDigest() == wanted)
    }

    @Test func `A million letters`() {
        var hash = SHA256()
        for _ in 0..<1000 { hash.update([UInt8](repeating: UInt8(ascii: "a"), count: 1000)) }
        #expect(hash.hexDigest() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test(arguments: [
        ("5m", 300.0), ("24h", 86400), ("1h30m", 5400), ("1.5s", 1.5), ("-1m", -60), ("0", 0), ("+2ms", 0.002),
        (".5s", 0.5), ("1.s", 1), ("1h0m0.5s", 3600.5), ("3µs", 3e-6),
    ])
    func `Durations are read as Go reads them`(text: String, wanted: Double) throws {
        #expect(abs(try #require(GoDuration.seconds(text)) - wanted) < 1e-9)
    }

    @Test(arguments: ["", "5", "-", "m", "5 m", "5x", "1..5s", "nan", "infs", "5m-1s", "0x5s", "1e3s", "٣s", "."])
    func `What Go does not read is none`(text: String) { #expect(GoDuration.seconds(text) == nil) }

    @Test func `Points in time are those of RFC 3339`() {
        #expect(Timestamp.text(seconds: 0) == "1970-01-01T00:00:00.000000Z")
        #expect(Timestamp.text(seconds: 1_795_527_905, nanoseconds: 42_000) == "2026-11-24T13:45:05.000042Z")
    }
}
