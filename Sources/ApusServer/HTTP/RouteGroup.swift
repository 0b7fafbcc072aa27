internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Synchronization

/// A family of routes, such as OpenAI's: a type that conforms, and a line in `RouteGroups.all`.
protocol RouteGroup: Sendable {
    /// How the family's errors are written.
    static var errorStyle: ErrorStyle { get }

    /// Makes the family.
    ///
    /// - Parameter services: What its handlers work with.
    init(_ services: Services)

    /// Adds the routes.
    func addRoutes(to routes: Routes)
}

/// The registry of route families.
enum RouteGroups {
    /// Every family; a line each.
    static let all: [any RouteGroup.Type] = [
        HealthRoutes.self,
        OpenAIRoutes.self,
        OllamaRoutes.self,
        LlamaServerRoutes.self,
        OpenAPIRoutes.self,
    ]
}

/// Where a family adds its routes.
struct Routes {
    /// What a route does with a request; it throws `RequestError`, or `ApusError` where there is nothing more to say.
    typealias Handler = @Sendable (Call) async throws -> Response

    let router: Router<ServerContext>
    let table: RouteTable
    let style: ErrorStyle
    let bodyLimit: Int
    let bigRequests: BigRequests

    /// Adds a route.
    ///
    /// - Parameters:
    ///   - method: The method. With `get` goes `head`.
    ///   - path: The path, such as `/v1/models/{id}`; `**` at the end takes all that follows.
    ///   - handler: What it does. The request's body has been read.
    func on(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping Handler) {
        table.add(method, path)
        let (style, bodyLimit, bigRequests) = (style, bodyLimit, bigRequests)
        @Sendable func respond(_ request: Request, _ context: ServerContext) async throws -> Response {
            do {
                let share = BigRequests.Share(bigRequests)
                defer { withExtendedLifetime(share) {} }
                let body = try await request.body.collected(limit: bodyLimit, share)
                let call = Call(request: request, context: context, body: body)
                return try await BigRequests.handle(body.readableBytes) { try await handler(call) }
            } catch {
                return try Response(error, style: style)
            }
        }
        router.on(RouterPath(path), method: method) { request, context in try await respond(request, context) }
        guard method == .get else { return }
        table.add(.head, path)
        router.on(RouterPath(path), method: .head) { request, context in
            try await respond(request, context).createHeadResponse()
        }
    }

    /// Adds a route for GET and HEAD.
    func get(_ path: String, _ handler: @escaping Handler) { on(.get, path, handler) }

    /// Adds a route for POST.
    func post(_ path: String, _ handler: @escaping Handler) { on(.post, path, handler) }
}

/// A request on its way through a handler.
struct Call: Sendable {
    /// The request's head.
    let request: Request
    /// What is known of the connection.
    let context: ServerContext
    /// The whole body.
    let body: ByteBuffer

    /// The body as a JSON object, whatever its content type says it is.
    ///
    /// - Throws: 400 when it is none.
    func fields() throws(RequestError) -> Fields { try Fields(try json()) }

    /// The body as JSON.
    ///
    /// - Throws: 400 that tells line and column.
    func json() throws(RequestError) -> JSONValue {
        guard body.readableBytes > 0 else {
            throw .invalid(nil, "missing request body, wanted: a JSON object", code: "missing_body")
        }
        do {
            return try JSONValue(parsing: Array(body.readableBytesView), name: "request body", maxDepth: 64)
        } catch {
            throw .invalid(nil, error.message, code: "invalid_json")
        }
    }

    /// A part of the path, as `{name}` in the route.
    func parameter(_ name: String) -> String? { context.parameters.get(name).map(\.percentDecoded) }

    /// What follows in the path after a beginning.
    func rest(after beginning: String) -> String {
        let path = request.uri.path
        return path.hasPrefix(beginning) ? String(path.dropFirst(beginning.count)).percentDecoded : path
    }

    /// A parameter of the query.
    func query(_ name: String) -> String? { request.uri.queryParameters[name[...]].map { String($0).percentDecoded } }

    /// Tells when nobody waits for the reply any more.
    func cancelSignal() async -> CancelSignal { await context.cancelSignal() }
}

/// Which methods there are for a path, to tell a wrong method from a wrong path.
final class RouteTable: Sendable {
    private let routes = Mutex<[(method: HTTPRequest.Method, parts: [String])]>([])

    /// Adds a route.
    func add(_ method: HTTPRequest.Method, _ path: String) {
        routes.withLock { $0.append((method, Self.parts(path))) }
    }

    /// The methods for a path; none where there is no such path.
    func methods(for path: String) -> [HTTPRequest.Method] {
        let parts = Self.parts(path)
        return routes.withLock { $0 }.filter { Self.fits($0.parts, parts) }.map(\.method)
    }

    /// All routes, as `GET /v1/models`.
    var all: [String] { routes.withLock { $0 }.map { "\($0.method.rawValue) /\($0.parts.joined(separator: "/"))" } }

    private static func parts(_ path: String) -> [String] { path.split(separator: "/").map(String.init) }

    private static func fits(_ pattern: [String], _ parts: [String]) -> Bool {
        if pattern.last == "**" {
            return parts.count >= pattern.count && fits(pattern.dropLast(), Array(parts.prefix(pattern.count - 1)))
        }
        return pattern.count == parts.count && zip(pattern, parts).allSatisfy { $0 == $1 || $0.hasPrefix("{") }
    }
}

extension String {
    /// The text with `%20` and the like replaced by what they stand for; what is no such thing stays.
    var percentDecoded: String {
        guard utf8.contains(UInt8(ascii: "%")) else { return self }
        let source = Array(utf8)
        var bytes: [UInt8] = []
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let byte = UInt8(String(decoding: source[index + 1...index + 2], as: UTF8.self), radix: 16)
            {
                bytes.append(byte)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
