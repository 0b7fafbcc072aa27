internal import Apus
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import Metrics
internal import NIOCore

/// Writes a line of the log for each request when its reply has been sent, and counts requests for swift-metrics.
///
/// Of a request only the method and the path are written: no query, no header fields, no body.
struct Observation: RouterMiddleware {
    let logger: Logger

    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let client = context.channel.remoteAddress?.ipAddress ?? ""
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            // The client is gone, and there is nobody to reply to.
            record(request, context, status: nil, client: client, start: start)
            throw error
        }
        let status = response.status
        let body = response.body
        // What is all there is sent in one piece.
        guard body.contentLength == nil else {
            record(request, context, status: status, client: client, start: start)
            return response
        }
        response.body = ResponseBody { writer in
            defer { record(request, context, status: status, client: client, start: start) }
            try await body.write(writer)
        }
        return response
    }

    private func record(
        _ request: Request, _ context: ServerContext, status: HTTPResponse.Status?, client: String,
        start: ContinuousClock.Instant
    ) {
        let duration = ContinuousClock.now - start
        let method = request.method.rawValue
        // 499 is what nginx writes for a client that did not wait.
        let code = status?.code ?? 499
        logger.info(
            "request",
            metadata: [
                "method": "\(method)", "path": "\(request.uri.path)", "status": "\(code)", "client": "\(client)",
                "ms": "\((duration.seconds * 1e6).rounded() / 1e3)",
            ])
        let dimensions = [("method", method), ("route", context.endpointPath ?? "none"), ("status", "\(code)")]
        Counter(label: "apus_http_requests_total", dimensions: dimensions).increment()
        Timer(label: "apus_http_request_duration", dimensions: dimensions)
            .recordNanoseconds(Int64(duration.seconds * 1e9))
    }
}
