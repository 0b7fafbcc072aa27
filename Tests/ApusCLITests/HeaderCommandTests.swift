import ApusGGUF
import Foundation
import Testing

@Suite("apus tokenize, detokenize and inspect")
struct HeaderCommandTests {
    private let tiny: TinyFolder

    init() throws { tiny = try TinyFolder() }

    private func tokenize(_ arguments: String...) throws -> Outcome {
        try Command.run(["tokenize", "-m", tiny.model] + arguments)
    }

    @Test("ids as a JSON array on one line")
    func ids() throws {
        #expect(try tokenize("-p", "hello").text == "[256,258]\n")
        #expect(try tokenize("-p", "").text == "[]\n")
        #expect(try tokenize("-p", "- h").integers() == [45, 32, 104])
        #expect(try tokenize("-p", "<|end|>", "--parse-special").integers() == [TinyModel.eos])
        #expect(try tokenize("-p", "<|end|>").integers() == Array("<|end|>".utf8).map(Int.init))
        let piped = try Command.run(["tokenize", "-m", tiny.model], input: Data([0x68, 0xC3, 0xBF, 0x0A]))
        #expect(try piped.integers() == [104, 0xC3, 0xBF, 10])
    }

    @Test("--no-bos leaves out the begin token that the model wants")
    func noBOS() throws {
        let wanting = try TinyFolder { $0.set("tokenizer.ggml.add_bos_token", .bool(true)) }
        let command = ["tokenize", "-m", wanting.model, "-p", "h"]
        #expect(try Command.run(command).integers() == [TinyModel.bos, 104])
        #expect(try Command.run(command + ["--no-bos"]).integers() == [104])
    }

    @Test("--pieces shows the text of each token, and bytes where it is a part of a character")
    func pieces() throws {
        let data = try tokenize("-p", "heé", "--pieces").output
        let pieces = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(pieces.map { $0["id"] as? Int } == [TinyModel.he, 0xC3, 0xA9])
        #expect(pieces.map { $0["piece"] as? String } == ["he", "\u{FFFD}", "\u{FFFD}"])
        #expect(pieces.map { $0["bytes"] as? [Int] } == [nil, [0xC3], [0xA9]])
    }

    @Test("detokenize gives back what tokenize was given")
    func roundTrip() throws {
        for text in ["hello world", "naïve café 🙂\n\ttabs", "<|end|>", ""] {
            let ids = try tokenize("-p", text)
            for command in [["-p", ids.text], ["-f", "-"], []] {
                let outcome = try Command.run(["detokenize", "-m", tiny.model] + command, input: ids.output)
                #expect(outcome.text == text)
            }
        }
    }

    @Test("special tokens are written where asked; incomplete characters become U+FFFD")
    func specials() throws {
        func detokenize(_ arguments: String...) throws -> String {
            try Command.run(["detokenize", "-m", tiny.model] + arguments).text
        }
        #expect(try detokenize("-p", "[259,104,260]") == "h")
        #expect(try detokenize("-p", "[259,104,260]", "--parse-special") == "<|begin|>h<|end|>")
        #expect(try detokenize("-p", "[259,104,260]", "--parse-special", "--no-bos") == "h<|end|>")
        #expect(try detokenize("-p", "[240,159,104]") == "\u{FFFD}h")
        #expect(try detokenize("-p", "[104]", "--pieces") == "[{\"id\":104,\"piece\":\"h\"}]\n")
    }

    @Test("a merge that names no token is a warning, not an error")
    func warnings() throws {
        let odd = try TinyFolder { writer in
            writer.set("tokenizer.ggml.merges", .strings(GGUFStringArray(["h e", "l l", "ll o", "q q", "h x"])))
        }
        let outcome = try Command.run(["tokenize", "-m", odd.model, "-p", "heqq"])
        #expect(outcome.status == 0)
        #expect(outcome.text == "[256,113,113]\n")
        #expect(outcome.error.hasPrefix("apus: warning: "), "\(outcome.error)")
        #expect(outcome.errorLines.allSatisfy { $0.hasPrefix("apus: warning: ") })
    }

    @Test("inspect tells people what is in the file, without control characters")
    func inspectLines() throws {
        let outcome = try Command.run(["inspect", tiny.model])
        #expect(outcome.status == 0)
        for words in [
            "architecture  llama", "GGUF version 3", "2 of width 64", "4 heads of 16, 2 for keys and values",
            "trained for 96 tokens", "type F32", "261 tokens", "begin <|begin|>", "14 bytes", "supported     yes",
        ] {
            #expect(outcome.text.contains(words), "\(words) in \(outcome.text)")
        }
        #expect(!outcome.text.contains("\u{1B}"))
        let tensors = try Command.run(["inspect", tiny.model, "--tensors"]).text
        #expect(tensors.contains("tensor blk.1.ffn_down.weight F32 [96, 64]"))
    }

    @Test("inspect as an object")
    func inspectObject() throws {
        let object = try Command.run(["inspect", tiny.model, "--json", "--tensors", "-c", "1000"]).object()
        #expect(object["architecture"] as? String == "llama")
        #expect(object["name"] as? String == "Tiny \u{1B}[31m model")
        #expect(object["supported"] as? Bool == true)
        #expect((object["unsupported"] as? [String])?.isEmpty == true)
        #expect(object["chat_template"] as? Bool == true)
        let tensors = try #require(object["tensors"] as? [[String: Any]])
        #expect(tensors.count == 20 && object["tensor_count"] as? Int == 20)
        #expect(tensors[0]["shape"] as? [Int] == [64, 261])
        let parameters = tensors.reduce(0) { $0 + ($1["shape"] as? [Int] ?? []).reduce(1, *) }
        #expect(object["parameters"] as? Int == parameters)
        let tokenizer = try #require(object["tokenizer"] as? [String: Any])
        #expect(tokenizer["tokens"] as? Int == 261)
        #expect(tokenizer["bos_id"] as? Int == TinyModel.bos)
        #expect(tokenizer["end_of_generation_ids"] as? [Int] == [TinyModel.eos])
        let memory = try #require(object["memory"] as? [String: Any])
        #expect(memory["context_length"] as? Int == 1000)
        // Keys and values of 2 layers and 2 heads of 16 in 16 bits, for a whole number of pages.
        let position = 2 * 2 * (16 + 16) * 2
        let cache = try #require(memory["cache_bytes"] as? Int)
        #expect(cache >= 1000 * position && cache < 1200 * position && cache.isMultiple(of: position))
        let parts = try ["weight_bytes", "cache_bytes", "buffer_bytes"].map { try #require(memory[$0] as? Int) }
        #expect(parts.allSatisfy { $0 > 0 } && memory["total_bytes"] as? Int == parts.reduce(0, +))
    }

    @Test("only the header is read: tensor data may be absent from a sparse file", .timeLimit(.minutes(1)))
    func headerOnly() throws {
        // A file of 8 GB that takes no space on disk: reading it all would take seconds and memory.
        let folder = try Folder()
        let path = folder.path("sparse.gguf")
        try TinyModel.write(to: path)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.truncate(atOffset: 8 << 30)
        try handle.close()
        let outcome = try Command.shell("ulimit -v 1000000; $APUS inspect \(path)")
        #expect(outcome.status == 0, "\(outcome.error)")
        #expect(outcome.text.contains("8.6 GB"))
    }
}
