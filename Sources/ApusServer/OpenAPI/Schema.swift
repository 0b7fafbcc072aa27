internal import ApusJSON

/// Schemas of JSON values, as OpenAPI 3.1 has them.
enum Schema {
    /// Any value.
    static let any: JSONValue = [:]
    /// A text.
    static let string: JSONValue = ["type": "string"]
    /// `true` or `false`.
    static let bool: JSONValue = ["type": "boolean"]
    /// A number.
    static let number: JSONValue = ["type": "number"]
    /// A whole number.
    static let integer: JSONValue = ["type": "integer"]
    /// A whole number of 0 or more.
    static let count = integer(0...)
    /// A duration in nanoseconds.
    static let nanoseconds: JSONValue = ["type": "integer", "minimum": 0, "description": "in nanoseconds"]
    /// A point in time.
    static let time: JSONValue = ["type": "string", "format": "date-time"]
    /// A token of the vocabulary.
    static let token = integer(0...)

    /// A whole number in a range.
    static func integer(_ range: ClosedRange<Int>) -> JSONValue {
        ["type": "integer", "minimum": .int(range.lowerBound), "maximum": .int(range.upperBound)]
    }

    /// A whole number from some number on.
    static func integer(_ range: PartialRangeFrom<Int>) -> JSONValue {
        ["type": "integer", "minimum": .int(range.lowerBound)]
    }

    /// A number in a range.
    static func number(_ range: ClosedRange<Double>) -> JSONValue {
        ["type": "number", "minimum": .double(range.lowerBound), "maximum": .double(range.upperBound)]
    }

    /// One of some texts.
    static func oneOf(_ texts: String...) -> JSONValue {
        ["type": "string", "enum": .array(texts.map(JSONValue.string))]
    }

    /// A text that is always the same.
    static func constant(_ text: String) -> JSONValue { ["type": "string", "const": .string(text)] }

    /// An array.
    static func array(_ element: JSONValue, atLeast: Int = 0) -> JSONValue {
        var members: [JSONValue.Member] = [.init("type", "array"), .init("items", element)]
        if atLeast > 0 { members.append(.init("minItems", .int(atLeast))) }
        return .object(members)
    }

    /// One of several schemas.
    static func any(of schemas: JSONValue...) -> JSONValue { ["anyOf": .array(schemas)] }

    /// A value, or what is the same as none in a request: null, or an array or object of nothing.
    static func optional(_ schema: JSONValue) -> JSONValue { any(of: schema, named("Nothing")) }

    /// A value or null, in a reply.
    static func nullable(_ schema: JSONValue) -> JSONValue { any(of: schema, ["type": "null"]) }

    /// A schema that the document has under a name.
    static func named(_ name: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(name)")] }

    /// With a word on it.
    static func described(_ schema: JSONValue, _ text: String) -> JSONValue {
        guard case .object(let members) = schema else { return schema }
        return .object(members + [.init("description", .string(text))])
    }

    /// What a request has: members it must have, and such as may be missing. Others are passed over.
    static func request(
        required: KeyValuePairs<String, JSONValue> = [:], _ optional: KeyValuePairs<String, JSONValue> = [:]
    ) -> JSONValue {
        object(
            required.map { .init($0, $1) } + optional.map { .init($0, Self.optional($1)) },
            required: required.map(\.key), isClosed: false)
    }

    /// What a reply has: members that are always there, and such as may be missing. There are no others.
    static func reply(
        _ required: KeyValuePairs<String, JSONValue>, optional: KeyValuePairs<String, JSONValue> = [:]
    ) -> JSONValue {
        object(
            required.map { .init($0, $1) } + optional.map { .init($0, $1) }, required: required.map(\.key),
            isClosed: true)
    }

    /// An object.
    ///
    /// - Parameters:
    ///   - properties: The members.
    ///   - required: Those that are always there.
    ///   - isClosed: Whether there are no others.
    static func object(_ properties: [JSONValue.Member], required: [String], isClosed: Bool) -> JSONValue {
        var members: [JSONValue.Member] = [.init("type", "object"), .init("properties", .object(properties))]
        if !required.isEmpty { members.append(.init("required", .array(required.map(JSONValue.string)))) }
        if isClosed { members.append(.init("additionalProperties", false)) }
        return .object(members)
    }
}
