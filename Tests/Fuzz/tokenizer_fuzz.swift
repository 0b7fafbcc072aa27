// libFuzzer's entry for the tokenizer: any vocabulary gives a tokenizer or an error, any bytes give tokens.

import ApusGGUF
import ApusTokenizer

/// The first byte chooses: text for a sound vocabulary, or a vocabulary (and text for it) made of the bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = Input(Array(UnsafeBufferPointer(start: data, count: count)))
    let choice = input.byte()
    if choice & 1 == 0 {
        let sound = sound[Int(choice >> 1) % sound.count]
        encode(input.rest(), sound, comesBack: true)
    } else {
        let metadata = vocabulary(&input)
        do throws(ApusError) {
            encode(input.rest(), try Tokenizers.make(metadata), comesBack: false)
        } catch {
            require(!error.message.isEmpty && !error.message.contains("\n"), "an error of other than one line")
        }
    }
    return 0
}

/// Bytes with a token each, some merges, marks and user-defined tokens, for each pre-tokenizer.
private let sound: [any Tokenizer] = [
    "gpt-2", "smollm", "llama-bpe", "default", "qwen2", "gpt-4o", "tekken", "falcon", "deepseek-llm", "deepseek-coder",
].compactMap { pre in
    var tokens = alphabet
    var merges: [[UInt8]] = []
    for pair in ["a b", "ab ab", "Ġ a", "Ġ Ġ", "ĠĠ ĠĠ", "1 1", "' s", "Ã ©", "ab c", "ÿ ÿ", "Ċ Ċ", "e r", "er er"] {
        merges.append(Array(pair.utf8))
        tokens.append(Array(pair.utf8.filter { $0 != 0x20 }))
    }
    var types = [Int32](repeating: 1, count: tokens.count)
    for (text, type) in [("<|a|>", 3), ("<|ab|>", 3), ("<user>", 4), ("aaa", 4), ("<unk>", 2)] as [(String, Int32)] {
        tokens.append(Array(text.utf8))
        types.append(type)
    }
    let metadata = Metadata([
        ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string(pre)),
        ("tokenizer.ggml.tokens", .strings(GGUFStringArray(bytes: tokens))),
        ("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types))),
        ("tokenizer.ggml.merges", .strings(GGUFStringArray(bytes: merges))),
    ])
    return try? Tokenizers.make(metadata)
}

private let alphabet = (UInt8.min...UInt8.max).map { letter($0) }

/// A byte's character in GPT-2's alphabet, as UTF-8.
private func letter(_ byte: UInt8) -> [UInt8] {
    var hidden: UInt32 = 256
    for other in 0..<byte where !prints(other) { hidden += 1 }
    let scalar = Unicode.Scalar(prints(byte) ? UInt32(byte) : hidden) ?? "?"
    return Array(String(scalar).utf8)
}

private func prints(_ byte: UInt8) -> Bool { (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174 }

private func encode(_ text: [UInt8], _ tokenizer: any Tokenizer, comesBack: Bool) {
    for parse in [false, true] {
        let ids = tokenizer.encode(text, addSpecial: !comesBack, parseSpecial: parse)
        require(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize }, "an id that is out of range")
        if !parse {
            let added = Set([tokenizer.bosID, tokenizer.eosID].compactMap { $0 })
            require(comesBack ? !ids.contains(where: tokenizer.isSpecial) : true, "a control token out of mere text")
            require(added.count <= 2, "more than two tokens added")
        }
        var decoder = StreamDecoder()
        var streamed = ""
        var bytes: [UInt8] = []
        for id in ids {
            let piece = tokenizer.bytes(of: id, renderSpecial: true)
            _ = tokenizer.tokenText(id)
            bytes += piece
            streamed += decoder.append(piece)
        }
        streamed += decoder.finish()
        require(!comesBack || bytes == text, "other bytes than went in")
        let whole = String(decoding: bytes, as: UTF8.self)
        require(streamed.unicodeScalars.elementsEqual(whole.unicodeScalars), "a stream that differs from the whole")
        let isValid = whole.utf8.elementsEqual(bytes)
        require(
            (firstInvalidUTF8Offset(in: bytes) == nil) == isValid, "a fault where there is none, or none where one is")
    }
}

/// Metadata of a tokenizer: some keys, tokens and merges as the bytes say.
private func vocabulary(_ input: inout Input) -> Metadata {
    let flags = input.byte()
    var entries: [(key: String, value: Metadata.Value)] = [("tokenizer.ggml.model", .string("gpt2"))]
    let pre = ["gpt-2", "smollm", "llama-bpe", "default", "llama3", "other"][Int(input.byte() % 6)]
    if flags & 1 == 0 { entries.append(("tokenizer.ggml.pre", .string(pre))) }
    // The bytes' own tokens, so that little input gives much; then tokens of the input.
    var tokens = flags & 2 == 0 ? alphabet : []
    for _ in 0..<input.byte() % 32 { tokens.append(input.chunk()) }
    entries.append(("tokenizer.ggml.tokens", .strings(GGUFStringArray(bytes: tokens))))
    var merges: [[UInt8]] = []
    for _ in 0..<input.byte() % 32 { merges.append(input.chunk()) }
    if flags & 4 == 0 { entries.append(("tokenizer.ggml.merges", .strings(GGUFStringArray(bytes: merges)))) }
    if flags & 8 == 0 {
        var types = [Int32](repeating: 1, count: tokens.count)
        for _ in 0..<input.byte() % 16 where !types.isEmpty {
            types[Int(input.byte()) * 3 % types.count] = Int32(input.byte() % 9)
        }
        entries.append(("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types))))
    }
    for (bit, key) in [(UInt8(16), "bos"), (32, "eos"), (64, "eot")] where flags & bit != 0 {
        entries.append(("tokenizer.ggml.\(key)_token_id", .int32(Int32(input.byte()) * 2 - 8)))
    }
    if flags & 128 != 0 {
        entries.append(("tokenizer.ggml.add_bos_token", .bool(input.byte() & 1 == 0)))
        entries.append(("tokenizer.ggml.add_eos_token", .bool(input.byte() & 1 == 0)))
    }
    return Metadata(entries)
}

/// The fuzzer's bytes, taken from the front; zeros when they are used up.
private struct Input {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    /// Up to 31 bytes, after one that says how many.
    mutating func chunk() -> [UInt8] {
        let count = min(Int(byte() % 32), bytes.count - position)
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func rest() -> [UInt8] {
        defer { position = bytes.count }
        return Array(bytes[position...])
    }
}

private func require(_ condition: Bool, _ fault: String) {
    precondition(condition, fault)
}
