public import ApusTokenizer

/// From strings that end a repetition to the sequences of tokens that do, for `SamplingOptions.dryBreakers`.
public enum DRYBreakers {
    /// llama.cpp's strings: a line's end, a colon, a quotation mark and an asterisk.
    public static let standard = ["\n", ":", "\"", "*"]

    // llama.cpp's limits: longer strings and sequences are cut.
    private static let maxBytes = 40
    private static let maxTail = 20

    /// The sequences of tokens whose text contains a string, as far as one token reaches into it.
    ///
    /// A token that contains the string is a sequence by itself. One that ends with a beginning of the string is a
    /// sequence together with the tokens of the rest.
    ///
    /// - Parameters:
    ///   - strings: What ends a repetition; empty strings are ignored.
    ///   - tokenizer: The model's.
    /// - Returns: Sequences, each once.
    /// - Complexity: O(bytes of the vocabulary) for each string.
    public static func sequences(of strings: [String], in tokenizer: any Tokenizer) -> [[Int32]] {
        let texts = strings.map { Array($0.utf8.prefix(maxBytes)) }.filter { !$0.isEmpty }
        if texts.isEmpty { return [] }
        // tails[i][n]: the tokens of the text i without its first n bytes.
        let tails = texts.map { text in
            text.indices.map { start in
                start == 0
                    ? []
                    : Array(
                        tokenizer.encode(Array(text[start...]), addSpecial: false, parseSpecial: false)
                            .prefix(maxTail))
            }
        }
        var found: [[Int32]] = []
        for id in 0..<Int32(clamping: tokenizer.vocabularySize) {
            let word = tokenizer.bytes(of: id, renderSpecial: true)
            var ofToken: Set<[Int32]> = []
            for (text, tails) in zip(texts, tails) {
                for tail in overlaps(of: word, with: text).map({ $0 == text.count ? [] : tails[$0] })
                where ofToken.insert(tail).inserted {
                    found.append([id] + tail)
                }
            }
        }
        return found
    }

    /// How many bytes of `text` lie in `word`: all when it contains the text, else those of every beginning of the text
    /// that the word ends with.
    private static func overlaps(of word: [UInt8], with text: [UInt8]) -> [Int] {
        var ends: [Int] = []
        for start in word.indices where word[start] == text[0] {
            let length = min(text.count, word.count - start)
            guard word[start..<start + length] == text[..<length] else { continue }
            if length == text.count { return [length] }
            ends.append(length)
        }
        return ends
    }
}
