// The merges themselves, special tokens, and bytes that are no text, on small vocabularies.

import ApusGGUF
import ApusTokenizer
import Testing

struct BPETests {
    /// Byte-pair encoding as it is defined, a search for the best pair at a time.
    private func naive(_ word: [UInt8], _ ranks: [[UInt8]: [[UInt8]: Int]]) -> [[UInt8]] {
        var parts = word.map { [$0] }
        while true {
            let pairs = parts.indices.dropLast().compactMap { index in
                ranks[parts[index]]?[parts[index + 1]].map { (rank: $0, index: index) }
            }
            guard let best = pairs.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else { return parts }
            parts[best.index] += parts.remove(at: best.index + 1)
        }
    }

    /// Random merges over three letters, words short and long: the search and the heap give what the definition gives.
    @Test(arguments: 0..<20)
    func mergesAsDefined(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        var vocabulary = Synthetic()
        var known: [[UInt8]] = Array("abc".utf8).map { [$0] }
        var ranks: [[UInt8]: [[UInt8]: Int]] = [:]
        for _ in 0..<60 {
            let left = known.randomElement(using: &generator) ?? []
            let right = known.randomElement(using: &generator) ?? []
            if ranks[left]?[right] != nil || left.count + right.count > 12 { continue }
            ranks[left, default: [:]][right] = vocabulary.merges.count
            vocabulary.merge(left, right)
            if !known.contains(left + right) { known.append(left + right) }
        }
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        #expect(tokenizer.longestToken == known.map(\.count).max())
        for length in [1, 2, 3, 5, 10, 20, 47, 48, 49, 50, 100, 300] {
            let word = (0..<length).map { _ in UInt8.random(in: 97...99, using: &generator) }
            let ids = tokenizer.encode(word, addSpecial: false, parseSpecial: false)
            let wanted = naive(word, ranks)
            #expect(ids.map { tokenizer.bytes(of: $0, renderSpecial: false) } == wanted)
        }
    }

    @Test(
        arguments: [
            "gpt-2", "smollm", "llama-bpe", "default", "qwen2", "gpt-4o", "tekken", "falcon", "deepseek-llm",
            "deepseek-coder",
        ])
    func anyBytesComeBack(pre: String) throws {
        var vocabulary = Synthetic()
        vocabulary.pre = pre
        vocabulary.merge([0x20], [0x61])
        vocabulary.merge([0xC3], [0xA9])
        vocabulary.merge([0xFF], [0xFF])
        vocabulary.add("<|mark|>", type: 3)
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        var generator = Generator(seed: 3)
        for length in 0..<400 {
            let bytes = (0..<length).map { _ in
                Bool.random(using: &generator)
                    ? UInt8.random(in: 0...255, using: &generator) : Array(" a\n1'é".utf8)[length % 7]
            }
            let ids = tokenizer.encode(bytes, addSpecial: true, parseSpecial: true)
            #expect(try tokenizer.decode(ids, renderSpecial: true) == bytes)
        }
    }

