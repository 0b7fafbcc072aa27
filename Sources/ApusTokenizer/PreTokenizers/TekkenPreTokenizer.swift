// Tekken's words, of Mistral's models since Nemo: cut where small letters end, single digits.

/// `CasedWords` without contractions and with `\p{N}`.
struct TekkenPreTokenizer: PreTokenizer {
    static let names = ["tekken"]
    static let ignoresMerges = true
    static let addsBOS = true

    private let words = CasedWords(longestNumber: 1, takesContractions: false)

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        words.split(text, range, body)
    }
}
