// Falcon's words: punctuation apart, then GPT-2's words, then digits by threes.

/// ``[\p{P}\$\+<=>\^~\|`]+``, then `GPT2PreTokenizer`'s pattern, then `[0-9][0-9][0-9]`.
struct FalconPreTokenizer: PreTokenizer {
    static let names = ["falcon"]

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        DefaultPreTokenizer.split(text, range, isFalcon: true, body)
    }
}
