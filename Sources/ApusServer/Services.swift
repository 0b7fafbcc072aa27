internal import Apus
internal import ApusGGUF
internal import ApusJSON
internal import ApusTokenizer
internal import Logging
internal import Synchronization

/// What the handlers of all routes work with.
final class Services: Sendable {
    /// How the server was set up.
    let configuration: ServerConfiguration
    /// The models.
    let library: ModelLibrary
    /// What their files say of themselves.
    let catalog: ModelCatalog
    /// Raised when the server no longer waits for requests to end.
    let signal = CancelSignal()
    /// Where the log goes.
    let logger: Logger
    /// When the server was made.
    let start = ContinuousClock.now

    /// Counts the requests that are worked on.
    let gate: RequestGate

    private let formats = PerModel<ChatFormat>()
    private let longestTokens = PerModel<Int>()
    private let loading: Mutex<Set<String>>

    init(configuration: ServerConfiguration, library: ModelLibrary, logger: Logger) {
        self.configuration = configuration
        self.library = library
        catalog = ModelCatalog(library)
        self.logger = logger
        gate = RequestGate(
            limit: configuration.maxQueue.map { $0.addingClamped(configuration.library.engine.maxRunning) })
        loading = Mutex(Set(configuration.preloadedModels))
    }

    // MARK: Models

    /// What a request does that comes while the server still loads the models that it was started with.
    enum WhileLoading: Sendable {
        /// It is refused with 503.
        case refuse
        /// It waits.
        case wait
    }

    /// Whether all models are loaded that the server was started with.
    var isReady: Bool { loading.withLock(\.isEmpty) }

    /// Tells that a model is loaded which the server was started with.
    func didPreload(_ name: String) { loading.withLock { _ = $0.remove(name) } }

    /// The file that a request's `model` names.
    ///
    /// - Parameter name: What the request says; nil for nothing.
    /// - Returns: The file, and what to call it in the reply.
    /// - Throws: 404 when there is none, 400 when nothing was said and there are several.
    func entry(named name: String?) throws(ServerError) -> (entry: LibraryEntry, name: String) {
        if let name, !name.isEmpty, let entry = library.entry(named: name) { return (entry, name) }
        if let name, !name.isEmpty, !configuration.acceptsAnyModel { throw .modelNotFound(name) }
        let entries = library.entries()
        if let first = configuration.preloadedModels.first, let entry = library.entry(named: first) {
            return (entry, name ?? entry.shortName)
        }
        guard let only = entries.first, entries.count == 1 else {
            throw .invalid(
                "model", "model is missing, wanted: the name of a model", code: "missing_required_parameter")
        }
        return (only, name ?? only.shortName)
    }

    /// Lets a request use a model, which is loaded if it is not yet.
    ///
    /// - Parameters:
    ///   - name: What the request calls it; nil when it says nothing.
    ///   - keepAlive: How long it stays loaded after the request; nil for what the server was set up with.
    ///   - whileLoading: What to do while the server's own models are being loaded.
    ///   - signal: Ends the waiting.
    /// - Throws: As `entry(named:)`; 503 while it is loading and when there are too many requests; 400 when it cannot be loaded; `CancelSignal.error`.
    func use(
        _ name: String?, keepAlive: KeepAlive? = nil, whileLoading: WhileLoading = .refuse, signal: CancelSignal
    ) async throws -> ModelUse {
        let found = try entry(named: name)
        let place = try gate.enter()
        if whileLoading == .refuse, loading.withLock({ $0.contains(found.entry.name) }) {
            throw ServerError.unavailable("Loading model")
        }
        let start = ContinuousClock.now
        do {
            let library = library
            let lease = try await signal.run { try await library.use(found.entry.name, keepAlive: keepAlive) }
            return ModelUse(name: found.name, lease: lease, place: place, loadDuration: .now - start)
        } catch let error as ApusError {
            if signal.isRaised { throw signal.error }
            logger.error("model cannot be loaded", metadata: ["model": "\(found.entry.name)", "error": "\(error)"])
            // The file may have gone between the look and the loading.
            if error.code == .notFound || library.entry(named: found.entry.name) == nil {
                throw ServerError.modelNotFound(found.name)
            }
            throw ServerError.invalid("model", error.message, code: "model_not_loadable")
        }
    }

    // MARK: Prompts

    /// How a model wants a conversation.
    ///
    /// - Throws: 400 when the model has no template and shows no form of chat.
    func chatFormat(_ use: ModelUse) throws(ServerError) -> ChatFormat {
        do {
            let source = configuration.chatTemplate
            return try formats.value(for: use.model) { model throws(ApusError) in
                try ChatFormat.find(model.metadata, model.tokenizer, replacedBy: source)
            }
        } catch {
            throw .invalid(
                "model", "model \(ApusError.quoted(use.name)) cannot be conversed with: \(error.message)",
                code: "no_chat_template")
        }
    }

    // MARK: Requests

    /// Starts requests that make up one reply.
    ///
    /// - Parameters:
    ///   - requests: One for each prompt.
    ///   - use: The model.
    ///   - signal: Calls them off.
    ///   - parameter: What the prompts were made of, for errors: `messages` or `prompt`.
    /// - Throws: 400 with the parameter, and 503 when too many requests wait; then none is under way.
    func generate(
        _ requests: [EngineRequest], use: ModelUse, signal: CancelSignal, parameter: String
    ) throws(ServerError) -> Generation {
        var requests = requests
        for index in requests.indices { try resolve(&requests[index], use: use, parameter: parameter) }
        do {
            return try Generation(requests, use: use, signal: signal)
        } catch {
            throw ServerError(error, parameter: parameter)
        }
    }

    /// Makes ids of a request's prompt, and checks that the context holds them.
    private func resolve(_ request: inout EngineRequest, use: ModelUse, parameter: String) throws(ServerError) {
        let limit = min(use.engine.contextLength, request.contextLength ?? .max)
        if case .text(let bytes, _) = request.prompt {
            try checkLength(bytes.count, use: use, limit: limit, parameter: parameter)
        }
        let ids = request.prompt.ids(use.tokenizer)
        if ids.isEmpty {
            throw .invalid(parameter, "\(parameter) has no tokens, wanted: at least one", code: "invalid_value")
        }
        request.prompt = .ids(ids)
        if ids.count > limit {
            throw .contextFull(
                promptTokens: ids.count, completionTokens: request.generation.maxTokens ?? 0, limit: limit,
                parameter: parameter)
        }
    }

    /// Refuses a text that has more tokens than the context holds, however it is cut: nobody waits while it is.
    ///
    /// - Parameters:
    ///   - bytes: Bytes of the text.
    ///   - use: The model.
    ///   - limit: Tokens that the context holds.
    ///   - parameter: What the text is, for the error.
    /// - Throws: 400, with the fewest tokens that the text can have.
    func checkLength(_ bytes: Int, use: ModelUse, limit: Int, parameter: String) throws(ServerError) {
        let tokens = bytes / longestToken(of: use.model)
        guard tokens > limit else { return }
        throw .contextFull(promptTokens: tokens, completionTokens: 0, limit: limit, parameter: parameter)
    }

    /// Bytes of a vocabulary's longest token.
    private func longestToken(of model: Model) -> Int {
        longestTokens.value(for: model) { model in
            (0..<Int32(clamping: model.vocabularySize)).reduce(1) {
                max($0, model.tokenizer.bytes(of: $1, renderSpecial: true).count)
            }
        }
    }
}

extension Int {
    /// The sum, or the largest number where that is too large.
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
