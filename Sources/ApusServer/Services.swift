internal import Apus
internal import ApusAPI
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

    /// Makes prompts and requests of bodies.
    let requests: Requests
    /// Counts the requests that are worked on.
    let gate: RequestGate

    private let loading: Mutex<Set<String>>

    init(configuration: ServerConfiguration, library: ModelLibrary, logger: Logger) {
        self.configuration = configuration
        self.library = library
        catalog = ModelCatalog(library)
        requests = Requests(defaults: configuration.defaults)
        self.logger = logger
        gate = RequestGate(
            limit: configuration.maxQueue.map { $0.addingClamped(configuration.library.engine.maxRunning) })
        loading = Mutex(Set(configuration.preloadedModels))
    }

    /// What tells thoughts from answers, unless the server was set up to leave them in.
    func told(_ thoughts: ThoughtSplitter?) -> ThoughtSplitter? {
        configuration.separatesThoughts ? thoughts : nil
    }

    /// Whether a model's template knows of thoughts.
    func marksThoughts(_ description: ModelDescription) -> Bool {
        configuration.chatTemplate.map(ChatFormat.marksThoughts) ?? description.marksThoughts
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
    func entry(named name: String?) throws(RequestError) -> (entry: LibraryEntry, name: String) {
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
            throw RequestError.unavailable("Loading model")
        }
        let start = ContinuousClock.now
        do {
            let library = library
            let lease = try await signal.run { try await library.use(found.entry.name, keepAlive: keepAlive) }
            return ModelUse(
                name: found.name, engine: lease.engine, loadDuration: .now - start, holding: [lease, place])
        } catch let error as ApusError {
            if signal.isRaised { throw signal.error }
            logger.error("model cannot be loaded", metadata: ["model": "\(found.entry.name)", "error": "\(error)"])
            // The file may have gone between the look and the loading.
            if error.code == .notFound || library.entry(named: found.entry.name) == nil {
                throw RequestError.modelNotFound(found.name)
            }
            throw RequestError.invalid("model", error.message, code: "model_not_loadable")
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
