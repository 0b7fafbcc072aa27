// What a tokenizer can do, whatever its kind, and the registry of kinds by `tokenizer.ggml.model`.

public import ApusGGUF

/// Text to token ids and back.
///
/// A new kind is a file with a type that conforms, and a line in `Tokenizers.all`. A tokenizer never changes, so many
/// threads can use one.
public protocol Tokenizer: Sendable {
    /// The values of `tokenizer.ggml.model` that mean this kind.
    static var names: [String] { get }

    /// Reads a tokenizer from a file's metadata.
    ///
    /// - Parameter metadata: The metadata of a GGUF file.
    /// - Throws: `format` when something is missing or contradicts itself, `unsupported` for an unknown pre-tokenizer.
    init(_ metadata: Metadata) throws(ApusError)

    /// The kind and its variant in a few words, such as `byte-level BPE (smollm)`.
    var summary: String { get }
    /// The number of tokens; ids are below it.
    var vocabularySize: Int { get }
    /// The token that begins a text, when the file names one.
    var bosID: Int32? { get }
    /// The token that ends a text, when the file names one.
    var eosID: Int32? { get }
    /// The tokens after which generation ends: end of text, of turn, of message.
    var endOfGenerationIDs: Set<Int32> { get }
    /// Whether `encode` with `addSpecial` puts `bosID` in front.
    var addsBOS: Bool { get }
    /// Whether `encode` with `addSpecial` puts `eosID` at the end.
    var addsEOS: Bool { get }
    /// What is odd about the file, but does not keep it from working; a line each.
    var warnings: [String] { get }

    /// The tokens of a text.
    ///
    /// The bytes should be UTF-8, but need not be: a byte that is part of no character is a symbol of its own.
    /// User-defined tokens, which are text, are matched first in any case; control tokens only with `parseSpecial`, and
    /// no text gives one without it.
    ///
    /// - Parameters:
    ///   - bytes: The text.
    ///   - addSpecial: Whether the begin and end tokens are added that the model wants.
    ///   - parseSpecial: Whether the texts of control tokens, such as `<|im_end|>`, become these tokens. Only for text
    ///     that is trusted.
    ///   - literal: Where the text is not trusted, ascending, as ranges of `bytes`: a control token is made only of
    ///     bytes outside of these, whatever `parseSpecial` says.
    /// - Complexity: O(n log n) at most.
    func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool, literal: [Range<Int>]) -> [Int32]

    /// The bytes that a token stands for; they may be a part of a character (see `StreamDecoder`).
    ///
    /// - Parameters:
    ///   - id: A token; one that is out of range stands for nothing.
    ///   - renderSpecial: Whether a control token gives its text; else it gives nothing.
    func bytes(of id: Int32, renderSpecial: Bool) -> [UInt8]

    /// The most bytes that a token stands for, where control tokens give their texts; 1 at least.
    var longestToken: Int { get }

    /// The bytes that a row of tokens stands for: what `encode` was given, when they are all that it gave.
    ///
    /// - Parameters:
    ///   - ids: The tokens.
    ///   - renderSpecial: Whether control tokens give their texts.
    /// - Throws: `invalidArgument` when an id is not in the vocabulary.
    func decode(_ ids: [Int32], renderSpecial: Bool) throws(ApusError) -> [UInt8]

    /// Whether a token is a mark that is no text: of type control or unknown.
    ///
    /// - Parameter id: A token; one that is out of range is none.
    func isSpecial(_ id: Int32) -> Bool

    /// The token as the vocabulary has it, such as `Ġthe`, for people to look at.
    ///
    /// - Parameter id: A token; one that is out of range has no text.
    func tokenText(_ id: Int32) -> String
}

extension Tokenizer {
    /// The most bytes that a token stands for, of all tokens one after another.
    public var longestToken: Int {
        (0..<Int32(clamping: vocabularySize)).reduce(1) { max($0, bytes(of: $1, renderSpecial: true).count) }
    }

    /// The tokens of a text that is trusted, or not, as a whole.
    ///
    /// - Parameters:
    ///   - bytes: The text.
    ///   - addSpecial: Whether the begin and end tokens are added that the model wants.
    ///   - parseSpecial: Whether the texts of control tokens, such as `<|im_end|>`, become these tokens. Only for text
    ///     that is trusted.
    /// - Complexity: O(n log n) at most.
    public func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        encode(bytes, addSpecial: addSpecial, parseSpecial: parseSpecial, literal: [])
    }

    /// The tokens of a text.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - addSpecial: Whether the begin and end tokens are added that the model wants.
    ///   - parseSpecial: Whether the texts of control tokens, such as `<|im_end|>`, become these tokens.
    public func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        encode(Array(text.utf8), addSpecial: addSpecial, parseSpecial: parseSpecial)
    }

    /// The bytes of the tokens, one after another.
    ///
    /// - Parameters:
    ///   - ids: The tokens.
    ///   - renderSpecial: Whether control tokens give their texts.
    /// - Throws: `invalidArgument` when an id is not in the vocabulary.
    public func decode(_ ids: [Int32], renderSpecial: Bool) throws(ApusError) -> [UInt8] {
        try check(ids)
        var result: [UInt8] = []
        for id in ids { result += bytes(of: id, renderSpecial: renderSpecial) }
        return result
    }

    /// Throws an error that names the first id that is not in the vocabulary.
    func check(_ ids: [Int32]) throws(ApusError) {
        for (index, id) in ids.enumerated() where id < 0 || Int(id) >= vocabularySize {
            throw ApusError(
                .invalidArgument, "token id \(id) at position \(index), wanted an id in 0...\(vocabularySize - 1)")
        }
    }

    /// The ids of `encode`'s result with the begin and end tokens that the model wants around them.
    func addSpecialTokens(_ ids: [Int32]) -> [Int32] {
        var result = ids
        if addsBOS, let bosID { result.insert(bosID, at: 0) }
        if addsEOS, let eosID { result.append(eosID) }
        return result
    }
}

/// The registry of kinds of tokenizer.
public enum Tokenizers {
    /// Every kind; a line each.
    static let all: [any Tokenizer.Type] = [
        BPETokenizer.self,
        SentencePieceTokenizer.self,
    ]

    /// The values of `tokenizer.ggml.model` that can be made.
    public static var names: [String] { all.flatMap { $0.names } }

    /// Makes the tokenizer that a file describes.
    ///
    /// - Parameter metadata: The metadata of a GGUF file.
    /// - Throws: `format` when something is missing or contradicts itself, `unsupported` for an unknown kind.
    public static func make(_ metadata: Metadata) throws(ApusError) -> any Tokenizer {
        let key = Vocabulary.Key.model
        let name = try metadata.string(key)
        guard let kind = all.first(where: { $0.names.contains(name) }) else {
            let error = metadata.mismatch(key, wanted: "one of: \(names.joined(separator: ", "))")
            throw ApusError(.unsupported, error.message)
        }
        return try kind.init(metadata)
    }
}
