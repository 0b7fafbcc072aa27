internal import ApusJSON

/// What OpenAI's requests may ask for that Apus does not do yet: it is refused by name, never passed over.
package enum RequestRules {
    /// Refuses constraints on the reply's form, and tools.
    ///
    /// - Parameter fields: The request.
    /// - Throws: 400 with the parameter, when it asks for something.
    package static func check(_ fields: Fields) throws(RequestError) {
        for name in Self.refused where isAsking(fields.value(name)) {
            throw .unsupported(fields.path(name), "\(fields.path(name)) is not supported yet")
        }
        for name in ["tool_choice", "function_call"] {
            guard let choice = fields.value(name), choice != "none", choice != "auto" else { continue }
            throw .unsupported(
                fields.path(name),
                "\(fields.path(name)) is \(choice.summary), wanted: \"none\" or \"auto\"; others are not supported yet")
        }
        if let format = try fields.fields("response_format"), let type = try format.string("type"), type != "text" {
            throw .unsupported(
                fields.path("response_format"),
                "\(format.path("type")) is \(JSONValue.string(type).summary), wanted: \"text\"; others are not "
                    + "supported yet")
        }
    }

    /// OpenAI's and llama-server's names, and vLLM's.
    private static let refused = [
        "tools", "functions", "grammar", "json_schema", "structured_outputs", "guided_json", "guided_regex",
        "guided_choice", "guided_grammar",
    ]

    private static func isAsking(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .string(""), .bool(false): false
        default: true
        }
    }
}
