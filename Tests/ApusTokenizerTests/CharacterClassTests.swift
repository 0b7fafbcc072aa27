// Which characters are letters, numbers, white space and punctuation: all of them, against Python's `unicodedata`.

import ApusGGUF
import ApusTokenizer
import Foundation
import Testing

struct CharacterClassTests {
    /// A tokenizer that shows whether two characters are in one word: a merge of their neighbouring bytes happens or not.
    private func tokenizer(_ first: Character, pre: String) throws -> any Tokenizer {
        var vocabulary = Synthetic()
        vocabulary.pre = pre
        let last = Array(first.utf8).suffix(1)
        for byte in UInt8.min...UInt8.max { vocabulary.merge(Array(last), [byte]) }
        return try Tokenizers.make(vocabulary.metadata)
    }

    @Test func everyCharacter() throws {
        let lines = try Oracle.run(["classes"]) { folder in
            try String(contentsOf: folder.appendingPathComponent("classes.txt"), encoding: .utf8)
        }
        let letters = try tokenizer("a", pre: "gpt-2")
        let numbers = try tokenizer("1", pre: "gpt-2")
        let others = try tokenizer("!", pre: "gpt-2")
        let punctuation = try tokenizer("!", pre: "default")
        func joins(_ tokenizer: any Tokenizer, _ first: UInt8, _ scalar: Unicode.Scalar) -> Bool {
            let bytes = [first] + Array(String(scalar).utf8)
            return tokenizer.encode(bytes, addSpecial: false, parseSpecial: false).count < bytes.count
        }
        var count = 0
        var differences: [String] = []
        for line in lines.split(separator: "\n") {
            let fields = line.split(separator: " ")
            let first = try #require(UInt32(fields[0]))
            let last = try #require(UInt32(fields[1]))
            let category = fields[2]
            let isSpace = fields[3] == "1"
            // Thousands of ideographs, syllables and private characters in a row: some of them.
            for value in stride(from: first, to: last, by: last - first > 4000 ? 64 : 1) + [last] {
                guard let scalar = Unicode.Scalar(value) else { continue }
                count += 1
                let found = [
                    joins(letters, 0x61, scalar), joins(numbers, 0x31, scalar), joins(others, 0x21, scalar),
                    joins(punctuation, 0x21, scalar),
                ]
                // White space is in no word with the character before it.
                let isOther = !isSpace && category.first != "L" && category.first != "N"
                let wanted = [
                    category.first == "L", category.first == "N", isOther,
                    category.first == "P" || "$+<=>^~|".unicodeScalars.contains(scalar),
                ]
                if found != wanted { differences.append("U+\(String(value, radix: 16)) \(category) \(found)") }
            }
        }
        #expect(count > 20_000)
        // Unicode changes a character's category once in years; Python's version is older or newer than Swift's.
        #expect(differences.count <= 8, "\(differences.count): \(differences.prefix(40))")
    }
}
