// SentencePiece on small vocabularies: against the definition, and what files do and leave out.

import ApusGGUF
import ApusTokenizer
import Testing

/// A vocabulary of pieces: unknown, begin and end tokens, the bytes, then what a test adds.
struct SyntheticPieces {
    var tokens = ["<unk>", "<s>", "</s>"] + (0..<256).map { SyntheticPieces.byte(UInt8($0)) }
    var types: [Int32] = [2, 3, 3] + [Int32](repeating: 6, count: 256)
    var scores = [Float](repeating: 0, count: 259)
    var prefix: Bool? = false

    static func byte(_ value: UInt8) -> String {
        let hex = String(value, radix: 16, uppercase: true)
        return "<0x\(hex.count == 1 ? "0" : "")\(hex)>"
    }

    /// Adds a piece.
    ///
    /// - Returns: Its id.
    @discardableResult
    mutating func add(_ text: String, _ score: Float, type: Int32 = 1) -> Int32 {
        tokens.append(text)
        types.append(type)
        scores.append(score)
        return Int32(tokens.count - 1)
    }

    var metadata: Metadata {
        var entries: [(key: String, value: Metadata.Value)] = [
            ("tokenizer.ggml.model", .string("llama")),
            ("tokenizer.ggml.tokens", .strings(GGUFStringArray(tokens))),
            ("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types))),
            ("tokenizer.ggml.scores", .numbers(GGUFNumberArray(scores))),
        ]
        if let prefix { entries.append(("tokenizer.ggml.add_space_prefix", .bool(prefix))) }
        return Metadata(entries, source: "test.gguf")
    }
}

struct SentencePieceTests {
    private func encode(
        _ pieces: SyntheticPieces, _ text: String, special: Bool = false, parse: Bool = false
    ) throws -> [Int32] {
        try Tokenizers.make(pieces.metadata).encode(text, addSpecial: special, parseSpecial: parse)
    }

    private func ids(_ text: String) -> [Int32] { text.utf8.map { (byte: UInt8) -> Int32 in Int32(byte) + 3 } }

    /// The definition: of all neighbours that make a piece the one with the highest score, the leftmost of equals.
    private func naive(_ text: String, _ pieces: SyntheticPieces) -> [String] {
        let scores = Dictionary(
            uniqueKeysWithValues: pieces.tokens.indices.dropFirst(259).map { (pieces.tokens[$0], pieces.scores[$0]) })
        var parts = text.map { String($0) }
        while true {
            var best: (score: Float, index: Int)?
            for index in parts.indices.dropLast() {
                guard let score = scores[parts[index] + parts[index + 1]], score > best?.score ?? -.infinity else {
                    continue
                }
                best = (score, index)
            }
            guard let best else { return parts }
            parts[best.index] += parts.remove(at: best.index + 1)
        }
    }

    /// Random pieces over few letters (some pieces reach across spaces), texts short and long, scores that are alike.
    @Test(arguments: 0..<30)
    func mergesAsDefined(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let letters = Array(seed % 3 == 0 ? "ab" : seed % 3 == 1 ? "abé漢" : "ab▁")
        func random(_ lengths: ClosedRange<Int>) -> String {
            let count = Int.random(in: lengths, using: &generator)
            return String((0..<count).map { _ in letters.randomElement(using: &generator) ?? "a" })
        }
        var pieces = SyntheticPieces()
        for letter in letters.dropLast() { pieces.add(String(letter), -100) }
        for _ in 0..<50 {
            let text = random(2...7)
            if !pieces.tokens.contains(text) { pieces.add(text, Float(Int.random(in: -20...5, using: &generator))) }
        }
        let tokenizer = try Tokenizers.make(pieces.metadata)
        let lengths = pieces.tokens.indices.map { tokenizer.bytes(of: Int32($0), renderSpecial: true).count }
        #expect(tokenizer.longestToken == lengths.max())
        let byText = Dictionary(uniqueKeysWithValues: pieces.tokens.enumerated().map { ($1, Int32($0)) })
        for _ in 0..<60 {
            let text = random(0...(Bool.random(using: &generator) ? 30 : 200))
            let wanted = naive(text, pieces).flatMap { byText[$0].map { [$0] } ?? ids($0) }
            let found = tokenizer.encode(
                text.replacing("▁", with: " "), addSpecial: false, parseSpecial: false)
            #expect(found == wanted, "\(text)")
        }
    }

