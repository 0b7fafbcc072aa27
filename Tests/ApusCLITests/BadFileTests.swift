import ApusGGUF
import Foundation
import Testing

@Suite("Bad files")
struct BadFileTests {
    /// Every command that takes a model, with a text that would do.
    private func commands(_ model: String) -> [[String]] {
        [
            ["inspect", model], ["run", "-m", model, "-p", "x", "-n", "1"], ["tokenize", "-m", model, "-p", "x"],
            ["detokenize", "-m", model, "-p", "[1]"], ["perplexity", "-m", model, "-f", "/dev/null"],
        ]
    }

    private func expectFailures(_ model: String, saying words: String) throws {
        for command in commands(model) { expectFailure(try Command.run(command), saying: words) }
    }

    @Test("what is no GGUF file is one line and exit 1")
    func noModel() throws {
        let folder = try Folder()
        try expectFailures(folder.path("absent.gguf"), saying: "absent.gguf")
        try expectFailures(folder.path, saying: "folder")
        try folder.file("empty.gguf", Data())
        try expectFailures(folder.path("empty.gguf"), saying: "empty.gguf")
        try folder.file("text.gguf", Data("This is a text, and a long enough one at that.".utf8))
        try expectFailures(folder.path("text.gguf"), saying: "text.gguf")
        try expectFailures("/dev/null", saying: "/dev/null")
    }

    @Test("a file cut short anywhere")
    func truncated() throws {
        let tiny = try TinyFolder()
        let whole = try Data(contentsOf: URL(fileURLWithPath: tiny.model))
        for length in [1, 4, 8, 23, 24, 30, 200, 1000, 4000, whole.count / 2, whole.count - 1] {
            try tiny.folder.file("cut.gguf", whole.prefix(length))
            for command in commands(tiny.folder.path("cut.gguf")) {
                expectFailure(try Command.run(command), saying: "cut.gguf")
            }
        }
    }

    @Test("a file that may not be read")
    func permission() throws {
        let tiny = try TinyFolder()
        #expect(chmod(tiny.model, 0) == 0)
        // Root may read everything, so it becomes somebody else first, where the command lies in reach of others.
        let prefix = geteuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : ""
        guard try Command.shell("\(prefix)$APUS --version").status == 0 else { return }
        for command in commands(tiny.model) {
            let line = command.map { "'\($0)'" }.joined(separator: " ")
            expectFailure(try Command.shell("\(prefix)$APUS \(line)"), saying: "tiny.gguf", "ermission")
        }
    }

