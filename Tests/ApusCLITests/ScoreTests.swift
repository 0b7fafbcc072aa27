import Foundation
import Testing

@Suite("apus perplexity")
struct ScoreTests {
    private let tiny: TinyFolder

    init() throws {
        tiny = try TinyFolder()
        try tiny.folder.file("text", Data("hello world, hello".utf8))
    }

    private var logitsPath: String { tiny.folder.path("logits.f32") }

    private func perplexity(_ arguments: String...) throws -> Outcome {
        try Command.run(["perplexity", "-m", tiny.model] + arguments)
    }

    @Test("the object's figures follow from the logits file")
    func figures() throws {
        let outcome = try perplexity("-f", tiny.folder.path("text"), "--json", "--logits-out", logitsPath, "-b", "4")
        #expect(outcome.status == 0)
        #expect(outcome.error.isEmpty)
        let object = try outcome.object()
        let ids = try #require(object["ids"] as? [Int])
        let nll = try #require(object["nll"] as? [Double])
        #expect(object["tokens"] as? Int == ids.count)
        #expect(
            ids == [TinyModel.he, TinyModel.llo] + Array(" world, ".utf8).map(Int.init) + [TinyModel.he, TinyModel.llo])
        #expect(nll.count == ids.count - 1)

        let data = try tiny.folder.read("logits.f32")
        #expect(data.count == ids.count * TinyModel.vocabularySize * 4)
        let logits = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        for position in nll.indices {
            let row = logits[position * TinyModel.vocabularySize..<(position + 1) * TinyModel.vocabularySize]
            let highest = Double(row.max() ?? 0)
            let total = row.reduce(0) { $0 + exp(Double($1) - highest) }
            let wanted = highest + log(total) - Double(row[row.startIndex + ids[position + 1]])
            #expect(abs(nll[position] - wanted) < 1e-10)
        }
        let mean = nll.reduce(0, +) / Double(nll.count)
        #expect(abs(try #require(object["mean_nll"] as? Double) - mean) < 1e-12)
        #expect(abs(try #require(object["perplexity"] as? Double) - exp(mean)) < 1e-9)
        #expect(tiny.folder.names == ["logits.f32", "text", "tiny.gguf"])
    }

    @Test("given ids are taken as they are, from a file or standard input")
    func ids() throws {
        try tiny.folder.file("ids.json", Data("[259, 104, 260,\n 0]".utf8))
        let object = try perplexity("--ids", tiny.folder.path("ids.json"), "--json").object()
        #expect(object["ids"] as? [Int] == [259, 104, 260, 0])
        let piped = try Command.run(
            ["perplexity", "-m", tiny.model, "--ids", "-", "--json"], input: Data("[259,104,260,0]".utf8))
        #expect(try piped.object()["nll"] as? [Double] == object["nll"] as? [Double])
    }

    @Test("the same bits for every number of threads and every chunk")
    func sameBits() throws {
        var files: Set<Data> = []
        for (threads, chunk) in [("1", "512"), ("2", "1"), ("3", "5"), ("2", "64")] {
            _ = try perplexity(
                "-f", tiny.folder.path("text"), "-t", threads, "-b", chunk, "--logits-out", logitsPath)
            files.insert(try tiny.folder.read("logits.f32"))
        }
        #expect(files.count == 1)
    }

    @Test("one token has logits, but nothing to score")
    func oneToken() throws {
        try tiny.folder.file("ids.json", Data("[5]".utf8))
        let path = tiny.folder.path("ids.json")
        let object = try perplexity("--ids", path, "--json", "--logits-out", logitsPath).object()
        #expect(object["mean_nll"] is NSNull && object["perplexity"] is NSNull)
        #expect(try tiny.folder.read("logits.f32").count == TinyModel.vocabularySize * 4)
        #expect(try perplexity("--ids", path).status == 0)
    }

    @Test("a text longer than the context is an error with the figures")
    func longText() throws {
        try tiny.folder.file("long", Data(String(repeating: "x", count: 97).utf8))
        expectFailure(try perplexity("-f", tiny.folder.path("long")), saying: "97 tokens", "context of 96")
    }

    @Test("a logits file that cannot be written is one line, and nothing is left behind")
    func unwritable() throws {
        let text = tiny.folder.path("text")
        expectFailure(
            try perplexity("-f", text, "--logits-out", "/dev/full"), saying: "/dev/full", "No space left on device")
        #expect(FileManager.default.fileExists(atPath: "/dev/full"))
        expectFailure(try perplexity("-f", text, "--logits-out", "/nonexistent/logits"), saying: "/nonexistent/logits")
        expectFailure(try perplexity("-f", text, "--logits-out", tiny.folder.path), saying: "folder")
        #expect(tiny.folder.names == ["text", "tiny.gguf"])
        // An older file stays as it was when the new one fails.
        try tiny.folder.file("logits.f32", Data("old".utf8))
        try tiny.folder.file("ids.json", Data(String(repeating: "[0]", count: 1).utf8))
        expectFailure(try perplexity("-f", "/dev/null", "--logits-out", logitsPath), saying: "no tokens")
        #expect(try tiny.folder.read("logits.f32") == Data("old".utf8))
        // A pipe is written as it is.
        let piped = try Command.shell(
            "$APUS perplexity -m \(tiny.model) -f \(text) --logits-out /dev/stdout --json 2>&1 | wc -c")
        #expect(try #require(Int(piped.text.trimmingCharacters(in: .whitespacesAndNewlines))) > 12 * 261 * 4)
    }

    @Test("the disk fills up half-way: the file goes, an older one stays")
    func limitedSize() throws {
        try tiny.folder.file("logits.f32", Data("old".utf8))
        // A limit on the size of files stands in for a full disk: 8 blocks of 512 bytes.
        let line =
            "trap '' XFSZ; ulimit -f 8; $APUS perplexity -m \(tiny.model) -f \(tiny.folder.path("text")) "
            + "--logits-out \(logitsPath)"
        expectFailure(try Command.shell(line), saying: "logits.f32", "cannot write")
        #expect(try tiny.folder.read("logits.f32") == Data("old".utf8))
        #expect(tiny.folder.names == ["logits.f32", "text", "tiny.gguf"])
    }

    @Test("Ctrl-C is exit 130, says nothing and leaves no file behind")
    func interrupted() throws {
        // A text that takes long enough: its logits are a gigabyte.
        let text = String(repeating: "hello world ", count: 100_000)
        try tiny.folder.file("long", Data(text.utf8))
        let line =
            "$APUS perplexity -m \(tiny.model) -f \(tiny.folder.path("long")) -c 2000000 --logits-out \(logitsPath) & "
            + "while [ ! -s \(logitsPath).$!.partial ]; do sleep 0.01; done; kill -INT $!; wait $!"
        let outcome = try Command.shell(line)
        #expect(outcome.status == 130)
        #expect(outcome.output.isEmpty && outcome.error.isEmpty, "\(outcome.error)")
        #expect(tiny.folder.names == ["long", "text", "tiny.gguf"])
    }

    @Test("for people: one line")
    func line() throws {
        let outcome = try perplexity("-f", tiny.folder.path("text"))
        #expect(outcome.text.contains(#/^perplexity [0-9.]+, mean negative log-likelihood [0-9.]+ nats, 12 tokens\n$/#))
    }
}
