// GPT-2's alphabet: a printable character for every byte, so that tokens of any bytes can be written as text.

/// The characters that stand for bytes in the vocabulary of a byte-level tokenizer.
///
/// Bytes that print (33–126, 161–172, 174–255) stand for themselves; the 68 others are U+0100, U+0101 and so on in order.
enum ByteAlphabet {
    /// The character of each byte; below 324.
    static let scalars: [UInt16] = {
        var next: UInt16 = 256
        return (0..<256).map { byte in
            switch byte {
            case 33...126, 161...172, 174...255: return UInt16(byte)
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The byte of each character below 324, or -1 for one that stands for none.
    static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 324)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    /// Appends a byte's character, as UTF-8.
    @inline(__always)
    static func appendCharacter(of byte: UInt8, to text: inout [UInt8]) {
        let scalar = scalars[Int(byte)]
        if scalar < 0x80 {
            text.append(UInt8(scalar))
        } else {
            text.append(UInt8(0xC0 | scalar >> 6))
            text.append(UInt8(0x80 | scalar & 0x3F))
        }
    }

    /// The bytes that a token's text stands for. What is not of the alphabet stands for itself.
    static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let first = text[index]
            if first < 0x80 {
                // Among the first 128 the alphabet holds only characters that stand for themselves.
                result.append(first)
                index += 1
                continue
            }
            let length = max(1, UTF8Form.length(text, at: index, end: text.count))
            let scalar = length == 2 ? Int(first & 0x1F) << 6 | Int(text[index + 1] & 0x3F) : Int.max
            if scalar < bytes.count, bytes[scalar] >= 0 {
                result.append(UInt8(truncatingIfNeeded: bytes[scalar]))
            } else {
                result.append(contentsOf: text[index..<index + length])
            }
            index += length
        }
        return result
    }
}
