internal import Apus
internal import ApusJSON
internal import ApusTokenizer

/// The log probabilities of a text completion, in arrays side by side.
struct TextScores: Sendable {
    private let tokenizer: any Tokenizer
    private var tokens: [JSONValue] = []
    private var values: [JSONValue] = []
    private var top: [JSONValue] = []
    private var offsets: [JSONValue] = []
    /// Characters so far.
    private var offset = 0

    /// No tokens.
    init(_ tokenizer: any Tokenizer) { self.tokenizer = tokenizer }

    /// Adds a token.
    ///
    /// - Parameters:
    ///   - id: The token.
    ///   - value: Its log probability; nil for the first one of a prompt.
    ///   - isText: Whether its text is a part of the reply's.
    mutating func add(_ id: Int32, _ value: TokenLogProbability?, isText: Bool = true) {
        tokens.append(.string(name(id)))
        offsets.append(.int(offset))
        if isText {
            // Bytes that begin a character.
            offset += tokenizer.bytes(of: id, renderSpecial: true).count { $0 & 0xC0 != 0x80 }
        }
        guard let value else {
            values.append(.null)
            top.append(.null)
            return
        }
        values.append(.double(value.token.jsonValue))
        // The token itself is always among the likeliest ones: evaluation harnesses look for it there.
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        for entry in value.top + [value.token] where names.insert(name(entry.id)).inserted {
            members.append(.init(name(entry.id), .double(entry.jsonValue)))
        }
        top.append(.object(members))
    }

    /// The object.
    var json: JSONValue {
        [
            "tokens": .array(tokens), "token_logprobs": .array(values), "top_logprobs": .array(top),
            "text_offset": .array(offsets),
        ]
    }

    /// What has been added since the last time; nil when it is nothing.
    mutating func taken() -> TextScores? {
        if tokens.isEmpty { return nil }
        let copy = self
        (tokens, values, top, offsets) = ([], [], [], [])
        return copy
    }

    /// The token's text; of a part of a character its bytes, as OpenAI writes them.
    private func name(_ id: Int32) -> String {
        let bytes = tokenizer.bytes(of: id, renderSpecial: true)
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return "bytes:" + bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
