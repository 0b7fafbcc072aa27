internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import Hummingbird

/// `GET /openapi.json`: what every route takes and gives.
struct OpenAPIRoutes: RouteGroup {
    static let errorStyle = ErrorStyle.llamaServer

    private let services: Services

    init(_ services: Services) { self.services = services }

    func addRoutes(to routes: Routes) {
        let table = routes.table
        routes.get("/openapi.json") { [services] _ in
            let model = services.configuration.preloadedModels.first ?? services.library.entries().first?.shortName
            return Response(
                json: OpenAPIDocument.json(model: model) { path, method in table.methods(for: path).contains(method) })
        }
    }
}

/// The description of all routes, in OpenAPI 3.1.
enum OpenAPIDocument {
    /// A family of operations, and how it writes errors.
    struct Family: Sendable {
        let tag: String
        let description: String
        /// The name of the schema of errors.
        let error: String
        let operations: [Operation]
        let schemas: [JSONValue.Member]
    }

    /// Every family; a line each.
    static let families = [openAI, ollama, llamaServer, server]

    /// The document.
    ///
    /// - Parameters:
    ///   - model: The name of a model for examples; nil for none.
    ///   - isServed: Whether there is a route, which depends on how the server was set up.
    static func json(
        model: String?, isServed: (_ path: String, _ method: HTTPRequest.Method) -> Bool
    ) -> JSONValue {
        var paths: [JSONValue.Member] = []
        for family in families {
            for operation in family.operations where isServed(operation.path, operation.method) {
                var methods = [(operation, operation.method.rawValue.lowercased())]
                if operation.method == .get { methods.append((operation.head, "head")) }
                let members = methods.map { operation, name in
                    JSONValue.Member(name, operation.json(tag: family.tag, error: family.error, model: model))
                }
                if let index = paths.firstIndex(where: { $0.name == operation.path }),
                    case .object(let others) = paths[index].value
                {
                    paths[index].value = .object(others + members)
                } else {
                    paths.append(.init(operation.path, .object(members)))
                }
            }
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Apus", "version": .string(ApusVersion.text),
                "description": .string(
                    "The OpenAI, Ollama and llama-server APIs on one engine. In requests null is the same as a member "
                        + "that is missing, and members that are not listed are passed over."),
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "tags": .array(families.map { ["name": .string($0.tag), "description": .string($0.description)] }),
            "paths": .object(paths),
            "components": [
                "schemas": .object(families.flatMap(\.schemas)),
                "securitySchemes": ["key": ["type": "http", "scheme": "bearer"]],
            ],
            "security": [[:], ["key": []]],
        ]
    }
}
