internal import ApusAPI
internal import HTTPTypes
internal import Hummingbird

/// Tells browsers which pages may use the server (CORS), and refuses those of others what they could do unasked.
struct CrossOrigin: RouterMiddleware {
    private let origins: Set<String>

    /// Makes the middleware.
    ///
    /// - Parameter origins: Origins such as `https://chat.example.com`; `*` allows all.
    init(origins: [String]) { self.origins = Set(origins.map { $0.lowercased() }) }

    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        guard let origin = request.headers[.origin] else { return try await next(request, context) }
        guard isAllowed(origin) || isOwn(origin, request) else {
            // A browser sends some requests without asking first; this keeps a strange page from using up the server.
            if request.method == .get || request.method == .head { return try await next(request, context) }
            let error = RequestError(
                status: 403, type: "permission_error", code: "origin_not_allowed",
                message: "pages of this origin may not use the server (--cors-origin)")
            return try Response(error, style: ErrorStyle(path: request.uri.path))
        }
        if request.method == .options, let method = request.headers[.accessControlRequestMethod] {
            return Response(status: .noContent, headers: preflight(origin, method, request))
        }
        var response = try await next(request, context)
        response.headers[.accessControlAllowOrigin] = allowed(origin)
        response.headers[.vary] = "Origin"
        return response
    }

    private func isAllowed(_ origin: String) -> Bool {
        origins.contains("*") || origins.contains(origin.lowercased())
    }

    /// Whether a page came from this server itself.
    private func isOwn(_ origin: String, _ request: Request) -> Bool {
        guard let host = request.head.authority else { return false }
        return origin.lowercased().hasSuffix("://" + host.lowercased())
    }

    private func allowed(_ origin: String) -> String { origins.contains("*") ? "*" : origin }

    private func preflight(_ origin: String, _ method: String, _ request: Request) -> HTTPFields {
        [
            .accessControlAllowOrigin: allowed(origin), .vary: "Origin",
            .accessControlAllowMethods: "GET, HEAD, POST, DELETE, OPTIONS",
            .accessControlAllowHeaders: request.headers[.accessControlRequestHeaders] ?? "*",
            .accessControlMaxAge: "86400",
        ]
    }
}
