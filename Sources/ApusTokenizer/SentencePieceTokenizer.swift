// SentencePiece's byte-pair encoding (`tokenizer.ggml.model` = llama): the tokenizer of Llama 2, Mistral, Gemma, Phi-3.

import ApusGGUF

/// A SentencePiece tokenizer with scores.
///
/// A text is cut at control and user-defined tokens. In what lies between, spaces become U+2581, and neighbouring
/// characters are merged into pieces, those of the highest score first. Characters that are in no piece become tokens of
/// their bytes.
///
/// With `add_space_prefix` a space is put before the text and after each control token; `decode` takes these away again.
struct SentencePieceTokenizer: Tokenizer {
    static let names = ["llama"]

    /// Words beyond this are cut: the merger counts in 32 bits.
    private static let longestWord = 1 << 26

    let summary: String
    let bosID: Int32?
    let eosID: Int32?
    let addsBOS: Bool
    let addsEOS: Bool
    let warnings: [String]

    private let vocabulary: Vocabulary
    private let pieces: PieceTable
    private let addsSpacePrefix: Bool
    /// The token of each byte, or -1.
    private let byteTokens: [Int32]
    /// The token for bytes that have none, or -1.
    private let unknownID: Int32
    /// Tokens that are text: always matched.
    private let userDefined: SpecialTokenMatcher
    /// These and the marks: matched where the caller asks for it.
    private let special: SpecialTokenMatcher

    /// Reads a tokenizer from a file's metadata.
    ///
    /// - Parameter metadata: The metadata of a GGUF file.
    /// - Throws: `format` when something is missing or contradicts itself.
    init(_ metadata: Metadata) throws(ApusError) {
        typealias Key = Vocabulary.Key
        var warnings: [String] = []
        let vocabulary = try Vocabulary(metadata, warnings: &warnings)
        self.vocabulary = vocabulary
        let byteTokens = Self.byteTokens(vocabulary)
        self.byteTokens = byteTokens
        let madeOfBytes = Set(byteTokens)
        pieces = try PieceTable(metadata, vocabulary) { id in
            let type = vocabulary.type(id)
            return type == .normal && !madeOfBytes.contains(id) || type == .unused
        }
        addsSpacePrefix = try metadata.optionalBool(Key.addSpacePrefix) ?? true
        summary = "SentencePiece (\(addsSpacePrefix ? "with" : "without") a space before the text)"

        // Files that name no such tokens mean Llama's.
        func llama(_ id: Int32) -> Int32? {
            Int(id) < vocabulary.count && vocabulary.type(id) == .control ? id : nil
        }
        bosID = vocabulary.bosID ?? llama(1)
        eosID = vocabulary.eosID ?? llama(2)
        addsBOS = try metadata.addsToken(Key.addBOS, true, Key.bos, bosID)
        addsEOS = try metadata.addsToken(Key.addEOS, false, Key.eos, eosID)
        let unknown = try metadata.optionalInt(Key.unknown, in: 0...vocabulary.count - 1).map { Int32($0) }
        unknownID = unknown ?? vocabulary.ids(of: [.unknown]).first ?? -1
        let missing = byteTokens.count { $0 < 0 }
        if missing > 0 {
            let loss = unknownID >= 0 ? "what needs them becomes the unknown token" : "a text loses what needs them"
            warnings.append("\(Key.tokens): no token for \(missing) of 256 bytes; \(loss)")
        }
        special = vocabulary.specialTokenMatcher(warnings: &warnings)
        userDefined = special.filtered { vocabulary.type($0) == .userDefined }
        self.warnings = warnings
    }

    /// The tokens `<0x00>` to `<0xFF>` of type byte; where a file has no types, the texts are enough.
    private static func byteTokens(_ vocabulary: Vocabulary) -> [Int32] {
        vocabulary.index.withLookup(vocabulary.tokens) { lookup in
            (UInt8.min...UInt8.max).map { byte in
                let id = ByteToken.text(of: byte).withUnsafeBytes { lookup.id(of: $0) }
                return id >= 0 && (vocabulary.type(id) == .byte || !vocabulary.hasTypes) ? id : -1
            }
        }
    }

    var vocabularySize: Int { vocabulary.count }
    var endOfGenerationIDs: Set<Int32> { vocabulary.endOfGenerationIDs.union(eosID.map { [$0] } ?? []) }

    func isSpecial(_ id: Int32) -> Bool { contains(id) && vocabulary.isMark(id) }

    func tokenText(_ id: Int32) -> String {
        contains(id) ? vocabulary.withText(id) { String(decoding: $0, as: UTF8.self) } : ""
    }

    private func contains(_ id: Int32) -> Bool { id >= 0 && Int(id) < vocabulary.count }

    var longestToken: Int { vocabulary.longest { bytes(of: $0, renderSpecial: true) } }

