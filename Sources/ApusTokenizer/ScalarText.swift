// Text as a pre-tokenizer walks over it: UTF-8 bytes that need not be valid, one character and its class at a time.

/// A view of UTF-8 bytes by scalars and their classes, valid inside one call of `withScalarText`.
///
/// A byte that belongs to no well-formed character is a character of its own, of class `other`, as the U+FFFD that GGUF
/// engines put in its place would be; the byte itself is kept.
struct ScalarText {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let classes: UnsafeBufferPointer<UInt8>

    fileprivate init(bytes: UnsafeBufferPointer<UInt8>, classes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        self.classes = classes
    }

    /// The number of bytes.
    var count: Int { bytes.count }

    /// The byte at an offset, which must be below `count`.
    @inline(__always)
    subscript(offset: Int) -> UInt8 { bytes[offset] }

    /// The class and the length in bytes of the character at `offset`.
    ///
    /// - Parameters:
    ///   - offset: Where the character begins; below `end`.
    ///   - end: Where the text ends; a character that reaches beyond it is cut, hence invalid.
    @inline(__always)
    func unit(at offset: Int, end: Int) -> (class: UInt8, length: Int) {
        let first = bytes[offset]
        if first < 0x80 { return (classes[Int(first)], 1) }
        return multiByteUnit(first, at: offset, end: end)
    }

    private func multiByteUnit(_ first: UInt8, at offset: Int, end: Int) -> (class: UInt8, length: Int) {
        let length = UTF8Form.length(bytes, at: offset, end: end)
        if length <= 1 { return (ScalarClass.other, 1) }
        return (classOf(value(first, at: offset, length)), length)
    }

    private func value(_ first: UInt8, at offset: Int, _ length: Int) -> UInt32 {
        var value = UInt32(first) & (0x7F >> UInt32(length))
        for next in offset + 1..<offset + length { value = value << 6 | UInt32(bytes[next] & 0x3F) }
        return value
    }

    private func classOf(_ value: UInt32) -> UInt8 {
        value < ScalarClass.tableSize ? classes[Int(value)] : ScalarClass.compute(value)
    }

    /// The code point, class and length in bytes of the character at `offset`; a byte of no character is U+FFFD.
    @inline(__always)
    func scalar(at offset: Int, end: Int) -> (value: UInt32, class: UInt8, length: Int) {
        let first = bytes[offset]
        if first < 0x80 { return (UInt32(first), classes[Int(first)], 1) }
        let length = UTF8Form.length(bytes, at: offset, end: end)
        if length <= 1 { return (0xFFFD, ScalarClass.other, 1) }
        let value = value(first, at: offset, length)
        return (value, classOf(value), length)
    }

    /// The end of the run of characters of one class that begins at `offset` (which may be none).
    @inline(__always)
    func endOfRun(of kind: UInt8, from offset: Int, end: Int) -> Int {
        var index = offset
        while index < end {
            let unit = unit(at: index, end: end)
            if unit.class & ScalarClass.mask != kind { break }
            index += unit.length
        }
        return index
    }

    /// The end of the run of carriage returns and line feeds that begins at `offset` (which may be none).
    func endOfNewlines(from offset: Int, end: Int) -> Int {
        var index = offset
        while index < end, Self.isNewline(bytes[index]) { index += 1 }
        return index
    }

    /// Whether a byte is one of `[\r\n]`.
    @inline(__always)
    static func isNewline(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }
}

/// Calls `body` with a view of `bytes` by characters.
func withScalarText<Result>(_ bytes: UnsafeBufferPointer<UInt8>, _ body: (ScalarText) -> Result) -> Result {
    ScalarClass.table.withUnsafeBufferPointer { classes in
        body(ScalarText(bytes: bytes, classes: classes))
    }
}
