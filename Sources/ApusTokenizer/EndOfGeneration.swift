// Which tokens end an answer: what the file names, and well-known marks that files forget to name.

import ApusGGUF

/// The tokens after which a model has said all.
enum EndOfGeneration {
    /// Marks that end an answer wherever they are a token of their own (a control or user-defined one).
    private static let texts = [
        "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|return|>",
        "<|call|>", "<|calls|>", "<|flush|>", "<end_of_turn>", "<end_of_utterance>", "<turn|>", "<|tool_response>",
        "</s>", "<eos>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "[e~[", "<｜end▁of▁sentence｜>",
        // Code models end a filled-in middle with the mark of the next file or repository.
        "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
        "<REPO>", "<reponame>", "<|file_sep|>",
    ]

    /// The ids that end generation.
    ///
    /// - Parameters:
    ///   - tokens: The texts of the vocabulary.
    ///   - index: The index of `tokens`.
    ///   - types: The types of the tokens, or none.
    ///   - named: The ids that the file names for this (end of sequence, of turn, of message).
    static func ids(_ tokens: GGUFStringArray, _ index: TokenIndex, _ types: [UInt8], named: [Int32]) -> Set<Int32> {
        func id(_ text: String) -> Int32? {
            let id = index.withLookup(tokens) { lookup in
                Array(text.utf8).withUnsafeBytes { lookup.id(of: $0) }
            }
            guard id >= 0, Int(id) < types.count else { return nil }
            let type = TokenType(rawValue: types[Int(id)])
            return type == .control || type == .userDefined ? id : nil
        }
        var found = Set(texts.compactMap(id))
        // Where an answer consists of parts, `<|end|>` closes a part: the harmony format and Solar's.
        func has(_ text: String) -> Bool { id(text) != nil }
        if let end = id("<|end|>"), !named.contains(end),
            has("<|return|>") && has("<|call|>") || has("<|flush|>") && (has("<|call|>") || has("<|calls|>"))
        {
            found.remove(end)
        }
        // Gemma 4's file keeps `</s>` as mere text.
        if let end = id("</s>"), !named.contains(end), has("<|tool_response>") { found.remove(end) }
        return found.union(named)
    }
}