    func bytes(of id: Int32, renderSpecial: Bool) -> [UInt8] {
        guard contains(id) else { return [] }
        switch vocabulary.type(id) {
        case .control, .unknown: return renderSpecial ? vocabulary.withText(id, Array.init) : []
        case .userDefined: return vocabulary.withText(id, Array.init)
        case .normal, .unused, .byte:
            return vocabulary.withText(id) { text in
                if let byte = ByteToken.byte(of: text), byteTokens[Int(byte)] == id { return [byte] }
                return Self.withSpaces(text)
            }
        }
    }

    /// A piece's text with spaces for U+2581.
    private static func withSpaces(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == PieceTable.space[0], text[index...].starts(with: PieceTable.space) {
                result.append(UInt8(ascii: " "))
                index += PieceTable.space.count
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    /// The bytes of the tokens, less the spaces that `encode` puts before text.
    func decode(_ ids: [Int32], renderSpecial: Bool) throws(ApusError) -> [UInt8] {
        try check(ids)
        var result: [UInt8] = []
        var isAtStart = addsSpacePrefix
        for id in ids {
            let bytes = bytes(of: id, renderSpecial: renderSpecial)
            if isSpecial(id) {
                isAtStart = addsSpacePrefix
                result += bytes
            } else {
                result += isAtStart && bytes.first == UInt8(ascii: " ") ? bytes.dropFirst() : bytes[...]
                isAtStart = false
            }
        }
        return result
    }

    func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool, literal: [Range<Int>]) -> [Int32] {
        var ids: [Int32] = []
        ids.reserveCapacity(bytes.count / 3 + 2)
        bytes.withUnsafeBufferPointer { text in
            withMerger { merger in
                var start = 0
                var searched = 0
                while parseSpecial,
                    let match = special.next(
                        in: text, from: searched, literal: literal, isMark: vocabulary.isMark, others: userDefined)
                {
                    searched = match.range.upperBound
                    if vocabulary.type(match.id) == .userDefined { continue }
                    encodeText(text[start..<match.range.lowerBound], &merger, into: &ids)
                    ids.append(match.id)
                    start = searched
                }
                encodeText(text[start...], &merger, into: &ids)
            }
        }
        return addSpecial ? addSpecialTokens(ids) : ids
    }

    private func withMerger(_ body: (inout PieceMerger) -> Void) {
        vocabulary.index.withLookup(vocabulary.tokens) { lookup in
            pieces.ranks.withUnsafeBufferPointer { ranks in
                let unused: ((Int32) -> Bool)? = pieces.hasUnused ? { vocabulary.type($0) == .unused } : nil
                var merger = PieceMerger(
                    lookup, ranks: ranks, unused: unused, byteTokens: byteTokens, unknown: unknownID)
                body(&merger)
            }
        }
    }

    /// Encodes text without control tokens.
    private func encodeText(
        _ text: Slice<UnsafeBufferPointer<UInt8>>, _ merger: inout PieceMerger, into ids: inout [Int32]
    ) {
        if text.isEmpty { return }
        if addsSpacePrefix {
            // The space is text like any other: a user-defined token may begin with it.
            ([UInt8(ascii: " ")] + text).withUnsafeBufferPointer { encodeParts($0, &merger, into: &ids) }
        } else {
            encodeParts(UnsafeBufferPointer(rebasing: text), &merger, into: &ids)
        }
    }

    /// Encodes text that has its space prefix: user-defined tokens, and the words of what lies between.
    private func encodeParts(_ text: UnsafeBufferPointer<UInt8>, _ merger: inout PieceMerger, into ids: inout [Int32]) {
        var part: [UInt8] = []
        var start = 0
        while start < text.count {
            let match = userDefined.next(in: text, from: start)
            let end = match?.range.lowerBound ?? text.count
            part.removeAll(keepingCapacity: true)
            for byte in text[start..<end] {
                if byte == UInt8(ascii: " ") { part += PieceTable.space } else { part.append(byte) }
            }
            part.withUnsafeBufferPointer { encodeWords($0, &merger, into: &ids) }
            if let match { ids.append(match.id) }
            start = match?.range.upperBound ?? text.count
        }
    }

    /// Merges word by word: no piece reaches over the places where a text is cut, so the tokens are those of the whole.
    private func encodeWords(_ text: UnsafeBufferPointer<UInt8>, _ merger: inout PieceMerger, into ids: inout [Int32]) {
        var start = 0
        for index in 0..<text.count {
            let isCut =
                index - start >= Self.longestWord
                || text[index] == PieceTable.space[0] && index > start && index + 2 < text.count
                    && text[index + 1] == PieceTable.space[1] && text[index + 2] == PieceTable.space[2]
                    && !pieces.joinsSpace[Int(text[index - 1])]
            if isCut {
                merger.merge(UnsafeBufferPointer(rebasing: text[start..<index]), into: &ids)
                start = index
            }
        }
        merger.merge(UnsafeBufferPointer(rebasing: text[start...]), into: &ids)
    }
}
