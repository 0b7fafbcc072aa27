// The tokens of a model, whatever the kind of tokenizer: texts, types and the ids with a meaning, checked.

import ApusGGUF

/// What a token is for; the raw values are those of `tokenizer.ggml.token_type`.
enum TokenType: UInt8, Sendable {
    case normal = 1
    case unknown = 2
    /// A mark of the model's own, such as an end of turn. Never made from text unless the caller asks for it.
    case control = 3
    /// Text that is one token wherever it stands.
    case userDefined = 4
    case unused = 5
    /// One byte, written `<0xNN>`.
    case byte = 6
}

/// The tokens of a model.
struct Vocabulary: Sendable {
    /// The keys of the metadata.
    enum Key {
        static let model = "tokenizer.ggml.model"
        static let pre = "tokenizer.ggml.pre"
        static let tokens = "tokenizer.ggml.tokens"
        static let types = "tokenizer.ggml.token_type"
        static let scores = "tokenizer.ggml.scores"
        static let merges = "tokenizer.ggml.merges"
        static let bos = "tokenizer.ggml.bos_token_id"
        static let eos = "tokenizer.ggml.eos_token_id"
        static let eot = "tokenizer.ggml.eot_token_id"
        static let eom = "tokenizer.ggml.eom_token_id"
        static let unknown = "tokenizer.ggml.unknown_token_id"
        static let addSpacePrefix = "tokenizer.ggml.add_space_prefix"
        static let addBOS = "tokenizer.ggml.add_bos_token"
        static let addEOS = "tokenizer.ggml.add_eos_token"
    }

    /// The most tokens (and merges) that a file may have: four times the largest vocabulary published.
    static let limit = 1 << 20

    /// The texts by id, as the file has them.
    let tokens: GGUFStringArray
    /// From texts to ids.
    let index: TokenIndex
    /// `tokenizer.ggml.bos_token_id`.
    let bosID: Int32?
    /// `tokenizer.ggml.eos_token_id`.
    let eosID: Int32?
    /// The ids after which the model has said all.
    let endOfGenerationIDs: Set<Int32>

    /// Raw values of `TokenType`, checked; empty when the file has none, and every token is normal.
    private let types: [UInt8]

    /// Reads and checks the vocabulary.
    ///
    /// - Parameters:
    ///   - metadata: A file's metadata.
    ///   - warnings: Gets a line for what is odd but harmless.
    /// - Throws: `format` when tokens are missing or too many, another list is not as long, or a value is out of range.
    init(_ metadata: Metadata, warnings: inout [String]) throws(ApusError) {
        let tokens = try metadata.stringArray(Key.tokens)
        guard (1...Self.limit).contains(tokens.count) else {
            throw metadata.mismatch(Key.tokens, wanted: "1 to \(Self.limit) tokens")
        }
        self.tokens = tokens
        types = try Self.types(metadata, count: tokens.count)
        if let scores = metadata[Key.scores], scores.elementCount != tokens.count {
            throw metadata.mismatch(Key.scores, wanted: "an array of \(tokens.count) scores, one for each token")
        }
        index = TokenIndex(tokens)
        if let id = index.firstDuplicate {
            let text = ApusError.quoted(tokens[Int(id)])
            warnings.append("\(Key.tokens): token \(id) has the text \(text) of an earlier one; text gives the earlier")
        }

        func id(_ key: String) throws(ApusError) -> Int32? {
            try metadata.optionalInt(key, in: 0...tokens.count - 1).map { Int32($0) }
        }
        bosID = try id(Key.bos)
        eosID = try id(Key.eos)
        let named = [eosID, try id(Key.eot), try id(Key.eom)].compactMap { $0 }
        endOfGenerationIDs = EndOfGeneration.ids(tokens, index, types, named: named)
    }

    private static func types(_ metadata: Metadata, count: Int) throws(ApusError) -> [UInt8] {
        guard let values = try metadata.optionalInt32Array(Key.types, count: count) else { return [] }
        var types = [UInt8](repeating: 0, count: count)
        for (id, value) in values.enumerated() {
            guard let byte = UInt8(exactly: value), TokenType(rawValue: byte) != nil else {
                throw metadata.mismatch(Key.types, wanted: "types from 1 to 6, but token \(id) has type \(value)")
            }
            types[id] = byte
        }
        return types
    }

    /// The number of tokens.
    var count: Int { tokens.count }

    /// Whether the file says what its tokens are for.
    var hasTypes: Bool { !types.isEmpty }

    /// The type of a token.
    ///
    /// - Parameter id: An id below `count`.
    func type(_ id: Int32) -> TokenType {
        types.isEmpty ? .normal : TokenType(rawValue: types[Int(id)]) ?? .normal
    }

    /// Whether a token is a mark and no text: control and unknown tokens.
    ///
    /// - Parameter id: An id below `count`.
    func isMark(_ id: Int32) -> Bool {
        let type = type(id)
        return type == .control || type == .unknown
    }

    /// The ids of the tokens of some types, ascending.
    func ids(of wanted: Set<TokenType>) -> [Int32] {
        let wanted = Set(wanted.map(\.rawValue))
        return types.indices.lazy.filter { wanted.contains(types[$0]) }.map { Int32($0) }
    }

    /// Calls `body` with the bytes of a token's text.
    ///
    /// - Parameter id: An id below `count`.
    func withText<Result>(_ id: Int32, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        tokens.withBytes(at: Int(id)) { body($0.assumingMemoryBound(to: UInt8.self)) }
    }

    /// The most bytes that a token stands for; 1 at least.
    ///
    /// - Parameter bytes: What one stands for. Is asked only where the text is longer than what was found: no token stands for more
    ///   bytes than its text has.
    func longest(_ bytes: (Int32) -> [UInt8]) -> Int {
        (0..<Int32(count)).reduce(1) { longest, id in
            withText(id, \.count) > longest ? max(longest, bytes(id).count) : longest
        }
    }
}
