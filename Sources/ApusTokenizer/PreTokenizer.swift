// How text is cut into words before byte pairs are merged: the protocol and the registry by `tokenizer.ggml.pre`.

/// A way to cut text into words, written by hand to give what the regular expression of a model family gives.
///
/// A new one is a file in `PreTokenizers/` and a line in `PreTokenizers.all`.
protocol PreTokenizer: Sendable {
    /// The values of `tokenizer.ggml.pre` that mean this pre-tokenizer.
    static var names: [String] { get }
    /// Whether a word that is a token as a whole is taken as it is, even where merges would not lead to it.
    static var ignoresMerges: Bool { get }
    /// Whether a begin token is put in front when the file has no `tokenizer.ggml.add_bos_token`.
    static var addsBOS: Bool { get }

    init()

    /// Calls `body` with the range of each word, in order; the ranges cover `range` without gap.
    ///
    /// Time must be linear in the length of the range: prompts are not trusted.
    func split(_ text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void)
}

extension PreTokenizer {
    static var ignoresMerges: Bool { false }
    static var addsBOS: Bool { false }
}

/// The registry of pre-tokenizers.
enum PreTokenizers {
    /// Every pre-tokenizer; a line each.
    static let all: [any PreTokenizer.Type] = [
        CommandRPreTokenizer.self,
        DeepSeekCoderPreTokenizer.self,
        DeepSeekLLMPreTokenizer.self,
        DefaultPreTokenizer.self,
        FalconPreTokenizer.self,
        GPT2PreTokenizer.self,
        GPT4oPreTokenizer.self,
        LlamaBPEPreTokenizer.self,
        MPTPreTokenizer.self,
        Qwen2PreTokenizer.self,
        RefactPreTokenizer.self,
        SmaugPreTokenizer.self,
        SmolLMPreTokenizer.self,
        StarCoderPreTokenizer.self,
        TekkenPreTokenizer.self,
    ]

    /// The pre-tokenizer of a name, or nil.
    static func named(_ name: String) -> (any PreTokenizer.Type)? {
        all.first { $0.names.contains(name) }
    }

    /// The names of all, for messages.
    static var names: [String] { all.flatMap { $0.names } }
}
