package import ApusGGUF
package import ApusJSON

extension JSONValue {
    /// A value of a file's metadata.
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - most: Arrays with more elements are shown empty; nil for none.
    package init(_ value: Metadata.Value, mostElements most: Int?) {
        if let most, let count = value.elementCount, count > most {
            self = []
            return
        }
        switch value {
        case .string(let text): self = .string(text)
        case .bool(let flag): self = .bool(flag)
        case .float32(let number): self = Self.finite(Double(number))
        case .float64(let number): self = Self.finite(number)
        case .strings(let texts): self = .array(texts.map(JSONValue.string))
        case .numbers(let numbers):
            self = .array((0..<numbers.count).map { JSONValue(numbers.value(at: $0), mostElements: nil) })
        case .nested(let values): self = .array(values.map { JSONValue($0, mostElements: most) })
        case .uint64(let number): self = Int(exactly: number).map(JSONValue.int) ?? .double(Double(number))
        default: self = value.integer.map(JSONValue.int) ?? .null
        }
    }

    /// A number, which a file may say is none.
    private static func finite(_ number: Double) -> JSONValue { number.isFinite ? .double(number) : .null }
}
