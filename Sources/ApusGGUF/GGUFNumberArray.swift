// An array of numbers or booleans as it stands in the file: no boxed elements.

/// The numbers or booleans of a metadata array, kept as the file's bytes.
public struct GGUFNumberArray: Sendable, Hashable {
    /// The type of the elements; never `string` or `array`.
    public let elementType: GGUFValueType
    /// The number of elements.
    public let count: Int
    /// The elements as they stand in the file, little-endian.
    let bytes: [UInt8]

    /// Takes elements over from a file.
    ///
    /// - Parameters:
    ///   - elementType: The type of the elements; one of fixed size.
    ///   - bytes: The elements, little-endian; a part of an element at the end is ignored.
    init(elementType: GGUFValueType, bytes: [UInt8]) {
        self.elementType = elementType
        self.bytes = bytes
        self.count = bytes.count / (elementType.byteCount ?? 1)
    }

    /// Makes an array of integers; the element type follows from the type of the values.
    ///
    /// - Parameter values: The integers, of a type with 8, 16, 32 or 64 bits.
    public init<T: FixedWidthInteger>(_ values: [T]) {
        let types: [GGUFValueType] =
            T.isSigned ? [.int8, .int16, .int32, .int64] : [.uint8, .uint16, .uint32, .uint64]
        let type = types.first { $0.byteCount == T.bitWidth / 8 } ?? .int64
        self.init(elementType: type, bytes: Self.pack(values.map { $0.littleEndian }))
    }

    /// Makes an array of `float32`.
    ///
    /// - Parameter values: The floats.
    public init(_ values: [Float]) {
        self.init(elementType: .float32, bytes: Self.pack(values.map { $0.bitPattern.littleEndian }))
    }

    /// Makes an array of `float64`.
    ///
    /// - Parameter values: The floats.
    public init(_ values: [Double]) {
        self.init(elementType: .float64, bytes: Self.pack(values.map { $0.bitPattern.littleEndian }))
    }

    /// Makes an array of booleans.
    ///
    /// - Parameter values: The booleans.
    public init(_ values: [Bool]) {
        self.init(elementType: .bool, bytes: values.map { $0 ? 1 : 0 })
    }

    /// The element at an index as a metadata value.
    ///
    /// - Parameter index: An index in `0..<count`.
    public func value(at index: Int) -> Metadata.Value {
        switch elementType {
        case .uint8: .uint8(load(index))
        case .int8: .int8(load(index))
        case .uint16: .uint16(load(index))
        case .int16: .int16(load(index))
        case .uint32: .uint32(load(index))
        case .int32: .int32(load(index))
        case .uint64: .uint64(load(index))
        case .int64: .int64(load(index))
        case .float32: .float32(Float(bitPattern: load(index)))
        case .float64: .float64(Double(bitPattern: load(index)))
        case .bool, .string, .array: .bool((load(index) as UInt8) != 0)
        }
    }

    /// The elements as integers of a type.
    ///
    /// - Returns: nil when the elements are no integers, or one of them does not fit.
    /// - Complexity: O(count).
    public func integers<T: FixedWidthInteger>(as type: T.Type = T.self) -> [T]? {
        switch elementType {
        case .uint8: convert(from: UInt8.self)
        case .int8: convert(from: Int8.self)
        case .uint16: convert(from: UInt16.self)
        case .int16: convert(from: Int16.self)
        case .uint32: convert(from: UInt32.self)
        case .int32: convert(from: Int32.self)
        case .uint64: convert(from: UInt64.self)
        case .int64: convert(from: Int64.self)
        case .float32, .float64, .bool, .string, .array: nil
        }
    }

    /// The elements as 32-bit floats (64-bit ones are rounded).
    ///
    /// - Returns: nil when the elements are no floats.
    /// - Complexity: O(count).
    public func floats() -> [Float]? {
        switch elementType {
        case .float32: (0..<count).map { Float(bitPattern: load($0)) }
        case .float64: (0..<count).map { Float(Double(bitPattern: load($0))) }
        default: nil
        }
    }

    /// The elements as booleans.
    ///
    /// - Returns: nil when the elements are no booleans.
    /// - Complexity: O(count).
    public func booleans() -> [Bool]? {
        elementType == .bool ? bytes.map { $0 != 0 } : nil
    }

    private func convert<S: FixedWidthInteger, T: FixedWidthInteger>(from source: S.Type) -> [T]? {
        var result: [T] = []
        result.reserveCapacity(count)
        for index in 0..<count {
            guard let value = T(exactly: load(index) as S) else { return nil }
            result.append(value)
        }
        return result
    }

    private func load<T: FixedWidthInteger>(_ index: Int) -> T {
        precondition(index >= 0 && index < count, "index out of range")
        return bytes.withUnsafeBytes {
            T(littleEndian: $0.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: T.self))
        }
    }

    private static func pack<T: FixedWidthInteger>(_ values: [T]) -> [UInt8] {
        values.withUnsafeBytes { Array($0) }
    }
}
