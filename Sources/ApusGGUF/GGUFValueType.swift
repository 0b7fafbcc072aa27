// The types that a metadata value can have, by their numbers in the file.

/// The type of a metadata value or of an array's elements.
public enum GGUFValueType: UInt32, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// 8-bit unsigned integer.
    case uint8 = 0
    /// 8-bit signed integer.
    case int8 = 1
    /// 16-bit unsigned integer.
    case uint16 = 2
    /// 16-bit signed integer.
    case int16 = 3
    /// 32-bit unsigned integer.
    case uint32 = 4
    /// 32-bit signed integer.
    case int32 = 5
    /// 32-bit float.
    case float32 = 6
    /// One byte, 0 or 1.
    case bool = 7
    /// A length in 64 bits, then that many bytes.
    case string = 8
    /// An element type in 32 bits, a count in 64 bits, then the elements.
    case array = 9
    /// 64-bit unsigned integer.
    case uint64 = 10
    /// 64-bit signed integer.
    case int64 = 11
    /// 64-bit float.
    case float64 = 12

    /// The size of a value in bytes; nil for strings and arrays, whose size is in the file.
    public var byteCount: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// The least number of bytes that a value takes in the file.
    var leastByteCount: Int {
        switch self {
        case .string: 8
        case .array: 12
        default: byteCount ?? 1
        }
    }

    /// The type's name as the GGUF specification has it, such as `uint32`.
    public var description: String {
        switch self {
        case .uint8: "uint8"
        case .int8: "int8"
        case .uint16: "uint16"
        case .int16: "int16"
        case .uint32: "uint32"
        case .int32: "int32"
        case .float32: "float32"
        case .bool: "bool"
        case .string: "string"
        case .array: "array"
        case .uint64: "uint64"
        case .int64: "int64"
        case .float64: "float64"
        }
    }
}
