internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

extension Response {
    /// A reply in JSON.
    ///
    /// - Parameters:
    ///   - json: The body.
    ///   - status: The status.
    ///   - headers: Further header fields.
    init(json: JSONValue, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) {
        var headers = headers
        headers[.contentType] = "application/json; charset=utf-8"
        self.init(
            status: status, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes(indented: false))))
    }

    /// A reply in plain text.
    init(text: String, type: String = "text/plain; charset=utf-8") {
        self.init(
            status: .ok, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// The reply that tells what a handler threw.
    ///
    /// - Parameters:
    ///   - error: What it threw.
    ///   - style: How the route's family writes errors.
    /// - Throws: The error itself when it is one of the connection, about which there is nobody to tell.
    init(_ error: any Error, style: ErrorStyle) throws {
        let error = try RequestError(thrown: error)
        var headers: HTTPFields = [:]
        if let seconds = error.retryAfter { headers[.retryAfter] = "\(seconds)" }
        // OpenAI's clients try again on some statuses unless they are told that it is of no use.
        if error.status < 500, error.status != 429 { headers[.xShouldRetry] = "false" }
        if error.status == 401 { headers[.wwwAuthenticate] = "Bearer" }
        self.init(json: style.body(error), status: .init(code: error.status), headers: headers)
    }
}

extension RequestError {
    /// What a handler threw.
    ///
    /// - Throws: The error itself when it is one of the connection.
    init(thrown error: any Error) throws {
        switch error {
        case let error as RequestError: self = error
        case let error as ApusError: self.init(error)
        case let error as HTTPError:
            self = .invalid(nil, error.body ?? "\(error.status)")
            status = error.status.code
        default: throw error
        }
    }
}

extension HTTPField.Name {
    /// `x-should-retry`, which OpenAI's clients know.
    static let xShouldRetry = HTTPField.Name("x-should-retry") ?? .retryAfter
    /// `X-Accel-Buffering`, by which nginx is told not to keep events back.
    static let xAccelBuffering = HTTPField.Name("X-Accel-Buffering") ?? .cacheControl
}

extension RequestBody {
    /// The whole body.
    ///
    /// - Parameters:
    ///   - limit: Bytes that there may be.
    ///   - share: What it takes of the bytes for long bodies.
    /// - Throws: `RequestError` with status 413 when there are more, 503 when there are too many of others, and errors of
    ///   the connection.
    func collected(limit: Int, _ share: BigRequests.Share) async throws -> ByteBuffer {
        var body: ByteBuffer?
        for try await var part in self {
            let size = (body?.readableBytes ?? 0) + part.readableBytes
            guard size <= limit else {
                throw RequestError(
                    status: 413, type: "invalid_request_error", code: "body_too_large",
                    message: "the request body is longer than \(limit) bytes")
            }
            try share.grow(to: size)
            if body == nil { body = part } else { body?.writeBuffer(&part) }
        }
        return body ?? ByteBuffer()
    }
}
