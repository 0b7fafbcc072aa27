// A file's metadata: keys and values in the file's order. Typed look-ups are in Metadata+Lookup.swift.

/// The key-value pairs of a GGUF file, in the file's order.
///
/// Typed look-ups such as `int(_:in:)` throw an error that names the file, the key, what was found and what was wanted.
public struct Metadata: Sendable {
    /// A value of any type that GGUF has.
    public enum Value: Sendable, Hashable {
        /// 8-bit unsigned integer.
        case uint8(UInt8)
        /// 8-bit signed integer.
        case int8(Int8)
        /// 16-bit unsigned integer.
        case uint16(UInt16)
        /// 16-bit signed integer.
        case int16(Int16)
        /// 32-bit unsigned integer.
        case uint32(UInt32)
        /// 32-bit signed integer.
        case int32(Int32)
        /// 64-bit unsigned integer.
        case uint64(UInt64)
        /// 64-bit signed integer.
        case int64(Int64)
        /// 32-bit float.
        case float32(Float)
        /// 64-bit float.
        case float64(Double)
        /// Boolean.
        case bool(Bool)
        /// Text; what was no UTF-8 in the file is U+FFFD here.
        case string(String)
        /// Array of numbers or booleans.
        case numbers(GGUFNumberArray)
        /// Array of strings.
        case strings(GGUFStringArray)
        /// Array of arrays.
        case nested([Value])
    }

    /// The key-value pairs, in the file's order.
    public private(set) var entries: [(key: String, value: Value)] = []

    /// The name of the file for messages.
    let source: String

    private var index: [NameKey: Int] = [:]

    /// Makes metadata without a file, for tests and tools.
    ///
    /// - Parameters:
    ///   - entries: The key-value pairs; of pairs with the same key the first counts.
    ///   - source: The name that messages give as the file's.
    public init(_ entries: [(key: String, value: Value)] = [], source: String = "metadata") {
        self.source = source
        for entry in entries { _ = append(entry.key, entry.value) }
    }

    /// Adds a pair at the end.
    ///
    /// - Returns: false when there is a value for the key already; it then stays as it was.
    mutating func append(_ key: String, _ value: Value) -> Bool {
        guard index[NameKey(key)] == nil else { return false }
        index[NameKey(key)] = entries.count
        entries.append((key, value))
        return true
    }

    /// The number of pairs.
    public var count: Int { entries.count }

    /// The value of a key, or nil when there is none.
    ///
    /// - Parameter key: The key, such as `general.architecture`.
    public subscript(key: String) -> Value? {
        index[NameKey(key)].map { entries[$0].value }
    }
}

extension Metadata.Value {
    /// The value's type.
    public var type: GGUFValueType {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .uint64: .uint64
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .bool: .bool
        case .string: .string
        case .numbers, .strings, .nested: .array
        }
    }

    /// The type of an array's elements; nil when the value is no array.
    public var elementType: GGUFValueType? {
        switch self {
        case .numbers(let array): array.elementType
        case .strings: .string
        case .nested: .array
        default: nil
        }
    }

    /// The number of an array's elements; nil when the value is no array.
    public var elementCount: Int? {
        switch self {
        case .numbers(let array): array.count
        case .strings(let array): array.count
        case .nested(let array): array.count
        default: nil
        }
    }

    /// The type in words: `uint32`, or `array of 3 string`.
    public var typeDescription: String {
        if let elementType, let elementCount { return "array of \(elementCount) \(elementType)" }
        return type.description
    }

    /// The value as an integer; nil when it is none or exceeds `Int`.
    public var integer: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(exactly: value)
        default: nil
        }
    }

    /// Whether the value is an integer of any width.
    public var isInteger: Bool {
        switch self {
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
        default: false
        }
    }
}

extension Metadata.Value: CustomStringConvertible {
    /// The value for people: text in quotes and cut, of arrays the first elements.
    public var description: String {
        switch self {
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .int64: integer.map(String.init) ?? ""
        case .uint64(let value): String(value)
        case .float32(let value): String(value)
        case .float64(let value): String(value)
        case .bool(let value): String(value)
        case .string(let value): ApusError.quoted(value)
        case .numbers(let array): list(array.count) { array.value(at: $0).description }
        case .strings(let array): list(array.count) { ApusError.quoted(array[$0], limit: 40) }
        case .nested(let array): list(array.count) { array[$0].typeDescription }
        }
    }

    private func list(_ count: Int, _ element: (Int) -> String) -> String {
        let shown = 8
        var parts = (0..<Swift.min(count, shown)).map(element)
        if count > shown { parts.append("… (\(count))") }
        return "[" + parts.joined(separator: ", ") + "]"
    }
}
