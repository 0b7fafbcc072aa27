// A model for tests whose next token depends on every token before it: a wrong prefix changes all that follows.

import Apus
import ApusGGUF
import ApusModel
import ApusTokenizer

final class HashingModel: RewindableLogitsSource {
    let vocabularySize: Int
    let contextLength: Int
    private(set) var held: [Int32] = []
    /// How many tokens were computed in all.
    private(set) var computed = 0
    /// Is called before each piece of work.
    var onEval: () -> Void = {}
    private let end: Int32
    /// How much likelier a reply's end is than a letter.
    private let endLogit: Float

    var position: Int { held.count }

    init(_ tokenizer: any Tokenizer, contextLength: Int = 2000, endLogit: Float = 0) {
        vocabularySize = tokenizer.vocabularySize
        end = tokenizer.eosID ?? 0
        self.contextLength = contextLength
        self.endLogit = endLogit
    }

    func eval(_ ids: [Int32], cancellation: CancellationFlag?) throws(ApusError) {
        onEval()
        guard held.count + ids.count <= contextLength else { throw ApusError(.contextFull, "full") }
        for id in ids {
            if cancellation?.isCancelled == true { throw ApusError(.cancelled, "cancelled") }
            held.append(id)
            computed += 1
        }
    }

    func truncate(to length: Int) { held.removeSubrange(length...) }

    func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R {
        var state: UInt64 = 0
        for id in held { state = (state ^ UInt64(id)) &* 0x9E37_79B9_7F4A_7C15; state ^= state >> 29 }
        var logits = [Float](repeating: -.infinity, count: vocabularySize)
        for letter in UInt8(ascii: "a")...UInt8(ascii: "z") {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            logits[Int(letter)] = Float(state >> 40) * 0x1p-24
        }
        logits[Int(end)] = endLogit
        return logits.withUnsafeMutableBufferPointer { body($0) }
    }
}

/// A vocabulary of bytes with the marks of ChatML and Gemma.
enum ChatVocabulary {
    static let size = 256 + marks.count
    static let marks = ["<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<bos>"]

    static func metadata(
        marks: [String] = marks, template: String? = nil, _ more: [(key: String, value: Metadata.Value)] = []
    ) -> Metadata {
        func byteText(_ byte: UInt8) -> String {
            func isPrintable(_ byte: UInt8) -> Bool {
                (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
            }
            let others = (UInt8.min...UInt8.max).filter { !isPrintable($0) }
            let value = others.firstIndex(of: byte).map { 256 + $0 } ?? Int(byte)
            return Unicode.Scalar(UInt32(value)).map { String(Character($0)) } ?? ""
        }
        var entries: [(key: String, value: Metadata.Value)] = [
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("gpt-2")),
            (
                "tokenizer.ggml.tokens",
                .strings(GGUFStringArray((UInt8.min...UInt8.max).map(byteText) + marks))
            ),
            (
                "tokenizer.ggml.token_type",
                .numbers(
                    GGUFNumberArray([Int32](repeating: 1, count: 256) + [Int32](repeating: 3, count: marks.count)))
            ),
            ("tokenizer.ggml.merges", .strings(GGUFStringArray([String]()))),
        ]
        if let end = marks.firstIndex(of: "<|im_end|>") {
            entries.append(("tokenizer.ggml.eos_token_id", .uint32(UInt32(256 + end))))
        }
        if let bos = marks.firstIndex(of: "<bos>") {
            entries.append(("tokenizer.ggml.bos_token_id", .uint32(UInt32(256 + bos))))
        }
        if let template { entries.append(("tokenizer.chat_template", .string(template))) }
        return Metadata(entries + more, source: "test.gguf")
    }
}
