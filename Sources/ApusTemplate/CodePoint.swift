// What texts of templates are made of: a code point that knows where it is from.

/// A code point, and whether it is foreign: whether it came in with the arguments and not from the template.
///
/// Foreign text must not become control tokens. That is a property of each character, so that it is kept by whatever a
/// template does to a text: cut it, strip it, join it, take it apart. It has no part in comparisons.
struct CodePoint: Hashable, Comparable, ExpressibleByUnicodeScalarLiteral {
    private static let foreignBit: UInt32 = 1 << 31

    private let bits: UInt32

    init(_ scalar: Unicode.Scalar, isForeign: Bool = false) {
        bits = scalar.value | (isForeign ? Self.foreignBit : 0)
    }

    init(unicodeScalarLiteral value: Unicode.Scalar) { self.init(value) }

    /// The code point's number.
    var value: UInt32 { bits & ~Self.foreignBit }
    /// Whether it came in with the arguments.
    var isForeign: Bool { bits & Self.foreignBit != 0 }
    var scalar: Unicode.Scalar { Unicode.Scalar(value) ?? "\u{FFFD}" }
    var properties: Unicode.Scalar.Properties { scalar.properties }
    var character: Character { Character(scalar) }
    var isASCII: Bool { value < 0x80 }

    /// What is made of this code point, and is from where it is.
    func mapped(_ string: String) -> Text { string.unicodeScalars.map { CodePoint($0, isForeign: isForeign) } }

    static func == (left: CodePoint, right: CodePoint) -> Bool { left.value == right.value }
    static func < (left: CodePoint, right: CodePoint) -> Bool { left.value < right.value }

    func hash(into hasher: inout Hasher) { hasher.combine(value) }
}
