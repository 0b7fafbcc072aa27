internal import ApusJSON

/// What OpenAI's requests may ask for that Apus does not do yet: it is refused by name, never passed over.
package enum RequestRules {
    /// Refuses constraints on the reply's form, and tools.
    ///
    /// - Parameter fields: The request.
    /// - Throws: 400 with the parameter, when it asks for something.
    package static func check(_ fields: Fields) throws(RequestError) {
        for name in ["tools", "functions", "grammar", "json_schema"] where isAsking(fields.value(name)) {
            throw .unsupported(fields.path(name), "\(fields.path(name)) is not supported yet")
        }
        if let choice = fields.value("tool_choice"), choice != "none", choice != "auto" {
            throw .unsupported(
                fields.path("tool_choice"),
                "\(fields.path("tool_choice")) is \(choice.summary), wanted: \"none\" or \"auto\"; others are not "
                    + "supported yet")
        }
        if let format = try fields.fields("response_format"), let type = try format.string("type"), type != "text" {
            throw .unsupported(
                fields.path("response_format"),
                "\(format.path("type")) is \(JSONValue.string(type).summary), wanted: \"text\"; others are not "
                    + "supported yet")
        }
    }

    private static func isAsking(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .string(""), .bool(false): false
        default: true
        }
    }
}
