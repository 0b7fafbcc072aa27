// MPT's words: those of GPT-2.

/// `GPT2PreTokenizer`'s pattern.
struct MPTPreTokenizer: PreTokenizer {
    static let names = ["mpt"]

    private let words = GPT2PreTokenizer()

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        words.split(text, range, body)
    }
}