    @Test func spacePrefix() throws {
        var pieces = SyntheticPieces()
        let space = pieces.add("▁", -3)
        let spaceA = pieces.add("▁a", -1)
        pieces.add("a", -2)
        let two = pieces.add("▁▁", -9)
        let mark = pieces.add("[X]", 0, type: 3)
        let user = pieces.add("<u>", 0, type: 4)
        #expect(try encode(pieces, "a") == [spaceA + 1])
        #expect(try encode(pieces, " a") == [spaceA])
        pieces.prefix = nil  // Llama's own: with a prefix
        let tokenizer = try Tokenizers.make(pieces.metadata)
        func expect(_ text: String, _ wanted: [Int32], parse: Bool = true) throws {
            let found = tokenizer.encode(text, addSpecial: false, parseSpecial: parse)
            #expect(found == wanted, "\(text)")
            for rendered in [true, false] where rendered || !wanted.contains(mark) {
                #expect(try tokenizer.decode(found, renderSpecial: rendered) == Array(text.utf8))
            }
        }
        try expect("", [])
        try expect("a", [spaceA])
        try expect(" a", [space, spaceA])
        try expect("  ", [two, space])
        // Anew after a control token, but not after a user-defined one, which is text.
        try expect("a[X]a[X][X] a", [spaceA, mark, spaceA, mark, mark, space, spaceA])
        try expect("a<u>a", [spaceA, user, spaceA + 1])
        try expect("<u>a", [space, user, spaceA + 1])
        try expect("[X]", [space] + ids("[X]"), parse: false)
    }

    @Test func bytesAndUnknownText() throws {
        var pieces = SyntheticPieces()
        let ab = pieces.add("ab", -1)
        #expect(try encode(pieces, "é漢\n") == ids("é漢\n"))
        let tokenizer = try Tokenizers.make(pieces.metadata)
        #expect(tokenizer.warnings == [])
        // Bytes that are no text are symbols of their own; a byte's name in text is mere text.
        let found = tokenizer.encode([0x61, 0x62, 0xFF, 0xC3, 0x61, 0x62], addSpecial: false, parseSpecial: false)
        let wanted: [Int32] = [ab, 0x102, 0xC6, ab]
        #expect(found == wanted)
        #expect(try tokenizer.decode(found, renderSpecial: false) == [0x61, 0x62, 0xFF, 0xC3, 0x61, 0x62])
        #expect(try encode(pieces, "<0x41>") == ids("<0x41>"))
        // Without tokens for bytes: the unknown token, one for a run.
        pieces.types = pieces.types.map { $0 == 6 ? 5 : $0 }
        let poor = try Tokenizers.make(pieces.metadata)
        #expect(poor.encode("xéabc", addSpecial: false, parseSpecial: true) == [0, ab, 0])
        #expect(poor.warnings.contains { $0.contains("256 of 256 bytes") })
        #expect(poor.bytes(of: 0, renderSpecial: false) == [])
    }

