// Llama 3's words without what `llama-bpe` says besides: SmolLM3, Smaug and DBRX.

/// `LlamaBPEPreTokenizer`'s pattern; words are merged like any others, and no begin token is put in front
/// unless the file says so.
struct SmaugPreTokenizer: PreTokenizer {
    // Files of these names have the same pattern.
    static let names = ["smaug-bpe", "dbrx"]

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        LlamaBPEPreTokenizer.split(text, range, longestNumber: 3, body)
    }
}
