// libFuzzer's entry for SentencePiece: any vocabulary gives a tokenizer or an error, any bytes give tokens and come back.

import ApusGGUF
import ApusTokenizer

/// The first byte chooses: text for a sound vocabulary, or a vocabulary (and text for it) made of the bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = Input(Array(UnsafeBufferPointer(start: data, count: count)))
    let choice = input.byte()
    if choice & 1 == 0 {
        encode(input.rest(), sound[Int(choice >> 1) % sound.count], isSound: true)
    } else {
        let metadata = vocabulary(&input)
        do throws(ApusError) {
            encode(input.rest(), try Tokenizers.make(metadata), isSound: false)
        } catch {
            require(!error.message.isEmpty && !error.message.contains("\n"), "an error of other than one line")
        }
    }
    return 0
}

/// The unknown, begin and end tokens, and all bytes.
private let base = [Array("<unk>".utf8), Array("<s>".utf8), Array("</s>".utf8)] + (0..<256).map { byteName(UInt8($0)) }
private let baseTypes: [Int32] = [2, 3, 3] + [Int32](repeating: 6, count: 256)

private func byteName(_ byte: UInt8) -> [UInt8] {
    let hex = String(byte, radix: 16, uppercase: true)
    return Array("<0x\(hex.count == 1 ? "0" : "")\(hex)>".utf8)
}

/// Some pieces, marks and user-defined tokens, with a space before the text and without.
private let sound: [any Tokenizer] = [true, false].compactMap { prefix in
    var tokens = base
    var types = baseTypes
    var scores = [Float](repeating: 0, count: tokens.count)
    let pieces = [
        "▁", "a", "▁a", "▁▁", "▁▁▁▁", "ab", "abab", "b▁a", "é", "éé", "漢", "▁漢", "er", "▁ber", "aa", "aaaa", "12",
    ]
    for (index, piece) in pieces.enumerated() {
        tokens.append(Array(piece.utf8))
        types.append(index == 5 ? 5 : 1)
        scores.append(-Float(index % 7))
    }
    for (text, type) in [("[A]", 3), ("[AB]", 3), ("<user>", 4), ("  \n", 4), ("xx", 4)] as [(String, Int32)] {
        tokens.append(Array(text.utf8))
        types.append(type)
        scores.append(0)
    }
    return try? Tokenizers.make(
        Metadata([
            ("tokenizer.ggml.model", .string("llama")), ("tokenizer.ggml.add_space_prefix", .bool(prefix)),
            ("tokenizer.ggml.tokens", .strings(GGUFStringArray(bytes: tokens))),
            ("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types))),
            ("tokenizer.ggml.scores", .numbers(GGUFNumberArray(scores))),
        ]))
}

private func encode(_ text: [UInt8], _ tokenizer: any Tokenizer, isSound: Bool) {
    for parse in [false, true] {
        let ids = tokenizer.encode(text, addSpecial: !isSound, parseSpecial: parse)
        require(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize }, "an id that is out of range")
        for id in ids {
            _ = tokenizer.tokenText(id)
            _ = tokenizer.bytes(of: id, renderSpecial: false)
        }
        let decoded = try? tokenizer.decode(ids, renderSpecial: true)
        require(decoded != nil, "own ids that cannot be decoded")
        if isSound {
            require(parse || !ids.contains(where: tokenizer.isSpecial), "a control token out of mere text")
            require(decoded == spaces(text), "other bytes than went in")
        }
    }
}

/// The text with spaces for U+2581, which stands for them in pieces.
private func spaces(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for byte in text {
        result.append(byte)
        if result.suffix(3) == [0xE2, 0x96, 0x81] {
            result.replaceSubrange(result.count - 3..<result.count, with: [0x20])
        }
    }
    return result
}

/// Metadata of a tokenizer: some keys, tokens and scores as the bytes say.
private func vocabulary(_ input: inout Input) -> Metadata {
    let flags = input.byte()
    var entries: [(key: String, value: Metadata.Value)] = [("tokenizer.ggml.model", .string("llama"))]
    // The bytes' own tokens, so that little input gives much; then tokens of the input.
    var tokens = flags & 1 == 0 ? base : []
    var types = flags & 1 == 0 ? baseTypes : []
    var scores = [Float](repeating: 0, count: tokens.count)
    for _ in 0..<input.byte() % 48 {
        let kind = input.byte()
        tokens.append(kind & 0x80 == 0 ? input.chunk() : [0xE2, 0x96, 0x81] + input.chunk())
        types.append(Int32(kind & 0x7F) % 8)
        // From sixteen numbers, so that some are alike; the rare ones among them are infinite or none.
        let score = input.byte()
        scores.append(score < 250 ? Float(score & 15) - 8 : score < 254 ? .infinity : .nan)
    }
    if flags & 128 != 0, !tokens.isEmpty {
        for _ in 0..<input.byte() % 16 { types[Int(input.byte()) * 3 % tokens.count] = Int32(input.byte() % 8) }
    }
    entries.append(("tokenizer.ggml.tokens", .strings(GGUFStringArray(bytes: tokens))))
    if flags & 2 == 0 { entries.append(("tokenizer.ggml.scores", .numbers(GGUFNumberArray(scores)))) }
    if flags & 4 == 0 { entries.append(("tokenizer.ggml.token_type", .numbers(GGUFNumberArray(types)))) }
    if flags & 8 == 0 { entries.append(("tokenizer.ggml.add_space_prefix", .bool(input.byte() & 1 == 0))) }
    for (bit, key) in [(UInt8(16), "bos"), (32, "eos"), (64, "unknown")] where flags & bit != 0 {
        entries.append(("tokenizer.ggml.\(key)_token_id", .int32(Int32(input.byte()) * 2 - 8)))
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
