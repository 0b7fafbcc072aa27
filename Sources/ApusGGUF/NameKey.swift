// Dictionary keys that compare names byte for byte.

/// A name as a dictionary's key, compared and hashed by its bytes.
///
/// A `String` is hashed in Unicode's normal form, which takes quadratic time for a run of combining marks: minutes for a
/// key of 64 kB from a hostile file. Bytes are also what the format means by a name.
struct NameKey: Hashable {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    static func == (left: NameKey, right: NameKey) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
