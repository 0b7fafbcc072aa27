// Which characters are letters, numbers and white space: the only Unicode facts that pre-tokenizers need.

/// The class of a Unicode scalar as the patterns of pre-tokenizers see it.
///
/// The raw values are bits, so that a set of classes is a mask; `other` is none of them.
enum ScalarClass {
    /// Neither letter, number nor white space: punctuation, symbols, marks, controls, what is not assigned.
    static let other: UInt8 = 0
    /// `\p{L}`.
    static let letter: UInt8 = 1
    /// `\p{N}`.
    static let number: UInt8 = 2
    /// `\s`, which is Unicode's White_Space.
    static let space: UInt8 = 4
    /// The three that exclude one another; what remains is `other`.
    static let mask: UInt8 = 7
    /// `\p{P}`; always together with `other`.
    static let punctuation: UInt8 = 8
    /// `[\p{Lu}\p{Lt}]`; always together with `letter`.
    static let uppercase: UInt8 = 16
    /// `\p{Ll}`; always together with `letter`.
    static let lowercase: UInt8 = 32
    /// `\p{M}`; always together with `other`.
    static let combining: UInt8 = 64

    /// Scalars below this are looked up, the others asked of the standard library. The table ends after kana, past the
    /// last white space (U+3000); what lies above is mostly ideographs and Hangul, which `compute` knows by range.
    static let tableSize: UInt32 = 0x3100

    /// The classes of the scalars below `tableSize`, made at the first use in less than a millisecond.
    static let table: [UInt8] = (0..<tableSize).map(compute)

    /// The class by Unicode's properties.
    static func compute(_ value: UInt32) -> UInt8 {
        switch value {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7A3: return letter
        default: break
        }
        guard let scalar = Unicode.Scalar(value) else { return other }
        let properties = scalar.properties
        if properties.isWhitespace { return space }
        switch properties.generalCategory {
        case .modifierLetter, .otherLetter: return letter
        case .uppercaseLetter, .titlecaseLetter: return letter | uppercase
        case .lowercaseLetter: return letter | lowercase
        case .nonspacingMark, .spacingMark, .enclosingMark: return other | combining
        case .decimalNumber, .letterNumber, .otherNumber: return number
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return other | punctuation
        default: return other
        }
    }
}
