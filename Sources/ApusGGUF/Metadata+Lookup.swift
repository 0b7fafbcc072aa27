// Typed look-ups: each either gives the value or says which key, what was found and what was wanted.

extension Metadata {
    /// The text of a key.
    ///
    /// - Parameter key: The key.
    /// - Returns: The text; what was no UTF-8 in the file is U+FFFD.
    /// - Throws: `format` when the key is missing or its value is no string.
    public func string(_ key: String) throws(ApusError) -> String {
        try required(optionalString(key), key, "a string")
    }

    /// The text of a key, or nil when the key is missing.
    ///
    /// - Parameter key: The key.
    /// - Throws: `format` when the value is no string.
    public func optionalString(_ key: String) throws(ApusError) -> String? {
        guard let value = self[key] else { return nil }
        guard case .string(let text) = value else { throw mismatch(key, value, "a string") }
        return text
    }

    /// The integer of a key, whatever its width in the file.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - range: The values allowed.
    /// - Throws: `format` when the key is missing or its value is no integer or out of range.
    public func int(_ key: String, in range: ClosedRange<Int> = .min ... .max) throws(ApusError) -> Int {
        try required(optionalInt(key, in: range), key, Self.wanted(range))
    }

    /// The integer of a key, whatever its width in the file, or nil when the key is missing.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - range: The values allowed.
    /// - Throws: `format` when the value is no integer or out of range.
    public func optionalInt(_ key: String, in range: ClosedRange<Int> = .min ... .max) throws(ApusError) -> Int? {
        guard let value = self[key] else { return nil }
        guard let integer = value.integer, range.contains(integer) else {
            throw mismatch(key, value, Self.wanted(range))
        }
        return integer
    }

    /// The float of a key, 32 or 64 bits wide in the file.
    ///
    /// - Parameter key: The key.
    /// - Throws: `format` when the key is missing or its value is no float or not finite.
    public func float(_ key: String) throws(ApusError) -> Float {
        try required(optionalFloat(key), key, "a finite float")
    }

    /// The float of a key, 32 or 64 bits wide in the file, or nil when the key is missing.
    ///
    /// - Parameter key: The key.
    /// - Throws: `format` when the value is no float or not finite (also when a 64-bit one exceeds 32 bits).
    public func optionalFloat(_ key: String) throws(ApusError) -> Float? {
        let float: Float
        switch self[key] {
        case nil: return nil
        case .float32(let value): float = value
        case .float64(let value): float = Float(value)
        case .some(let value): throw mismatch(key, value, "a finite float")
        }
        guard float.isFinite else { throw mismatch(key, self[key] ?? .float32(float), "a finite float") }
        return float
    }

    /// The boolean of a key.
    ///
    /// - Parameter key: The key.
    /// - Throws: `format` when the key is missing or its value is no boolean.
    public func bool(_ key: String) throws(ApusError) -> Bool {
        try required(optionalBool(key), key, "a bool")
    }

    /// The boolean of a key, or nil when the key is missing.
    ///
    /// - Parameter key: The key.
    /// - Throws: `format` when the value is no boolean.
    public func optionalBool(_ key: String) throws(ApusError) -> Bool? {
        guard let value = self[key] else { return nil }
        guard case .bool(let flag) = value else { throw mismatch(key, value, "a bool") }
        return flag
    }

    /// The strings of a key.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted; nil for any.
    /// - Throws: `format` when the key is missing, its value is no array of strings or has another count.
    public func stringArray(_ key: String, count: Int? = nil) throws(ApusError) -> GGUFStringArray {
        try required(optionalStringArray(key, count: count), key, Self.wanted("strings", count))
    }

    /// The strings of a key, or nil when the key is missing.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted; nil for any.
    /// - Throws: `format` when the value is no array of strings or has another count.
    public func optionalStringArray(_ key: String, count: Int? = nil) throws(ApusError) -> GGUFStringArray? {
        guard let value = self[key] else { return nil }
        switch value {
        case .strings(let array) where count ?? array.count == array.count: return array
        // An empty list has no first element whose type a writer could look at: any element type will do.
        case .numbers(let array) where array.count == 0 && count ?? 0 == 0: return GGUFStringArray([])
        default: throw mismatch(key, value, Self.wanted("strings", count))
        }
    }