    @Test func invalidBytesAreSymbolsOfTheirOwn() throws {
        var vocabulary = Synthetic()
        vocabulary.merge(Array("a".utf8), Array("b".utf8))
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        let ab = Int32(256)
        // Cut characters, a surrogate, an overlong form: as between two words.
        for bytes: [UInt8] in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF0, 0x9F]] {
            let ids = tokenizer.encode([0x61, 0x62] + bytes + [0x61, 0x62], addSpecial: false, parseSpecial: false)
            #expect(ids == [ab] + bytes.map(Int32.init) + [ab])
        }
    }

    @Test func specialTokensOnlyWhereAsked() throws {
        var vocabulary = Synthetic()
        for text in ["<|a|>", "<|ab|>", "<|a|><", "é|"] { vocabulary.add(text, type: 3) }
        vocabulary.add("<user>", type: 4)
        vocabulary.add("<unk>", type: 2)
        vocabulary.add("plain", type: 1)
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        func encode(_ text: String, _ parse: Bool) -> [Int32] {
            tokenizer.encode(text, addSpecial: false, parseSpecial: parse)
        }
        func bytes(_ text: String) -> [Int32] { text.utf8.map { Int32($0) } }
        #expect(encode("<|a|>", true) == [256])
        #expect(encode("<|a|>", false) == bytes("<|a|>"))
        #expect(encode("x<|ab|>y", true) == bytes("x") + [257] + bytes("y"))
        // The leftmost, and there the longest.
        #expect(encode("<|a|><|ab|>", true) == [258] + bytes("|ab|>"))
        #expect(encode("<|<|a|>|>", true) == bytes("<|") + [256] + bytes("|>"))
        #expect(encode("<|a|", true) == bytes("<|a|"))
        #expect(encode("éé||", true) == bytes("é") + [259] + bytes("|"))
        // User-defined tokens are text and always matched; the unknown token is a mark; a normal one is not matched.
        #expect(encode("a<user><unk>", false) == bytes("a") + [260] + bytes("<unk>"))
        #expect(encode("a<user><unk>", true) == bytes("a") + [260, 261])
        #expect(encode("plain", true) == bytes("plain"))
        #expect(tokenizer.bytes(of: 260, renderSpecial: false) == Array("<user>".utf8))
        #expect(tokenizer.bytes(of: 256, renderSpecial: false) == [])
        #expect(tokenizer.isSpecial(256))
        #expect(!tokenizer.isSpecial(260))
    }

    /// Random marks with common beginnings in random texts, against the definition: leftmost, then longest.
    @Test(arguments: 0..<20)
    func specialTokensAsDefined(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        func random(_ lengths: ClosedRange<Int>) -> String {
            let count = Int.random(in: lengths, using: &generator)
            return String((0..<count).map { _ in "<<<ab>é".randomElement(using: &generator) ?? "<" })
        }
        var vocabulary = Synthetic()
        for _ in 0..<60 { vocabulary.add(random(2...6), type: 3) }
        let marks = vocabulary.tokens.indices.dropFirst(256).map {
            (id: Int32($0), text: Array(vocabulary.tokens[$0].utf8))
        }
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        for _ in 0..<50 {
            let text = Array(random(0...60).utf8)
            var wanted: [Int32] = []
            var rest = text[...]
            while let first = rest.first {
                let mark = marks.filter { rest.starts(with: $0.text) }.max { $0.text.count < $1.text.count }
                wanted.append(mark?.id ?? Int32(first))
                rest = rest.dropFirst(mark?.text.count ?? 1)
            }
            #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: true) == wanted)
        }
    }

    /// A merge, or a whole word, whose result is a control token must not be a back door to it.
    @Test(arguments: ["gpt-2", "llama-bpe"])
    func textNeverGivesAControlToken(pre: String) throws {
        var vocabulary = Synthetic()
        vocabulary.pre = pre
        vocabulary.add("ab", type: 3)
        vocabulary.merges = ["a b"]
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        #expect(tokenizer.encode("ab", addSpecial: false, parseSpecial: false) == [97, 98])
        #expect(tokenizer.encode("ab", addSpecial: false, parseSpecial: true) == [256])
        #expect(tokenizer.warnings.count == 1)
    }

    @Test func wholeWordsOfLlamaNeedNoMerges() throws {
        var vocabulary = Synthetic()
        vocabulary.add("Ġhello")
        #expect(
            try Tokenizers.make(vocabulary.metadata).encode(" hello", addSpecial: false, parseSpecial: false).count == 6
        )
        vocabulary.pre = "llama-bpe"
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        #expect(tokenizer.encode(" hello", addSpecial: false, parseSpecial: false) == [256])
        // The same words, merged.
        vocabulary.pre = "smaug-bpe"
        let merging = try Tokenizers.make(vocabulary.metadata)
        #expect(merging.encode(" hello", addSpecial: false, parseSpecial: false).count == 6)
    }

    @Test func beginAndEndTokens() throws {
        var vocabulary = Synthetic()
        vocabulary.add("<s>", type: 3)
        vocabulary.add("</s>", type: 3)
        let ids: [String: Metadata.Value?] = [
            "tokenizer.ggml.bos_token_id": .uint32(256), "tokenizer.ggml.eos_token_id": .uint32(257),
        ]
        func encode(_ changes: [String: Metadata.Value?]) throws -> [Int32] {
            let metadata = vocabulary.metadata.replacing(ids).replacing(changes)
            return try Tokenizers.make(metadata).encode("a", addSpecial: true, parseSpecial: false)
        }
        #expect(try encode([:]) == [97])
        #expect(try encode(["tokenizer.ggml.add_bos_token": .bool(true)]) == [256, 97])
        #expect(try encode(["tokenizer.ggml.add_eos_token": .bool(true)]) == [97, 257])
        // Llama 3's files say nothing and mean true.
        #expect(try encode(["tokenizer.ggml.pre": .string("llama-bpe")]) == [256, 97])
        #expect(try encode(["tokenizer.ggml.pre": .string("smaug-bpe")]) == [97])
        #expect(
            try encode(["tokenizer.ggml.pre": .string("llama-bpe"), "tokenizer.ggml.add_bos_token": .bool(false)]) == [
                97
            ])
        let metadata = vocabulary.metadata.replacing(ids).replacing(["tokenizer.ggml.add_bos_token": .bool(true)])
        #expect(try Tokenizers.make(metadata).encode("a", addSpecial: false, parseSpecial: false) == [97])
    }

    @Test func endOfGeneration() throws {
        var vocabulary = Synthetic()
        let marks = ["<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<other>"]
        for text in marks { vocabulary.add(text, type: 3) }
        vocabulary.add("<|endoftext|>", type: 1)
        #expect(try Tokenizers.make(vocabulary.metadata).endOfGenerationIDs == [256, 257, 258, 259])
        let named: [String: Metadata.Value?] = [
            "tokenizer.ggml.eos_token_id": .uint32(260), "tokenizer.ggml.eot_token_id": .int32(5),
            "tokenizer.ggml.eom_token_id": .uint64(6),
        ]
        let metadata = vocabulary.metadata.replacing(named)
        #expect(try Tokenizers.make(metadata).endOfGenerationIDs == [256, 257, 258, 259, 260, 5, 6])
        // The harmony format: <|end|> ends a part of an answer only.
        vocabulary.add("<|return|>", type: 3)
        vocabulary.add("<|call|>", type: 3)
        #expect(try Tokenizers.make(vocabulary.metadata).endOfGenerationIDs == [256, 257, 258, 262, 263])
    }

    @Test func byteTokens() throws {
        var vocabulary = Synthetic()
        vocabulary.tokens[7] = "<0x07>"
        vocabulary.types[7] = 6
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        #expect(tokenizer.encode([7], addSpecial: false, parseSpecial: false) == [7])
        #expect(tokenizer.bytes(of: 7, renderSpecial: false) == [7])
    }
}
