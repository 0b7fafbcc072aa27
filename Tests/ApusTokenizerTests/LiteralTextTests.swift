// Text that is not trusted among text that is: control tokens come of the latter alone.

import ApusTokenizer
import Testing

@Suite("Literal text")
struct LiteralTextTests {
    private static let texts: [(text: String, isMark: Bool)] = [
        ("<a>", true), ("<a><b>", true), ("<b>", true), ("<a", false), ("b>x", false), ("<c>", false), ("x<", true),
    ]

    /// At each place the longest token: a mark only where no byte of it is literal.
    private func naive(_ bytes: [UInt8], _ literal: [Range<Int>], _ ids: [String: Int32], byte: (UInt8) -> Int32)
        -> [Int32]
    {
        var result: [Int32] = []
        var place = 0
        while place < bytes.count {
            let fitting = Self.texts.filter { text, isMark in
                let range = place..<place + text.utf8.count
                return bytes[place...].starts(with: text.utf8)
                    && !(isMark && literal.contains { $0.overlaps(range) })
            }
            if let best = fitting.max(by: { $0.text.utf8.count < $1.text.utf8.count }), let id = ids[best.text] {
                result.append(id)
                place += best.text.utf8.count
            } else {
                result.append(byte(bytes[place]))
                place += 1
            }
        }
        return result
    }

    private func check(_ tokenizer: any Tokenizer, _ ids: [String: Int32], byte: (UInt8) -> Int32) {
        var generator = Generator(seed: 11)
        var marks = 0
        for _ in 0..<3000 {
            var bytes: [UInt8] = []
            var literal: [Range<Int>] = []
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let start = bytes.count
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    bytes +=
                        Array("<a|<a>|<b>|b>|>|x|<c>|x<".utf8).split(separator: UInt8(ascii: "|"))
                        .randomElement(using: &generator) ?? []
                }
                if Bool.random(using: &generator) { literal.append(start..<bytes.count) }
            }
            let found = tokenizer.encode(bytes, addSpecial: false, parseSpecial: true, literal: literal)
            #expect(
                found == naive(bytes, literal, ids, byte: byte), "\(String(decoding: bytes, as: UTF8.self)) \(literal)")
            marks += found.count { tokenizer.isSpecial($0) }
            let all = tokenizer.encode(bytes, addSpecial: false, parseSpecial: true, literal: [0..<bytes.count])
            #expect(!all.contains { tokenizer.isSpecial($0) })
        }
        #expect(marks > 1000)
    }

    @Test("byte-level BPE")
    func bpe() throws {
        var vocabulary = Synthetic()
        var ids: [String: Int32] = [:]
        for (text, isMark) in Self.texts {
            vocabulary.add(text, type: isMark ? 3 : 4)
            ids[text] = Int32(vocabulary.tokens.count - 1)
        }
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        check(tokenizer, ids) { Int32($0) }
    }

    @Test("SentencePiece")
    func sentencePiece() throws {
        var pieces = SyntheticPieces()
        var ids: [String: Int32] = [:]
        for (text, isMark) in Self.texts { ids[text] = pieces.add(text, 0, type: isMark ? 3 : 4) }
        check(try Tokenizers.make(pieces.metadata), ids) { Int32($0) + 3 }
    }

    @Test("words reach over the border between trusted and literal text")
    func merges() throws {
        var vocabulary = Synthetic()
        vocabulary.merge(Array("h".utf8), Array("e".utf8))
        vocabulary.add("<m>", type: 3)
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        let ids = tokenizer.encode(Array("<m>he<m>".utf8), addSpecial: false, parseSpecial: true, literal: [4..<8])
        #expect(ids == [257, 256] + "<m>".utf8.map { (byte: UInt8) -> Int32 in Int32(byte) })
    }
}
