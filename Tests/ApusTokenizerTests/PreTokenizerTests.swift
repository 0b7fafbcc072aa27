// Where each pattern cuts, on texts small enough to see it; the oracle's vocabularies hide cuts that no merge crosses.

import ApusGGUF
import ApusTokenizer
import Testing

struct PreTokenizerTests {
    /// The words of a text. A vocabulary whose only merge is of two neighbouring bytes shows whether there is a cut between
    /// them; no byte may stand three times in a row.
    private func words(_ text: String, _ pre: String) throws -> [String] {
        let bytes = Array(text.utf8)
        var words: [[UInt8]] = [[]]
        for index in bytes.indices {
            words[words.count - 1].append(bytes[index])
            guard index + 1 < bytes.count else { break }
            var vocabulary = Synthetic()
            vocabulary.pre = pre
            vocabulary.merge([bytes[index]], [bytes[index + 1]])
            let tokenizer = try Tokenizers.make(vocabulary.metadata)
            var offset = 0
            var isOneToken = false
            for id in tokenizer.encode(bytes, addSpecial: false, parseSpecial: false) {
                let length = tokenizer.bytes(of: id, renderSpecial: false).count
                if offset == index, length == 2 { isOneToken = true }
                offset += length
            }
            #expect(offset == bytes.count)
            if !isOneToken { words.append([]) }
        }
        return words.map { String(decoding: $0, as: UTF8.self) }
    }

    private func expect(
        _ pre: String, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let found = try self.words(words.joined(), pre)
        #expect(found == words, sourceLocation: sourceLocation)
    }

    @Test func gpt2() throws {
        try expect("gpt-2", ["Hi", " there", ",", " you", "'re", " it", "'s", "!'", "S", " '", "x"])
        try expect("gpt-2", ["a", " 1234", "b", "٣٤½"])
        try expect("gpt-2", ["a", "\t ", " b", "\n", "\t", "c", " \n"])
        try expect("gpt-2", ["a", "\u{A0}", "b", "\u{3000}\u{A0}", "\u{2028}", "c"])
        try expect("gpt-2", ["e", "\u{301}", "x", "😀‍", " 漢字", "。"])
        try expect("gpt-2", ["a", "\u{0}\u{4}", "b", "\u{200B}", "c"])
    }

    @Test func smolLM() throws {
        try expect("smollm", ["a", " ", "1", "2", "3", " b", " ", "٣", "½", "x"])
        try expect(
            "smollm",
            ["it", "'s", "\n ", "4", ".", "5", "\t ", "6"])
        try expect("smollm", ["²", "-", "Ⅷ", "①"])
    }

    @Test func llama() throws {
        try expect("llama-bpe", ["Hi", " there", ",", " you", "'RE", " it", "'S", "!'", "x", " '", "y"])
        try expect("llama-bpe", ["'ſ", "a", "'s", "a", "'Ll", "'lx", "'Ve", "'vx", "'d", "'m", "'t"])
        try expect("llama-bpe", ["a", " ", "123", "456", "7", "b", "٣٤1", "½"])
        try expect("llama-bpe", ["a", "\t ", " b", "\tc", "\u{A0}d", "(e", ")", " (", "f"])
        try expect("llama-bpe", ["a", "\n", "b", " \r\n \n", "\t", " c", "!\n\r", " x", " ?\n", "\ty"])
        try expect("llama-bpe", ["a", "\t", " ", "1", "\t", " ."])
        try expect("llama-bpe", ["x", "\u{301}y", "😀漢字", "。", " \t"])
    }

    @Test func standard() throws {
        try expect("default", ["Hi", ",", " there", "!?", "it", "'", "s", " ", "$+", "5"])
        try expect("default", ["a", " ", "123", "456", "7", "b", "٣٤", "123", "4", " ", "½"])
        try expect("default", ["a", "`", "b", "<=", "c", "|~^>", " ", "-", "d", "。", "é"])
        try expect("default", ["a", "\t ", " b", "€", " €", "(", "x"])
    }

    @Test func qwen2() throws {
        try expect(
            "qwen2", ["Hi", " there", "'RE", " ", "1", "2", "3", "a", "٣", "½", " it", "'s", " .\n", "\t", " b"])
    }

    /// Small letters end where capital ones begin; letters without case, and marks, are both.
    @Test(arguments: ["gpt-4o", "tekken"])
    func casedWords(pre: String) throws {
        try expect(pre, ["camel", "Case", "HTMLparser", " HTTP", "(Server", ")", " x", "Ǆab", "Ǆ"])
        try expect(pre, ["漢字a", "B漢", "C", " 漢Aa", "AB\u{301}c", "D"])
        try expect(pre, ["\u{301}Ab", " \u{301}", "AB", "!\u{301}a\u{301}", "\n", "x"])
        try expect(pre, ["a", "!/\r\n/", " ?\n", " .", "\t \n", " é"])
        try expect(pre, ["a", " /", "b", "\n", "/_", "c"])
    }

    @Test func casedWordsDiffer() throws {
        try expect("gpt-4o", ["it's", " WE'RE", " x'ſ", "'ab's", "123", "4", "a"])
        try expect("tekken", ["it", "'s", " WE", "'RE", " x", "'ſ", "'ab", "'s", "1", "2", "3", "a"])
    }

    @Test func falcon() throws {
        try expect("falcon", ["Hi", ",", " you", "`'", "s", " ", "123", "4", " 12", "a", "٣", "412", "3", " €"])
    }

    @Test func deepSeekCoder() throws {
        try expect(
            "deepseek-coder", ["Hi", " there", ",", " ?", "\t", " a", "\n", "\r", "1", "2", "٣", " ", "漢字", "b"])
        try expect("deepseek-coder", ["a", " $ ", "4", "+", " ", "漢", " ", "カ", "é", " \t\u{301}", "\u{2003}ไ"])
    }

    @Test func deepSeekLLM() throws {
        try expect("deepseek-llm", ["Hi", " there", ",", " ?", "\t", " a", "\n", "\r", "12٣4", " ", "漢字", "b"])
        // Every pattern cuts the pieces of the last: the third takes the ASCII letters out of a word.
        try expect("deepseek-llm", ["Gr", "öß", "e", " ä", "b", " $", " 𝒜", "€", "x", " \t"])
        try expect("deepseek-llm", [" Ω", "\u{1E00}", "А", " א", " -", "„", "Ａ", "１", "\u{3000}", "b"])
    }

    @Test(arguments: ["starcoder", "refact", "command-r"])
    func singleDigits(pre: String) throws {
        try expect(pre, ["a", " ", "1", "2", "3", " b", "'s", " ", "٣", "½", "x", "\n ", " y"])
    }

    @Test(arguments: [
        ("mpt", "gpt-2"), ("llama4", "gpt-4o"), ("llama3", "llama-bpe"), ("llama-v3", "llama-bpe"),
        ("falcon3", "llama-bpe"), ("smaug-bpe", "llama-bpe"), ("dbrx", "llama-bpe"),
    ])
    func otherNames(name: String, same: String) throws {
        #expect(try words("a'S 1234\n\n b", name) == words("a'S 1234\n\n b", same))
    }
}
