internal import ApusJSON
internal import HTTPTypes

/// What a route takes and gives, for openapi.json.
struct Operation: Sendable {
    /// The method.
    let method: HTTPRequest.Method
    /// The path, parameters in braces.
    let path: String
    /// What it does, in a line.
    let summary: String
    /// The body of a request, by the name of its schema; nil for none.
    var request: String?
    /// A body to try; its `model` stands for one that there is.
    var example: JSONValue?
    /// The reply by content type, each with its schema; empty for no body, nil where there never is one.
    var replies: [(type: String, schema: JSONValue?)]?
    /// Parameters of the query, all of which may be missing.
    var query: [(name: String, schema: JSONValue)] = []
    /// Statuses of errors beside those that any route can have.
    var errors: [Int] = []

    /// A reply in JSON, by the name of its schema.
    static func json(_ name: String) -> [(type: String, schema: JSONValue?)] {
        [("application/json", Schema.named(name))]
    }

    /// A reply in JSON, or in pieces as server-sent events, whose form OpenAPI has no words for.
    static func jsonOrEvents(_ name: String) -> [(type: String, schema: JSONValue?)] {
        json(name) + [("text/event-stream", nil)]
    }

    /// A reply in JSON, or in pieces of a line each.
    static func jsonOrLines(_ name: String) -> [(type: String, schema: JSONValue?)] {
        json(name) + [("application/x-ndjson", Schema.string)]
    }

    /// A reply in text.
    static let text: [(type: String, schema: JSONValue?)] = [("text/plain", Schema.string)]

    /// Errors of routes that work with a model: it is not there, or too much is to be done.
    static let modelErrors = [400, 404, 413, 503]

    /// The operation as openapi.json has it.
    ///
    /// - Parameters:
    ///   - tag: The family.
    ///   - error: The name of the schema of its errors.
    ///   - model: The name of a model for the example; nil for none.
    func json(tag: String, error: String, model: String?) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("tags", [.string(tag)]), .init("summary", .string(summary)),
            .init("operationId", .string("\(method.rawValue.lowercased())\(path)")),
        ]
        let names = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
        var parameters = names.map { name -> JSONValue in
            ["name": .string(name), "in": "path", "required": true, "schema": ["type": "string", "minLength": 1]]
        }
        parameters += query.map { ["name": .string($0.name), "in": "query", "schema": $0.schema] }
        if !parameters.isEmpty { members.append(.init("parameters", .array(parameters))) }
        if let request {
            var content: [JSONValue.Member] = [.init("schema", Schema.named(request))]
            if let example { content.append(.init("example", example.naming(model))) }
            members.append(
                .init("requestBody", ["required": true, "content": ["application/json": .object(content)]]))
        }
        members.append(.init("responses", .object(responses(error: error))))
        return .object(members)
    }

    /// The same for HEAD, which has no bodies.
    var head: Operation {
        Operation(
            method: .head, path: path, summary: summary, replies: replies == nil ? nil : [], query: query,
            errors: errors)
    }

    private func responses(error: String) -> [JSONValue.Member] {
        func response(_ description: String, _ content: [(type: String, schema: JSONValue?)]) -> JSONValue {
            var members: [JSONValue.Member] = [.init("description", .string(description))]
            if !content.isEmpty, method != .head {
                let types = content.map { type, schema in
                    JSONValue.Member(type, schema.map { ["schema": $0] } ?? .object([]))
                }
                members.append(.init("content", .object(types)))
            }
            return .object(members)
        }
        var responses = replies.map { [JSONValue.Member("200", response("What was asked for.", $0))] } ?? []
        for status in Set(errors + [401, 403]).sorted() {
            responses.append(
                .init("\(status)", response(Self.meanings[status] ?? "An error.", Self.json(error))))
        }
        return responses
    }

    private static let meanings = [
        400: "The request is at fault; the message names the parameter.",
        401: "The server asks for a key that the request has not.",
        403: "Pages of this origin may not use the server.", 404: "There is no such model.",
        413: "The body is too long.",
        503: "The model is being loaded, or there is too much to do; Retry-After tells when to come again.",
    ]
}

extension JSONValue {
    /// The same with another model's name, if it has one's.
    fileprivate func naming(_ model: String?) -> JSONValue {
        guard let model, case .object(var members) = self else { return self }
        for index in members.indices where members[index].name == "model" { members[index].value = .string(model) }
        return .object(members)
    }
}
