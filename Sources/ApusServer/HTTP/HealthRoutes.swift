internal import ApusAPI
internal import ApusJSON
internal import Hummingbird

/// Whether the server is up, and ready.
struct HealthRoutes: RouteGroup {
    static let errorStyle = ErrorStyle.llamaServer

    private let services: Services

    init(_ services: Services) { self.services = services }

    func addRoutes(to routes: Routes) {
        for path in ["/health", "/v1/health"] {
            routes.get(path) { [services] _ in
                guard services.isReady else { throw RequestError.unavailable("Loading model") }
                return Response(json: ["status": "ok"])
            }
        }
    }
}
