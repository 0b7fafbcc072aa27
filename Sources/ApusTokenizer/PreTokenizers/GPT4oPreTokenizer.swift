// GPT-4o's words, which Llama 4 and gpt-oss have too: cut where small letters end, digits by threes.

/// `CasedWords` with contractions at the ends of words and `\p{N}{1,3}`.
struct GPT4oPreTokenizer: PreTokenizer {
    // Files of these names have the same pattern.
    static let names = ["gpt-4o", "llama4", "kanana2", "talkie"]

    private let words = CasedWords(longestNumber: 3, takesContractions: true)

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        words.split(text, range, body)
    }
}