    @Test("an architecture, a tokenizer and a type that are not supported are named; inspect lists them")
    func unsupported() throws {
        let tiny = try TinyFolder { writer in
            writer.set("general.architecture", .string("gpt-9"))
            writer.set("tokenizer.ggml.model", .string("magic"))
            try writer.addTensor("extra.weight", shape: [256], type: .iq2_xxs, data: [UInt8](repeating: 0, count: 66))
        }
        expectFailure(try Command.run(["run", "--raw", "-m", tiny.model, "-p", "x"]), saying: "'gpt-9'", "llama")
        expectFailure(try Command.run(["tokenize", "-m", tiny.model, "-p", "x"]), saying: "'magic'", "gpt2")
        let outcome = try Command.run(["inspect", tiny.model, "--json"])
        #expect(outcome.status == 0)
        let object = try outcome.object()
        #expect(object["supported"] as? Bool == false)
        let problems = try #require(object["unsupported"] as? [String])
        for name in ["gpt-9", "magic", "IQ2_XXS"] { #expect(problems.contains { $0.contains(name) }) }
    }

    @Test("weights that are NaN or infinite are an error, not a trap", arguments: [Float.nan, .infinity])
    func damagedWeights(value: Float) throws {
        let folder = try Folder()
        let path = folder.path("tiny.gguf")
        try TinyModel.write(to: path)
        let file = try GGUFFile(path: path)
        let norm = try #require(file.tensor(named: "output_norm.weight"))
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.seek(toOffset: UInt64(norm.offset))
        try handle.write(contentsOf: withUnsafeBytes(of: value) { Data($0) })
        try handle.close()
        expectFailure(
            try Command.run(["run", "-m", path, "-p", "x", "-n", "2"]), saying: "tiny.gguf", "logit", "damaged")
        try folder.file("text", Data("some text".utf8))
        expectFailure(
            try Command.run(["perplexity", "-m", path, "-f", folder.path("text")]), saying: "tiny.gguf", "logit",
            "damaged")
    }

    @Test("texts that are not UTF-8 are refused with the place of the byte, from files, standard input and arguments")
    func invalidUTF8() throws {
        let tiny = try TinyFolder()
        let bytes = Data([0x61, 0xC3, 0xA4, 0xED, 0xA0, 0x80, 0x62])  // a surrogate
        try tiny.folder.file("text", bytes)
        for command in ["run", "tokenize", "perplexity"] {
            let arguments = [command, "-m", tiny.model, "-f"]
            expectFailure(
                try Command.run(arguments + [tiny.folder.path("text")]), saying: "text: byte 3 is 0xED", "UTF-8")
            expectFailure(try Command.run(arguments + ["-"], input: bytes), saying: "standard input: byte 3 is 0xED")
        }
        // A shell passes bytes as they are; Foundation's Process would not.
        let line = #"exec "$APUS" run -m "$MODEL" -n 1 -p "$(printf 'a\377b')""#
        expectFailure(try Command.shell(line, environment: ["MODEL": tiny.model]), saying: "-p is not in UTF-8")
        #expect(try Command.run(["tokenize", "-m", tiny.model, "-p", "\u{FFFD}"]).status == 0)
    }

    @Test("short names: unknown, ambiguous, no folder; the message lists what there is")
    func names() throws {
        let tiny = try TinyFolder()
        let models = ["APUS_MODELS": tiny.folder.path]
        for name in ["tiny", "TINY", "t", "tiny.gguf"] {
            #expect(try Command.run(["tokenize", "-m", name, "-p", "h"], environment: models).text == "[104]\n")
        }
        expectFailure(
            try Command.run(["inspect", "huge"], environment: models), saying: "'huge'", "which has tiny", "no model")
        try tiny.folder.file("tiny-2.gguf", Data())
        try tiny.folder.file("other-00001-of-00002.gguf", Data())
        try tiny.folder.file("other-00002-of-00002.gguf", Data())
        try tiny.folder.file("notes.txt", Data())
        // The whole name is meant even where it is the beginning of another.
        #expect(try Command.run(["tokenize", "-m", "tiny", "-p", "h"], environment: models).text == "[104]\n")
        expectFailure(try Command.run(["inspect", "tin"], environment: models), saying: "could be any of tiny-2, tiny")
        // Of a split set the first part stands for all.
        expectFailure(try Command.run(["inspect", "other"], environment: models), saying: "other-00001-of-00002.gguf")
        expectFailure(
            try Command.run(["inspect", "huge"], environment: ["APUS_MODELS": "/nonexistent"]), saying: "no models")
    }

    @Test("texts that cannot be read")
    func texts() throws {
        let tiny = try TinyFolder()
        for command in ["run", "tokenize", "detokenize", "perplexity"] {
            expectFailure(try Command.run([command, "-m", tiny.model, "-f", "/nonexistent"]), saying: "/nonexistent")
            expectFailure(try Command.run([command, "-m", tiny.model, "-f", tiny.folder.path]), saying: "folder")
        }
        expectFailure(try Command.run(["perplexity", "-m", tiny.model, "-f", "/dev/null"]), saying: "no tokens")
        for (text, words) in [
            ("[1, 2", "']'"), ("{}", "JSON array"), ("[1.5]", "1.5"), ("[261]", "261"), ("[-1]", "-1"),
            ("[\"a\"]", "a"), ("", "value"), ("[4294967297]", "4294967297"),
        ] {
            try tiny.folder.file("ids.json", Data(text.utf8))
            let ids = tiny.folder.path("ids.json")
            expectFailure(try Command.run(["perplexity", "-m", tiny.model, "--ids", ids]), saying: "ids.json", words)
            expectFailure(try Command.run(["detokenize", "-m", tiny.model, "-f", ids]), saying: "ids.json", words)
        }
    }
}
