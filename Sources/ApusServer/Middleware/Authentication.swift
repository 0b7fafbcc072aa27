internal import ApusAPI
internal import HTTPTypes
internal import Hummingbird

/// Lets only requests through that have one of the keys; those to `/health` and `/` need none.
struct Authentication: RouterMiddleware {
    private let keys: [[UInt8]]

    /// Makes the middleware.
    ///
    /// - Parameter keys: The keys.
    init(keys: [String]) { self.keys = keys.map { Array($0.utf8) } }

    private static let openPaths: Set<String> = ["/", "/health", "/v1/health"]

    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        if Self.openPaths.contains(request.uri.path) || isAllowed(request.headers) {
            return try await next(request, context)
        }
        let error = RequestError(
            status: 401, type: "authentication_error", code: "invalid_api_key",
            message: "missing or wrong API key, wanted: an Authorization header with Bearer and a key, or x-api-key")
        return try Response(error, style: ErrorStyle(path: request.uri.path))
    }

    private func isAllowed(_ headers: HTTPFields) -> Bool {
        var given = [headers[.xAPIKey], headers[.apiKey]].compactMap(\.self)
        if let value = headers[.authorization], value.prefix(7).lowercased() == "bearer " {
            given.append(String(value.dropFirst(7).drop { $0 == " " }))
        }
        // All keys are looked at in full: the time tells nothing of them.
        return given.reduce(false) { found, text in
            let text = Array(text.utf8)
            return keys.reduce(false) { Self.areEqual($1, text) || $0 } || found
        }
    }

    /// Compares in a time that depends on the given text alone.
    private static func areEqual(_ key: [UInt8], _ given: [UInt8]) -> Bool {
        var difference = key.count ^ given.count
        for index in given.indices {
            difference |= Int(given[index] ^ (key.isEmpty ? 0xFF : key[index % key.count]))
        }
        return difference == 0
    }
}

extension HTTPField.Name {
    /// `x-api-key`, in which some clients send their key.
    static let xAPIKey = HTTPField.Name("x-api-key") ?? .authorization
    /// `api-key`, which clients of Azure's send.
    static let apiKey = HTTPField.Name("api-key") ?? .authorization
}

extension ErrorStyle {
    /// How errors are written to who asks for a path, whether there is something or not.
    init(path: String) {
        if path.hasPrefix("/api/") {
            self = .ollama
        } else if path.hasPrefix("/v1/") {
            self = .openAI
        } else {
            self = .llamaServer
        }
    }
}
