// StarCoder's words: every digit stands alone, what lies between is cut as GPT-2 does.

/// `\p{N}`, and in each part between `GPT2PreTokenizer`'s pattern: that is `SmolLMPreTokenizer`.
struct StarCoderPreTokenizer: PreTokenizer {
    static let names = ["starcoder"]

    private let words = SmolLMPreTokenizer()

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        words.split(text, range, body)
    }
}
