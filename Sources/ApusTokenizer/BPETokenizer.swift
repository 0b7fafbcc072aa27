// Byte-level byte-pair encoding (`tokenizer.ggml.model` = gpt2): the tokenizer of GPT-2, Llama 3, SmolLM and others.

import ApusGGUF

/// A byte-level BPE tokenizer.
///
/// A text is cut at special tokens, the parts are cut into words by the pre-tokenizer, the bytes of a word become tokens
/// of one byte, and pairs of tokens are merged in the order of the file's list.
struct BPETokenizer: Tokenizer {
    static let names = ["gpt2"]

    /// Words beyond this are cut: the merger counts in 32 bits and takes 24 bytes for each.
    private static let longestWord = 1 << 26

    let summary: String
    let addsBOS: Bool
    let addsEOS: Bool
    let warnings: [String]

    private let vocabulary: Vocabulary
    private let merges: MergeTable
    private let preTokenizer: any PreTokenizer
    private let ignoresMerges: Bool
    /// The token of each byte, or -1.
    private let byteTokens: [Int32]
    /// Tokens that are text: always matched.
    private let userDefined: SpecialTokenMatcher
    /// These and the marks: matched where the caller asks for it.
    private let special: SpecialTokenMatcher

    /// Reads a tokenizer from a file's metadata.
    ///
    /// - Parameter metadata: The metadata of a GGUF file.
    /// - Throws: `format` when something is missing or contradicts itself, `unsupported` for an unknown pre-tokenizer.
    init(_ metadata: Metadata) throws(ApusError) {
        var warnings: [String] = []
        let kind = try Self.preTokenizer(metadata, warnings: &warnings)
        preTokenizer = kind.type.init()
        ignoresMerges = kind.type.ignoresMerges
        summary = "byte-level BPE (\(kind.name))"
        vocabulary = try Vocabulary(metadata, warnings: &warnings)
        merges = try MergeTable(metadata, vocabulary, warnings: &warnings)
        byteTokens = Self.byteTokens(vocabulary, warnings: &warnings)

        typealias Key = Vocabulary.Key
        addsBOS = try metadata.addsToken(Key.addBOS, kind.type.addsBOS, Key.bos, vocabulary.bosID)
        addsEOS = try metadata.addsToken(Key.addEOS, false, Key.eos, vocabulary.eosID)

        special = vocabulary.specialTokenMatcher(warnings: &warnings)
        userDefined = special.filtered { [vocabulary] in vocabulary.type($0) == .userDefined }
        self.warnings = warnings
    }

    private static func preTokenizer(
        _ metadata: Metadata, warnings: inout [String]
    ) throws(ApusError) -> (type: any PreTokenizer.Type, name: String) {
        let key = Vocabulary.Key.pre
        guard let name = try metadata.optionalString(key) else {
            warnings.append("no metadata key '\(key)': words are cut as for 'default', which may not suit the model")
            return (DefaultPreTokenizer.self, "default")
        }
        guard let type = PreTokenizers.named(name) else {
            let error = metadata.mismatch(key, wanted: "one of: \(PreTokenizers.names.joined(separator: ", "))")
            throw ApusError(.unsupported, error.message)
        }
        return (type, name)
    }

    private static func byteTokens(_ vocabulary: Vocabulary, warnings: inout [String]) -> [Int32] {
        let tokens = vocabulary.index.withLookup(vocabulary.tokens) { lookup in
            (UInt8.min...UInt8.max).map { byte in
                var text: [UInt8] = []
                ByteAlphabet.appendCharacter(of: byte, to: &text)
                let id = text.withUnsafeBytes { lookup.id(of: $0) }
                if id >= 0 { return id }
                let fallback = ByteToken.text(of: byte).withUnsafeBytes { lookup.id(of: $0) }
                return fallback >= 0 && vocabulary.type(fallback) == .byte ? fallback : -1
            }
        }
        // Published vocabularies lack bytes that their training text never had: not worth a warning are control
        // characters, and what begins characters of planes 4 to 11, where none are assigned.
        let missing = (0..<256).filter { tokens[$0] < 0 && isOrdinary(UInt8($0)) }
        if !missing.isEmpty {
            let list = missing.prefix(16).map { "0x" + String($0, radix: 16) }.joined(separator: " ")
            warnings.append(
                "\(Vocabulary.Key.tokens): no token for \(missing.count) bytes (\(list)\(missing.count > 16 ? " …" : "")),"
                    + " which a text therefore loses")
        }
        return tokens
    }

