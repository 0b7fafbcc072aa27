// Small vocabularies made in code.

import ApusGGUF
import ApusTokenizer

/// A byte-level vocabulary: the 256 bytes in order, then what a test adds.
struct Synthetic {
    var tokens: [String] = (UInt8.min...UInt8.max).map { Synthetic.written([$0]) }
    var types: [Int32] = [Int32](repeating: 1, count: 256)
    var merges: [String] = []
    var pre = "gpt-2"

    /// Bytes in GPT-2's alphabet, by its definition: those that do not print are shifted up, in order.
    static func written(_ bytes: [UInt8]) -> String {
        func prints(_ byte: UInt8) -> Bool {
            (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
        }
        let hidden = (UInt8.min...UInt8.max).filter { !prints($0) }
        var text = ""
        for byte in bytes {
            let shifted = hidden.firstIndex(of: byte).map { 256 + $0 } ?? Int(byte)
            if let scalar = Unicode.Scalar(shifted) { text.unicodeScalars.append(scalar) }
        }
        return text
    }

    /// Adds a merge and its result, when that is no token yet.
    mutating func merge(_ left: [UInt8], _ right: [UInt8]) {
        merges.append(Self.written(left) + " " + Self.written(right))
        add(Self.written(left + right))
    }

    /// Adds a token; its id is the last.
    mutating func add(_ text: String, type: Int32 = 1) {
        if tokens.contains(text) { return }
        tokens.append(text)
        types.append(type)
    }

    var metadata: Metadata {
        Metadata(
            [
                ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string(pre)),
                ("tokenizer.ggml.tokens", .strings(GGUFStringArray(tokens))),
                ("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types))),
                ("tokenizer.ggml.merges", .strings(GGUFStringArray(merges))),
            ], source: "test.gguf")
    }
}
