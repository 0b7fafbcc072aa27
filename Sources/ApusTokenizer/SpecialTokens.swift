// What the kinds of tokenizer read from a file in the same way: tokens of bytes, matched tokens, begin and end tokens.

import ApusGGUF

/// The texts of tokens that stand for a byte: `<0x00>` to `<0xFF>`.
enum ByteToken {
    /// The text of a byte's token.
    static func text(of byte: UInt8) -> [UInt8] {
        Array("<0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))>".utf8)
    }

    /// The byte of a text `<0xNN>`, or nil for another text.
    static func byte(of text: UnsafeBufferPointer<UInt8>) -> UInt8? {
        guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
    }
}

extension Vocabulary {
    /// A matcher for the tokens that are matched as whole texts: marks and user-defined tokens.
    ///
    /// - Parameter warnings: Gets a line when there are texts too long to be matched.
    func specialTokenMatcher(warnings: inout [String]) -> SpecialTokenMatcher {
        let ids = ids(of: [.control, .unknown, .userDefined])
        if let id = ids.first(where: { tokens.byteCount(at: Int($0)) > SpecialTokenMatcher.longest }) {
            warnings.append(
                "\(Key.tokens): special token \(id) has \(tokens.byteCount(at: Int(id))) bytes; "
                    + "those above \(SpecialTokenMatcher.longest) are not looked for in text")
        }
        return SpecialTokenMatcher(tokens, ids)
    }
}

extension Metadata {
    /// A flag such as `add_bos_token`; what it adds must exist. Without a flag in the file, what is missing is not added.
    ///
    /// - Parameters:
    ///   - key: The flag.
    ///   - standard: What a file without the flag means.
    ///   - idKey: The key of the token's id.
    ///   - id: The token, when there is one.
    /// - Throws: `format` when the flag is no bool, or is true and the file names no token.
    func addsToken(_ key: String, _ standard: Bool, _ idKey: String, _ id: Int32?) throws(ApusError) -> Bool {
        guard let flag = try optionalBool(key) else { return standard && id != nil }
        if flag, id == nil { throw mismatch(idKey, wanted: "a token id, since '\(key)' is true") }
        return flag
    }
}
