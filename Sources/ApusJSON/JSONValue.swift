// JSON as a value that keeps the order of its members.

/// A JSON value.
public enum JSONValue: Sendable, Hashable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number without fraction and exponent that fits 64 bits.
    case int(Int)
    /// Any other number. One that JSON cannot say (NaN, infinities) is written as `null`.
    case double(Double)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object, its members in order.
    case object([Member])

    /// A member of an object.
    public struct Member: Sendable, Hashable {
        /// The member's name.
        public var name: String
        /// The member's value.
        public var value: JSONValue

        /// Makes a member.
        ///
        /// - Parameters:
        ///   - name: The member's name.
        ///   - value: The member's value.
        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// The value of an object's member; of several with the same name the last. Nil when there is none.
    ///
    /// - Parameter name: The member's name.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    /// An array of integers.
    ///
    /// - Parameter values: The elements.
    /// - Returns: The array.
    public static func ints(_ values: some Sequence<some BinaryInteger>) -> JSONValue {
        .array(values.map { .int(Int(clamping: $0)) })
    }

    /// An array of floating-point numbers.
    ///
    /// - Parameter values: The elements.
    /// - Returns: The array.
    public static func doubles(_ values: some Sequence<Double>) -> JSONValue {
        .array(values.map(JSONValue.double))
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A string.
    ///
    /// - Parameter value: The string.
    public init(stringLiteral value: String) { self = .string(value) }

    /// An integer.
    ///
    /// - Parameter value: The integer.
    public init(integerLiteral value: Int) { self = .int(value) }

    /// A floating-point number.
    ///
    /// - Parameter value: The number.
    public init(floatLiteral value: Double) { self = .double(value) }

    /// A boolean.
    ///
    /// - Parameter value: The boolean.
    public init(booleanLiteral value: Bool) { self = .bool(value) }

    /// Null.
    ///
    /// - Parameter nilLiteral: Nothing.
    public init(nilLiteral: ()) { self = .null }

    /// An array.
    ///
    /// - Parameter elements: The elements in order.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

    /// An object.
    ///
    /// - Parameter elements: The members in order.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
}
