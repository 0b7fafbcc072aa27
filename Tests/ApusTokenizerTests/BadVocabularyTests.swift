// Files that are wrong: each fault is one line that names the field, the value found and the value wanted.

import ApusGGUF
import ApusTokenizer
import Testing

struct BadVocabularyTests {
    private func message(_ changes: [String: Metadata.Value?], code: ApusError.Code = .format) -> String {
        do {
            _ = try Tokenizers.make(Synthetic().metadata.replacing(changes))
            return "no error"
        } catch {
            #expect(error.code == code)
            #expect(!error.message.contains("\n"))
            return error.message
        }
    }

    private func expect(
        _ changes: [String: Metadata.Value?], code: ApusError.Code = .format, says parts: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let message = message(changes, code: code)
        for part in parts { #expect(message.contains(part), "\(message)", sourceLocation: sourceLocation) }
    }

    @Test func missing() {
        expect(["tokenizer.ggml.model": nil], says: "tokenizer.ggml.model")
        expect(["tokenizer.ggml.tokens": nil], says: "tokenizer.ggml.tokens")
        expect(["tokenizer.ggml.merges": nil], says: "tokenizer.ggml.merges")
    }

    @Test func unknownKinds() {
        expect(["tokenizer.ggml.model": .string("rwkv")], code: .unsupported, says: "rwkv", "gpt2")
        expect(
            ["tokenizer.ggml.pre": .string("nix\n")], code: .unsupported, says: "nix", "smollm", "gpt-2", "llama-bpe")
    }

    @Test func wrongTypesOfValues() {
        expect(["tokenizer.ggml.model": .uint32(1)], says: "tokenizer.ggml.model", "string")
        expect(["tokenizer.ggml.tokens": .string("x")], says: "tokenizer.ggml.tokens", "strings")
        expect(["tokenizer.ggml.tokens": .numbers(GGUFNumberArray([1, 2]))], says: "tokenizer.ggml.tokens", "strings")
        expect(["tokenizer.ggml.merges": .numbers(GGUFNumberArray([1, 2]))], says: "tokenizer.ggml.merges", "strings")
        expect(["tokenizer.ggml.pre": .bool(true)], says: "tokenizer.ggml.pre", "string")
        expect(["tokenizer.ggml.add_bos_token": .uint32(1)], says: "tokenizer.ggml.add_bos_token", "bool")
        expect(["tokenizer.ggml.token_type": .strings(GGUFStringArray(["1"]))], says: "tokenizer.ggml.token_type")
        expect(["tokenizer.ggml.bos_token_id": .string("1")], says: "tokenizer.ggml.bos_token_id", "0...255")
    }

    @Test func wrongSizes() {
        expect(["tokenizer.ggml.tokens": .strings(GGUFStringArray([]))], says: "tokenizer.ggml.tokens", "1 to 1048576")
        for count in [0, 255, 257] {
            let types = GGUFNumberArray([Int32](repeating: 1, count: count))
            expect(["tokenizer.ggml.token_type": .numbers(types)], says: "tokenizer.ggml.token_type", "256")
            let scores = GGUFNumberArray([Float](repeating: 1, count: count))
            expect(["tokenizer.ggml.scores": .numbers(scores)], says: "tokenizer.ggml.scores", "256")
        }
        let many = GGUFStringArray(bytes: repeatElement([], count: 1_048_577))
        expect(["tokenizer.ggml.tokens": .strings(many)], says: "tokenizer.ggml.tokens", "1048577", "1 to 1048576")
        expect(["tokenizer.ggml.merges": .strings(many)], says: "tokenizer.ggml.merges", "1048577", "at most 1048576")
    }

    @Test func valuesOutOfRange() {
        for value: Int32 in [0, 7, -1, 256 + 1, .max, .min] {
            var types = Synthetic().types
            types[17] = value
            let changes: [String: Metadata.Value?] = ["tokenizer.ggml.token_type": .numbers(GGUFNumberArray(types))]
            expect(changes, says: "tokenizer.ggml.token_type", "token 17", "\(value)", "1 to 6")
        }
        for key in ["bos", "eos", "eot", "eom"] {
            for value in [Metadata.Value.uint32(256), .uint32(.max), .int32(-1), .uint64(.max)] {
                let key = "tokenizer.ggml.\(key)_token_id"
                expect([key: value], says: key, "\(value)", "0...255")
            }
        }
        expect(
            ["tokenizer.ggml.add_bos_token": .bool(true)], says: "tokenizer.ggml.bos_token_id",
            "tokenizer.ggml.add_bos_token")
        expect(["tokenizer.ggml.add_eos_token": .bool(true)], says: "tokenizer.ggml.eos_token_id")
    }

    /// What published files have, and works: a warning.
    @Test func warnings() throws {
        func warnings(_ changes: [String: Metadata.Value?]) throws -> [String] {
            try Tokenizers.make(Synthetic().metadata.replacing(changes)).warnings
        }
        #expect(try warnings([:]) == [])
        let merges = GGUFStringArray(["a b", "nospace", "", " ", "a  ", "\u{1b}[31m x", "a \u{141}x"])
        let merge = try warnings(["tokenizer.ggml.merges": .strings(merges)])
        #expect(merge.count == 1)
        #expect(merge.first?.contains("7 of 7") == true, "\(merge)")
        #expect(merge.first?.contains("'a b'") == true, "\(merge)")
        #expect(try warnings(["tokenizer.ggml.pre": nil]).first?.contains("tokenizer.ggml.pre") == true)

        var tokens = Synthetic().tokens
        tokens[9] = "a"
        let twice = try warnings(["tokenizer.ggml.tokens": .strings(GGUFStringArray(tokens))])
        #expect(twice.contains { $0.contains("token 97") && $0.contains("'a'") }, "\(twice)")
        #expect(twice.contains { $0.contains("0x9") }, "\(twice)")
    }

    @Test func tokenNamedTwiceGivesTheFirst() throws {
        var vocabulary = Synthetic()
        vocabulary.tokens += ["a", ""]
        vocabulary.types += [1, 3]
        let tokenizer = try Tokenizers.make(vocabulary.metadata)
        #expect(tokenizer.encode("a", addSpecial: false, parseSpecial: true) == [97])
        #expect(tokenizer.bytes(of: 256, renderSpecial: false) == [97])
        #expect(tokenizer.bytes(of: 257, renderSpecial: true) == [])
    }

    @Test func decodingChecksIDs() throws {
        let tokenizer = try Tokenizers.make(Synthetic().metadata)
        for id: Int32 in [256, -1, .max, .min] {
            let error = #expect(throws: ApusError.self) { try tokenizer.decode([97, id], renderSpecial: true) }
            #expect(error?.message.contains("\(id)") == true)
            #expect(error?.message.contains("0...255") == true)
        }
    }
}