    /// Whether ordinary text has a byte. 0xC0, 0xC1 and 0xF5 to 0xFF are in no valid text.
    private static func isOrdinary(_ byte: UInt8) -> Bool {
        let isControl = byte < 0x20 && ![0x09, 0x0A, 0x0D].contains(byte) || byte == 0x7F
        return UTF8Form.isUsed(byte) && !isControl && byte != 0xF1 && byte != 0xF2
    }

    var vocabularySize: Int { vocabulary.count }
    var bosID: Int32? { vocabulary.bosID }
    var eosID: Int32? { vocabulary.eosID }
    var endOfGenerationIDs: Set<Int32> { vocabulary.endOfGenerationIDs }

    func isSpecial(_ id: Int32) -> Bool { contains(id) && vocabulary.isMark(id) }

    func tokenText(_ id: Int32) -> String {
        contains(id) ? vocabulary.withText(id) { String(decoding: $0, as: UTF8.self) } : ""
    }

    var longestToken: Int { vocabulary.longest { bytes(of: $0, renderSpecial: true) } }

    func bytes(of id: Int32, renderSpecial: Bool) -> [UInt8] {
        guard contains(id) else { return [] }
        switch vocabulary.type(id) {
        case .control, .unknown: return renderSpecial ? vocabulary.withText(id, Array.init) : []
        case .userDefined: return vocabulary.withText(id, Array.init)
        case .byte: return vocabulary.withText(id) { ByteToken.byte(of: $0).map { [$0] } ?? ByteAlphabet.decode($0) }
        case .normal, .unused: return vocabulary.withText(id, ByteAlphabet.decode)
        }
    }

    private func contains(_ id: Int32) -> Bool { id >= 0 && Int(id) < vocabulary.count }

    func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool, literal: [Range<Int>]) -> [Int32] {
        var ids: [Int32] = []
        ids.reserveCapacity(bytes.count / 4 + 2)
        let matcher = parseSpecial ? special : userDefined
        bytes.withUnsafeBufferPointer { text in
            merges.withLookup { lookup in
                var merger = PairMerger(lookup)
                var start = 0
                while start < text.count {
                    let match = matcher.next(
                        in: text, from: start, literal: literal, isMark: vocabulary.isMark, others: userDefined)
                    let end = match?.range.lowerBound ?? text.count
                    encodeText(UnsafeBufferPointer(rebasing: text[start..<end]), &merger, into: &ids)
                    if let match { ids.append(match.id) }
                    start = match?.range.upperBound ?? text.count
                }
            }
        }
        return addSpecial ? addSpecialTokens(ids) : ids
    }

    /// Encodes text without special tokens.
    private func encodeText(_ text: UnsafeBufferPointer<UInt8>, _ merger: inout PairMerger, into ids: inout [Int32]) {
        if text.isEmpty { return }
        var word: [Int32] = []
        var whole: [UInt8] = []
        vocabulary.index.withLookup(vocabulary.tokens) { lookup in
            withScalarText(text) { scalars in
                preTokenizer.split(scalars, 0..<text.count) { range in
                    if ignoresMerges {
                        whole.removeAll(keepingCapacity: true)
                        for byte in text[range] { ByteAlphabet.appendCharacter(of: byte, to: &whole) }
                        let id = whole.withUnsafeBytes { lookup.id(of: $0) }
                        if id >= 0, !vocabulary.isMark(id) { return ids.append(id) }
                    }
                    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.longestWord) {
                        word.removeAll(keepingCapacity: true)
                        for byte in text[start..<min(start + Self.longestWord, range.upperBound)] {
                            // A byte without a token is left out, and its neighbours may merge.
                            let id = byteTokens[Int(byte)]
                            if id >= 0 { word.append(id) }
                        }
                        merger.merge(word, into: &ids)
                    }
                }
            }
        }
    }
}
