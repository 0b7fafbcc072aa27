// Qwen 2 and 3's words: Llama 3's with single digits.

/// `LlamaBPEPreTokenizer`'s pattern with `\p{N}` for `\p{N}{1,3}`.
struct Qwen2PreTokenizer: PreTokenizer {
    // Files of these names have the same pattern.
    static let names = ["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "grok-2"]

    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        LlamaBPEPreTokenizer.split(text, range, longestNumber: 1, body)
    }
}
