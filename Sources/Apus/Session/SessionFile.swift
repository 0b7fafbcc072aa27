internal import ApusGGUF
internal import ApusModel

/// A file of tokens and of what a model has computed for them.
///
/// Little-endian: the 8 bytes `apus.kv` and a line feed; u32 version; u32 positions in a page; u64 bytes of a page; u64
/// fingerprint of the model; u32 tokens; u32 zero; the tokens, i32; zeros up to a multiple of 8; the pages, the last of which
/// may count in part; u64 checksum of all before it.
struct SessionFile {
    static let magic: [UInt8] = Array("apus.kv\n".utf8)
    static let version: UInt32 = 1
    private static let headerBytes = 40

    let pageBytes: Int
    let fingerprint: UInt64
    let tokens: [Int32]

    var pageCount: Int { (tokens.count + KVCache.pagePositions - 1) / KVCache.pagePositions }

    /// All before the pages.
    var head: [UInt8] {
        var bytes = Self.magic
        bytes.appendNumber(Self.version)
        bytes.appendNumber(UInt32(KVCache.pagePositions))
        bytes.appendNumber(UInt64(pageBytes))
        bytes.appendNumber(fingerprint)
        bytes.appendNumber(UInt32(tokens.count))
        bytes.appendNumber(UInt32(0))
        for token in tokens { bytes.appendNumber(token) }
        bytes += [UInt8](repeating: 0, count: bytes.count % 8)
        return bytes
    }

    init(pageBytes: Int, fingerprint: UInt64, tokens: [Int32]) {
        (self.pageBytes, self.fingerprint, self.tokens) = (pageBytes, fingerprint, tokens)
    }

    /// Reads all before the pages.
    ///
    /// - Parameters:
    ///   - source: The file.
    ///   - path: Its name, for errors.
    ///   - wanted: What the file must be for; its tokens do not count.
    ///   - limit: The most tokens that it may have.
    ///   - vocabularySize: Tokens are below it.
    init(
        _ source: FileSource, path: String, wanted: SessionFile, limit: Int, vocabularySize: Int
    ) throws(ApusError) {
        func refuse(_ what: String, _ code: ApusError.Code = .format) -> ApusError {
            ApusError(code, "\(ApusError.printable(path)): \(what)")
        }
        let header = try source.bytes(at: 0, count: Self.headerBytes)
        guard header.count == Self.headerBytes, header.starts(with: Self.magic) else {
            throw refuse("is no saved session")
        }
        func number<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ type: T.Type = T.self) -> T {
            header.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
        }
        let version: UInt32 = number(8)
        guard version == Self.version else {
            throw refuse("has version \(version), wanted: \(Self.version)", .unsupported)
        }
        let (positions, bytes, print) = (number(12, UInt32.self), number(16, UInt64.self), number(24, UInt64.self))
        guard print == wanted.fingerprint, bytes == UInt64(wanted.pageBytes),
            positions == UInt32(KVCache.pagePositions)
        else { throw refuse("was saved with another model", .invalidArgument) }
        let count = Int(number(32, UInt32.self))
        guard count > 0, count <= limit else {
            throw refuse("has \(count) tokens, wanted: 1 to \(limit)", count > 0 ? .contextFull : .format)
        }
        let listed = try source.bytes(at: Self.headerBytes, count: count * 4)
        guard listed.count == count * 4 else { throw refuse("is cut off") }
        let tokens = listed.withUnsafeBytes { bytes in
            (0..<count).map { Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)) }
        }
        guard tokens.allSatisfy({ $0 >= 0 && Int($0) < vocabularySize }) else {
            throw refuse("has a token outside the vocabulary of \(vocabularySize)")
        }
        self.init(pageBytes: wanted.pageBytes, fingerprint: print, tokens: tokens)
        let size = head.count + pageCount * pageBytes + 8
        guard source.size == size else { throw refuse("has \(source.size) bytes, wanted: \(size)") }
    }
}
