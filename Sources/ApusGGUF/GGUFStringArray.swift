// An array of strings as one piece of memory: a vocabulary of 262,144 tokens is two allocations, not 262,144.

/// The strings of a metadata array, kept as bytes, since a vocabulary may hold invalid UTF-8.
///
/// As a collection its elements are `String`s, in which invalid bytes have become U+FFFD. `withBytes(at:_:)` gives the
/// bytes themselves without a copy.
public struct GGUFStringArray: RandomAccessCollection, Sendable, Hashable {
    /// The strings as they stand in a file: each behind its length in 8 bytes.
    private let blob: [UInt8]
    /// Where each string's bytes begin in the blob, and one entry more: where the next would begin.
    private let starts: [UInt32]

    /// Bytes of the length in front of each string.
    private static var prefix: Int { 8 }

    /// Makes an array of strings.
    ///
    /// - Parameter strings: The strings, stored as UTF-8.
    public init(_ strings: some Sequence<String>) {
        self.init(bytes: strings.lazy.map { Array($0.utf8) })
    }

    /// Makes an array of strings from their bytes, which need not be UTF-8.
    ///
    /// At most 4 GB in all.
    ///
    /// - Parameter strings: The bytes of each string.
    public init(bytes strings: some Sequence<[UInt8]>) {
        var blob: [UInt8] = []
        var starts: [UInt32] = []
        for string in strings {
            Swift.withUnsafeBytes(of: UInt64(string.count).littleEndian) { blob.append(contentsOf: $0) }
            starts.append(UInt32(blob.count))
            blob.append(contentsOf: string)
        }
        starts.append(UInt32(blob.count + Self.prefix))
        self.blob = blob
        self.starts = starts
    }

    /// Takes strings over from a file.
    ///
    /// - Parameters:
    ///   - blob: `count` strings, each behind its length in 8 bytes; below 4 GB.
    ///   - count: The number of strings.
    /// - Returns: nil when the lengths do not fit the blob exactly.
    init?(blob: [UInt8], count: Int) {
        guard blob.count <= Int(UInt32.max) - Self.prefix, count <= blob.count / Self.prefix else { return nil }
        var fits = true
        let starts = [UInt32](unsafeUninitializedCapacity: count + 1) { buffer, initialized in
            blob.withUnsafeBytes { bytes in
                var position = 0
                for index in 0..<count {
                    guard bytes.count - position >= Self.prefix else { return fits = false }
                    let length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                    position += Self.prefix
                    guard length <= UInt64(bytes.count - position) else { return fits = false }
                    buffer[index] = UInt32(position)
                    initialized = index + 1
                    position += Int(length)
                }
                fits = position == bytes.count
                buffer[count] = UInt32(position + Self.prefix)
                initialized = count + 1
            }
        }
        guard fits else { return nil }
        self.blob = blob
        self.starts = starts
    }

    /// Always 0.
    public var startIndex: Int { 0 }

    /// The number of strings.
    public var endIndex: Int { starts.count - 1 }

    /// The string at an index, with U+FFFD for invalid UTF-8.
    ///
    /// - Parameter index: An index in `0..<count`.
    public subscript(index: Int) -> String {
        withBytes(at: index) { String(decoding: $0, as: UTF8.self) }
    }

    /// The number of bytes of a string.
    ///
    /// - Parameter index: An index in `0..<count`.
    public func byteCount(at index: Int) -> Int { Int(starts[index + 1]) - Self.prefix - Int(starts[index]) }

    /// The bytes of a string, as a copy.
    ///
    /// - Parameter index: An index in `0..<count`.
    public func bytes(at index: Int) -> [UInt8] { Array(blob[range(at: index)]) }

    /// Calls a closure with the bytes of a string, without a copy.
    ///
    /// - Parameters:
    ///   - index: An index in `0..<count`.
    ///   - body: Gets the bytes; the buffer must not outlive the call.
    /// - Returns: What the closure returned.
    public func withBytes<Result>(at index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let range = range(at: index)
        return try blob.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// Where the bytes of a string lie in the buffer that `withUnsafeBytes(_:)` gives.
    ///
    /// - Parameter index: An index in `0..<count`.
    public func range(at index: Int) -> Range<Int> {
        Int(starts[index])..<Int(starts[index + 1]) - Self.prefix
    }

    /// Calls a closure with the memory that holds all strings; `range(at:)` says where each lies.
    ///
    /// - Parameter body: Gets the memory; the buffer must not outlive the call.
    /// - Returns: What the closure returned.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try blob.withUnsafeBytes(body)
    }

    /// The strings as they stand in a file: each behind its length in 8 bytes.
    var fileBytes: [UInt8] { blob }
}
