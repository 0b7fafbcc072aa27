// The form of UTF-8 (Unicode, table 3-7): where a character ends, and whether one that is cut can still be completed.

/// Questions about bytes that may or may not be well-formed UTF-8.
enum UTF8Form {
    /// The length of the well-formed character at `offset`: 1 to 4, or 0 when there is none.
    @inline(__always)
    static func length(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int, end: Int) -> Int {
        let wanted = expectedLength(bytes[offset])
        return wanted > 0 && prefixLength(bytes, at: offset, end: end) == wanted ? wanted : 0
    }

    /// Whether a byte occurs in well-formed text at all.
    static func isUsed(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 || expectedLength(byte) > 0 }

    /// The length that a character with this first byte has; 0 for a byte that begins none.
    @inline(__always)
    static func expectedLength(_ first: UInt8) -> Int {
        switch first {
        case 0x00...0x7F: return 1
        case 0xC2...0xDF: return 2
        case 0xE0...0xEF: return 3
        case 0xF0...0xF4: return 4
        default: return 0
        }
    }

    /// The number of bytes at `offset` that begin or make up a well-formed character; at least 1.
    @inline(__always)
    static func prefixLength(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int, end: Int) -> Int {
        let first = bytes[offset]
        let limit = min(expectedLength(first), end - offset)
        if limit < 2 || !secondRange(first).contains(bytes[offset + 1]) { return 1 }
        var length = 2
        while length < limit, bytes[offset + length] & 0xC0 == 0x80 { length += 1 }
        return length
    }

    /// The second bytes that may follow a first one: this is what keeps out surrogates, overlong forms and what lies
    /// beyond U+10FFFF.
    @inline(__always)
    private static func secondRange(_ first: UInt8) -> ClosedRange<UInt8> {
        switch first {
        case 0xE0: return 0xA0...0xBF
        case 0xED: return 0x80...0x9F
        case 0xF0: return 0x90...0xBF
        case 0xF4: return 0x80...0x8F
        default: return 0x80...0xBF
        }
    }

    /// How many bytes at the end begin a character that more bytes could complete: 0 to 3.
    static func incompleteTail(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        for length in stride(from: min(3, bytes.count), to: 0, by: -1) {
            let offset = bytes.count - length
            if expectedLength(bytes[offset]) > length, prefixLength(bytes, at: offset, end: bytes.count) == length {
                return length
            }
        }
        return 0
    }
}

/// The offset of the first byte that belongs to no well-formed UTF-8 character, or nil when all is well.
///
/// `Tokenizer.encode` takes any bytes; a front end that wants to refuse damaged text asks this first.
///
/// - Parameter bytes: The bytes of a text.
/// - Complexity: O(n).
public func firstInvalidUTF8Offset(in bytes: [UInt8]) -> Int? {
    bytes.withUnsafeBufferPointer { buffer in
        var offset = 0
        while offset < buffer.count {
            if buffer[offset] < 0x80 {
                offset += 1
                continue
            }
            let length = UTF8Form.length(buffer, at: offset, end: buffer.count)
            if length == 0 { return offset }
            offset += length
        }
        return nil
    }
}