    /// The integers of a key, whatever their width in the file.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted, checked before any memory is taken; nil for any.
    /// - Throws: `format` when the key is missing, its value is no array of integers or has another count.
    public func intArray(_ key: String, count: Int? = nil) throws(ApusError) -> [Int] {
        try required(optionalIntArray(key, count: count), key, Self.wanted("integers", count))
    }

    /// The integers of a key, whatever their width in the file, or nil when the key is missing.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted, checked before any memory is taken; nil for any.
    /// - Throws: `format` when the value is no array of integers or has another count.
    public func optionalIntArray(_ key: String, count: Int? = nil) throws(ApusError) -> [Int]? {
        try numbers(key, "integers", count) { $0.integers() }
    }

    /// The integers of a key as 32-bit ones, or nil when the key is missing.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted, checked before any memory is taken; nil for any.
    /// - Throws: `format` when the value is no array of integers, one exceeds 32 bits, or it has another count.
    public func optionalInt32Array(_ key: String, count: Int? = nil) throws(ApusError) -> [Int32]? {
        try numbers(key, "32-bit integers", count) { $0.integers() }
    }

    /// The floats of a key; NaN and infinity are allowed.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted, checked before any memory is taken; nil for any.
    /// - Throws: `format` when the key is missing, its value is no array of floats or has another count.
    public func floatArray(_ key: String, count: Int? = nil) throws(ApusError) -> [Float] {
        try required(optionalFloatArray(key, count: count), key, Self.wanted("floats", count))
    }

    /// The floats of a key, or nil when the key is missing; NaN and infinity are allowed.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted, checked before any memory is taken; nil for any.
    /// - Throws: `format` when the value is no array of floats or has another count.
    public func optionalFloatArray(_ key: String, count: Int? = nil) throws(ApusError) -> [Float]? {
        try numbers(key, "floats", count) { $0.floats() }
    }

    /// The booleans of a key, or nil when the key is missing.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - count: The number of elements wanted, checked before any memory is taken; nil for any.
    /// - Throws: `format` when the value is no array of booleans or has another count.
    public func optionalBoolArray(_ key: String, count: Int? = nil) throws(ApusError) -> [Bool]? {
        try numbers(key, "bools", count) { $0.booleans() }
    }

    private func numbers<T>(
        _ key: String, _ elements: String, _ count: Int?, _ convert: (GGUFNumberArray) -> [T]?
    ) throws(ApusError) -> [T]? {
        guard let value = self[key] else { return nil }
        switch value {
        // An empty list has no first element whose type a writer could look at: any element type will do.
        case .strings(let array) where array.count == 0 && count ?? 0 == 0: return []
        case .numbers(let array) where array.count == 0 && count ?? 0 == 0: return []
        case .numbers(let array) where count ?? array.count == array.count:
            guard let result = convert(array) else { throw mismatch(key, value, Self.wanted(elements, count)) }
            return result
        default: throw mismatch(key, value, Self.wanted(elements, count))
        }
    }

    /// The error for a value that does not suit, for checks beyond those of the look-ups.
    ///
    /// - Parameters:
    ///   - key: The key at fault.
    ///   - wanted: What the value should be, such as `a multiple of 32`.
    /// - Returns: An error that names the file, the key, the value found and what was wanted.
    public func mismatch(_ key: String, wanted: String) -> ApusError {
        guard let value = self[key] else {
            return ApusError(.format, "\(source): no metadata key \(ApusError.quoted(key)), wanted \(wanted)")
        }
        return mismatch(key, value, wanted)
    }

    private func required<T>(_ value: T?, _ key: String, _ wanted: String) throws(ApusError) -> T {
        guard let value else { throw mismatch(key, wanted: wanted) }
        return value
    }

    private func mismatch(_ key: String, _ value: Value, _ wanted: String) -> ApusError {
        let found = value.elementCount == nil ? "\(value.type) \(value)" : value.typeDescription
        return ApusError(.format, "\(source): metadata key \(ApusError.quoted(key)) is \(found), wanted \(wanted)")
    }

    private static func wanted(_ range: ClosedRange<Int>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (.min, .max): "an integer"
        case (let low, .max): "an integer of at least \(low)"
        case (let low, let high): "an integer in \(low)...\(high)"
        }
    }

    private static func wanted(_ elements: String, _ count: Int?) -> String {
        count.map { "an array of \($0) \(elements)" } ?? "an array of \(elements)"
    }
}
