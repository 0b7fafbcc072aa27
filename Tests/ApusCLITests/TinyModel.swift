// A llama model of a few kilobytes with random weights: enough for everything that the command does with one.

import ApusGGUF
import Foundation

enum TinyModel {
    static let contextLength = 96
    /// 256 bytes, three merged tokens, a begin and an end token.
    static let vocabularySize = 261
    static let merged = ["he", "ll", "llo"]
    static let he = 256
    static let llo = 258
    static let bos = 259
    static let eos = 260

    /// Writes the model.
    ///
    /// - Parameters:
    ///   - hasBOS: Whether the file names a begin token.
    ///   - template: The chat template, if it has one.
    ///   - change: Changes metadata before the file is written.
    static func write(
        to path: String, hasBOS: Bool = true, template: String? = "{{ messages }}",
        _ change: (inout GGUFWriter) throws -> Void = { _ in }
    ) throws {
        let dim = 64
        let hidden = 96
        let keys = 32
        var writer = try GGUFWriter()
        writer.set("general.architecture", .string("llama"))
        writer.set("general.name", .string("Tiny \u{1B}[31m model"))
        for (key, value) in [
            ("block_count", 2), ("context_length", contextLength), ("embedding_length", dim),
            ("feed_forward_length", hidden), ("attention.head_count", 4), ("attention.head_count_kv", 2),
            ("vocab_size", vocabularySize),
        ] {
            writer.set("llama.\(key)", .uint32(UInt32(value)))
        }
        writer.set("llama.attention.layer_norm_rms_epsilon", .float32(1e-5))
        writer.set("tokenizer.ggml.model", .string("gpt2"))
        writer.set("tokenizer.ggml.pre", .string("gpt-2"))
        let tokens = (0..<256).map { byteText(UInt8($0)) } + merged + ["<|begin|>", "<|end|>"]
        writer.set("tokenizer.ggml.tokens", .strings(GGUFStringArray(tokens)))
        let types = [Int32](repeating: 1, count: 256 + merged.count) + [3, 3]
        writer.set("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types)))
        writer.set("tokenizer.ggml.merges", .strings(GGUFStringArray(["h e", "l l", "ll o"])))
        if hasBOS { writer.set("tokenizer.ggml.bos_token_id", .uint32(UInt32(bos))) }
        writer.set("tokenizer.ggml.eos_token_id", .uint32(UInt32(eos)))
        if let template { writer.set("tokenizer.chat_template", .string(template)) }

        var state: UInt64 = 1
        func add(_ name: String, _ shape: [Int], scale: Float? = nil, keeps: (Int) -> Bool = { _ in true }) throws {
            let count = shape.reduce(1, *)
            var data = [UInt8]()
            for i in 0..<count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let uniform = Float(Int64(bitPattern: state) >> 40) * 0x1p-23
                let value = scale.map { keeps(i / shape[0]) ? uniform * $0 : 0 } ?? 1
                withUnsafeBytes(of: value) { data += $0 }
            }
            try writer.addTensor(name, shape: shape, type: .f32, data: data)
        }
        // Only readable tokens have weights: the others' logits are 0, and so the text is one for people.
        try add("token_embd.weight", [dim, vocabularySize], scale: 0.3) { (32..<127).contains($0) || $0 >= 256 }
        try add("output_norm.weight", [dim])
        for layer in 0..<2 {
            try add("blk.\(layer).attn_norm.weight", [dim])
            try add("blk.\(layer).attn_q.weight", [dim, dim], scale: 0.3)
            try add("blk.\(layer).attn_k.weight", [dim, keys], scale: 0.3)
            try add("blk.\(layer).attn_v.weight", [dim, keys], scale: 0.3)
            try add("blk.\(layer).attn_output.weight", [dim, dim], scale: 0.3)
            try add("blk.\(layer).ffn_norm.weight", [dim])
            try add("blk.\(layer).ffn_gate.weight", [dim, hidden], scale: 0.3)
            try add("blk.\(layer).ffn_up.weight", [dim, hidden], scale: 0.3)
            try add("blk.\(layer).ffn_down.weight", [hidden, dim], scale: 0.3)
        }
        try change(&writer)
        try writer.write(to: path)
    }

    /// GPT-2's character for a byte: printable ones stand for themselves, the others for U+0100 and up in order.
    private static func byteText(_ byte: UInt8) -> String {
        func isPrintable(_ byte: UInt8) -> Bool {
            (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
        }
        if isPrintable(byte) { return String(Character(Unicode.Scalar(byte))) }
        let others = (0...255).map(UInt8.init).filter { !isPrintable($0) }
        let index = others.firstIndex(of: byte) ?? 0
        return Unicode.Scalar(UInt32(256 + index)).map { String(Character($0)) } ?? ""
    }
}

/// A folder with the tiny model in it.
struct TinyFolder {
    let folder: Folder
    var model: String { folder.path("tiny.gguf") }

    init(
        hasBOS: Bool = true, template: String? = "{{ messages }}",
        _ change: (inout GGUFWriter) throws -> Void = { _ in }
    ) throws {
        folder = try Folder()
        try TinyModel.write(to: folder.path("tiny.gguf"), hasBOS: hasBOS, template: template, change)
    }
}
