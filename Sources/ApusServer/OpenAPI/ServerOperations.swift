internal import ApusJSON
internal import HTTPTypes

extension OpenAPIDocument {
    /// Routes about the server itself.
    static var server: Family {
        let health = ["/health", "/v1/health"].map {
            Operation(
                method: .get, path: $0, summary: "Whether the server is ready.", replies: Operation.json("Health"),
                errors: [503])
        }
        let document = Operation(
            method: .get, path: "/openapi.json", summary: "This description.",
            replies: [("application/json", ["type": "object"])])
        return Family(
            tag: "Server", description: "The server itself.", error: "LlamaServerError",
            operations: health + [document],
            schemas: [
                .init("Health", Schema.reply(["status": Schema.constant("ok")])),
                .init(
                    "Nothing",
                    Schema.any(
                        of: ["type": "null"], ["type": "array", "maxItems": 0], ["type": "object", "maxProperties": 0])),
            ])
    }
}