    @Test func tokensOfEveryType() throws {
        var pieces = SyntheticPieces()
        let mark = pieces.add("ab", 5, type: 3)
        let user = pieces.add("c  d", 0, type: 4)
        let half = pieces.add("xy", -2)
        pieces.add("xyz", -1, type: 5)
        let whole = pieces.add("xyzw", 0)
        // Text is never merged into a control token.
        #expect(try encode(pieces, "ab") == ids("ab"))
        #expect(try encode(pieces, "ab", parse: true) == [mark])
        #expect(try encode(pieces, "bc  d") == ids("b") + [user])
        // An unused token leads to another, or is taken apart again.
        #expect(try encode(pieces, "xyzw") == [whole])
        #expect(try encode(pieces, "xyz") == [half] + ids("z"))
        let tokenizer = try Tokenizers.make(pieces.metadata)
        #expect(tokenizer.isSpecial(mark))
        #expect(tokenizer.isSpecial(0))
        #expect(!tokenizer.isSpecial(user))
        #expect(!tokenizer.isSpecial(70))
        #expect(tokenizer.bytes(of: mark, renderSpecial: false) == [])
        #expect(tokenizer.bytes(of: mark, renderSpecial: true) == Array("ab".utf8))
        #expect(tokenizer.bytes(of: -1, renderSpecial: true) == [])
        #expect(tokenizer.tokenText(half) == "xy")
    }

    @Test func beginAndEndTokens() throws {
        let pieces = SyntheticPieces()
        let tokenizer = try Tokenizers.make(pieces.metadata)
        // Files that say nothing mean Llama's tokens, and a begin token.
        #expect(tokenizer.bosID == 1)
        #expect(tokenizer.eosID == 2)
        #expect(tokenizer.endOfGenerationIDs == [2])
        #expect(tokenizer.encode("a", addSpecial: true, parseSpecial: false) == [1] + ids("a"))
        func encode(_ changes: [String: Metadata.Value?]) throws -> [Int32] {
            try Tokenizers.make(pieces.metadata.replacing(changes)).encode("a", addSpecial: true, parseSpecial: false)
        }
        #expect(try encode(["tokenizer.ggml.add_bos_token": .bool(false)]) == ids("a"))
        #expect(try encode(["tokenizer.ggml.add_eos_token": .bool(true)]) == [1] + ids("a") + [2])
        #expect(try encode(["tokenizer.ggml.bos_token_id": .uint32(9)]) == [9] + ids("a"))
    }

    @Test func badFiles() throws {
        func expect(_ changes: [String: Metadata.Value?], says parts: String...) {
            let error = #expect(throws: ApusError.self) {
                try Tokenizers.make(SyntheticPieces().metadata.replacing(changes))
            }
            #expect(error?.code == .format)
            for part in parts { #expect(error?.message.contains(part) == true, "\(error?.message ?? "")") }
        }
        expect(["tokenizer.ggml.scores": nil], says: "tokenizer.ggml.scores")
        expect(["tokenizer.ggml.scores": .string("x")], says: "tokenizer.ggml.scores")
        let short = GGUFNumberArray([Float](repeating: 0, count: 3))
        expect(["tokenizer.ggml.scores": .numbers(short)], says: "tokenizer.ggml.scores", "259")
        var scores = SyntheticPieces().scores
        scores[17] = .nan
        expect(["tokenizer.ggml.scores": .numbers(GGUFNumberArray(scores))], says: "token 17", "nan")
        expect(["tokenizer.ggml.add_space_prefix": .uint32(1)], says: "tokenizer.ggml.add_space_prefix", "bool")
        expect(["tokenizer.ggml.unknown_token_id": .uint32(259)], says: "tokenizer.ggml.unknown_token_id", "0...258")
        expect(["tokenizer.ggml.tokens": nil], says: "tokenizer.ggml.tokens")
    }

    /// Scores of any size, pieces beyond the limit: what is odd does not stop it.
    @Test func oddFiles() throws {
        var pieces = SyntheticPieces()
        pieces.add("ab", .infinity)
        pieces.add("bc", -.infinity)
        pieces.add(String(repeating: "a", count: 600), 1)
        pieces.add("", 1)
        pieces.add("ab", 3)
        let tokenizer = try Tokenizers.make(pieces.metadata)
        #expect(tokenizer.encode("abc", addSpecial: false, parseSpecial: false) == [259] + ids("c"))
        #expect(
            tokenizer.encode(String(repeating: "a", count: 600), addSpecial: false, parseSpecial: false).count == 600)
        #expect(tokenizer.warnings.contains { $0.contains("token 263") })
    }
}
