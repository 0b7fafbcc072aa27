package import ApusGGUF
package import ApusJSON

/// Why a request is refused, or failed: a status, one line for people, and what programs look for.
///
/// Routes throw it; their group's `ErrorStyle` says how it is written.
package struct RequestError: Error, Sendable, Hashable {
    /// The status of a reply over HTTP.
    package var status: Int
    /// OpenAI's and llama-server's `type`.
    package var type: String
    /// OpenAI's `code`; nil for none.
    package var code: String?
    /// The parameter at fault, as a path into the body such as `messages[2].role`.
    package var parameter: String?
    /// One line for people.
    package var message: String
    /// Further members of OpenAI's and llama-server's error object.
    package var details: [JSONValue.Member] = []
    /// Seconds after which trying again may help.
    package var retryAfter: Int?

    /// A request that is at fault itself.
    ///
    /// - Parameters:
    ///   - parameter: The parameter at fault; nil when it is none.
    ///   - message: One line for people.
    ///   - code: OpenAI's `code`.
    package static func invalid(_ parameter: String?, _ message: String, code: String? = nil) -> RequestError {
        RequestError(
            status: 400, type: "invalid_request_error", code: code, parameter: parameter, message: message)
    }

    /// Something that Apus does not do.
    ///
    /// - Parameters:
    ///   - parameter: The parameter that asks for it.
    ///   - message: One line for people.
    package static func unsupported(_ parameter: String, _ message: String) -> RequestError {
        invalid(parameter, message, code: "unsupported_parameter")
    }

    /// There is no model of a name.
    package static func modelNotFound(_ name: String) -> RequestError {
        RequestError(
            status: 404, type: "not_found_error", code: "model_not_found", parameter: "model",
            message: "model \(ApusError.quoted(name, limit: 200)) not found")
    }

    /// There is nothing at a path.
    package static func notFound(_ message: String) -> RequestError {
        RequestError(status: 404, type: "not_found_error", code: "not_found", message: message)
    }

    /// Something is missing that comes with time.
    ///
    /// - Parameters:
    ///   - message: One line for people.
    ///   - retryAfter: Seconds after which trying again may help.
    package static func unavailable(_ message: String, retryAfter: Int = 1) -> RequestError {
        RequestError(
            status: 503, type: "unavailable_error", code: "unavailable", message: message,
            retryAfter: retryAfter)
    }

    /// The prompt does not fit the context, in words that all clients know to be that.
    ///
    /// - Parameters:
    ///   - promptTokens: Tokens of the prompt.
    ///   - completionTokens: Tokens asked for.
    ///   - limit: Tokens that the context holds.
    ///   - parameter: What the prompt was made of: `messages` or `prompt`.
    package static func contextFull(
        promptTokens: Int, completionTokens: Int, limit: Int, parameter: String
    ) -> RequestError {
        RequestError(
            status: 400, type: "exceed_context_size_error", code: "context_length_exceeded",
            parameter: parameter,
            message: "This model's maximum context length is \(limit) tokens. However, you requested "
                + "\(promptTokens &+ completionTokens) tokens (\(promptTokens) in the \(parameter), "
                // Clients look for the first sentence, or for the code, or for the code in the message.
                + "\(completionTokens) in the completion). Please reduce the length of the \(parameter) or completion. "
                + "(context_length_exceeded)",
            details: [.init("n_prompt_tokens", .int(promptTokens)), .init("n_ctx", .int(limit))])
    }

    /// What the engine refused or failed with.
    ///
    /// - Parameters:
    ///   - error: The error.
    ///   - parameter: The parameter that it is most likely about.
    package init(_ error: ApusError, parameter: String? = nil) {
        self = .invalid(parameter, error.message)
        switch error.code {
        case .busy: self = .unavailable(error.message)
        case .notFound: (status, type, code) = (404, "not_found_error", "not_found")
        case .cancelled: self = .unavailable("the request was called off: \(error.message)")
        case .contextFull: (type, code) = ("exceed_context_size_error", "context_length_exceeded")
        case .internalError: (status, type) = (500, "server_error")
        default: break
        }
    }

    package init(
        status: Int, type: String, code: String? = nil, parameter: String? = nil, message: String,
        details: [JSONValue.Member] = [], retryAfter: Int? = nil
    ) {
        (self.status, self.type, self.code, self.parameter) = (status, type, code, parameter)
        (self.message, self.details, self.retryAfter) = (message, details, retryAfter)
    }
}

/// How a family of routes writes errors.
package enum ErrorStyle: Sendable {
    /// `{"error": {"message", "type", "param", "code"}}`
    case openAI
    /// `{"error": "…"}`
    case ollama
    /// `{"error": {"code": 400, "message", "type"}}`
    case llamaServer

    /// The body of a reply that tells an error.
    package func body(_ error: RequestError) -> JSONValue {
        func string(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
        switch self {
        case .openAI:
            let members: [JSONValue.Member] = [
                .init("message", .string(error.message)), .init("type", .string(error.type)),
                .init("param", string(error.parameter)), .init("code", string(error.code)),
            ]
            return ["error": .object(members + error.details)]
        case .ollama:
            return ["error": .string(error.message)]
        case .llamaServer:
            let members: [JSONValue.Member] = [
                .init("code", .int(error.status)), .init("message", .string(error.message)),
                .init("type", .string(error.type)),
            ]
            return ["error": .object(members + error.details)]
        }
    }
}
