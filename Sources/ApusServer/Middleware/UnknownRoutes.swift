internal import ApusAPI
internal import HTTPTypes
internal import Hummingbird

/// Replies to requests for which there is no route: 404, or 405 with the methods that there are.
struct UnknownRoutes: RouterMiddleware {
    let table: RouteTable

    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            let path = request.uri.path
            let style = ErrorStyle(path: path)
            let methods = table.methods(for: path).map(\.rawValue).sorted()
            guard !methods.isEmpty else {
                return try Response(RequestError.notFound("there is nothing at this path"), style: style)
            }
            let allowed = methods.joined(separator: ", ")
            let wrongMethod = RequestError(
                status: 405, type: "invalid_request_error", code: "method_not_allowed",
                message: "the method is \(request.method.rawValue), wanted: \(allowed)")
            var response = try Response(wrongMethod, style: style)
            response.headers[.allow] = allowed
            return response
        }
    }
}
