// A megabyte of what makes tokenizers quadratic. The limit of the specification is a second; this only guards against a
// hang, at ten times that (and the time of a debug build).

import ApusGGUF
import ApusTokenizer
import Testing

struct HangTests {
    private static let size = 1_000_000

    @Test(
        .timeLimit(.minutes(5)), arguments: ["gpt-2", "llama-bpe"],
        ["a", " ", "7", "\n", " \n", "<", "<|im_start|", "'", "ab"])
    func repeated(pre: String, unit: String) throws {
        let pattern = Array(unit.utf8)
        try encode((0..<Self.size).map { pattern[$0 % pattern.count] }, pre, unit)
    }

    @Test(
        .timeLimit(.minutes(5)), arguments: ["smollm", "default", "tekken", "deepseek-llm"],
        ["a", " ", "7", ".", "Aa\u{301}"])
    func repeatedDigitsApart(pre: String, unit: String) throws {
        try repeated(pre: pre, unit: unit)
    }

    @Test(.timeLimit(.minutes(5)), arguments: ["gpt-2", "llama-bpe"])
    func random(pre: String) throws {
        var generator = Generator(seed: 1)
        try encode((0..<Self.size).map { _ in UInt8.random(in: 97...122, using: &generator) }, pre, "letters")
        try encode((0..<Self.size).map { _ in UInt8.random(in: 0...255, using: &generator) }, pre, "bytes")
    }

    private func encode(_ text: [UInt8], _ pre: String, _ name: String) throws {
        let metadata = try TestFiles.smolLM2Metadata().replacing(["tokenizer.ggml.pre": .string(pre)])
        let tokenizer = try Tokenizers.make(metadata)
        var ids: [Int32] = []
        let time = ContinuousClock().measure {
            ids = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
        }
        #if DEBUG
            #expect(time < .seconds(60), "\(name), \(pre)")
        #else
            #expect(time < .seconds(10), "\(name), \(pre)")
        #endif
        #expect(!ids.isEmpty)
    }

    /// A text is one word, and pieces are made one character at a time.
    @Test(.timeLimit(.minutes(5)), arguments: ["a", " ", "7", "\n", "ab", "漢", "a ", ""])
    func sentencePiece(unit: String) throws {
        var pieces = SyntheticPieces()
        for length in 1...120 {
            for text in [String(repeating: "a", count: length), String(repeating: "▁", count: length)] {
                pieces.add(text, -Float(length))
            }
        }
        pieces.add("a▁", 1)
        pieces.add("7", 2)
        let tokenizer = try Tokenizers.make(pieces.metadata)
        let pattern = Array(unit.utf8)
        var generator = Generator(seed: 1)
        let text = (0..<Self.size).map { index in
            pattern.isEmpty ? UInt8.random(in: 96...98, using: &generator) : pattern[index % pattern.count]
        }
        let time = ContinuousClock().measure {
            #expect(!tokenizer.encode(text, addSpecial: false, parseSpecial: true).isEmpty)
        }
        #if DEBUG
            #expect(time < .seconds(60), "\(unit)")
        #else
            #expect(time < .seconds(10), "\(unit)")
        #endif
    }

    /// Special tokens that are long and begin alike, in a text that nearly holds them.
    @Test(.timeLimit(.minutes(5))) func manySpecialTokens() throws {
        var vocabulary = Synthetic()
        for length in 2...250 {
            vocabulary.tokens.append(String(repeating: "<", count: length) + ">")
            vocabulary.types.append(3)
        }
        vocabulary.tokens.append(String(repeating: "<", count: 100_000))
        vocabulary.types.append(3)
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        #expect(tokenizer.warnings.contains { $0.contains("100000 bytes") })
        let text = [UInt8](repeating: UInt8(ascii: "<"), count: 200_000)
        let time = ContinuousClock().measure {
            #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: true).count == text.count)
        }
        #if DEBUG
            #expect(time < .seconds(60))
        #else
            #expect(time < .seconds(10))
        #endif
    }
}
