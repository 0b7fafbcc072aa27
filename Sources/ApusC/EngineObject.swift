internal import Apus
internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
internal import ApusModel
public import CApus

/// What a handle of an engine stands for.
final class EngineObject: Handled {
    static let kind = "engine"

    let engine: Engine
    let requests: Requests
    let use: ModelUse
    let delivery = DeliveryThread()

    private let monitor = Monitor()
    // Safe to share: touched inside of `monitor` only.
    nonisolated(unsafe) private var open: [ObjectIdentifier: RequestObject] = [:]
    nonisolated(unsafe) private var isReleasedNow = false

    /// Makes an engine as options say.
    ///
    /// - Throws: What is wrong with them, and `outOfMemory`.
    init(_ model: ModelObject, _ fields: Fields) throws {
        var options = EngineOptions()
        let most = Int(Int32.max)
        options.maxRunning = try fields.int("n_parallel", in: 1...4096) ?? options.maxRunning
        options.poolPositions = try fields.int("n_kv", in: 1...most)
        options.maxWaiting = try fields.int("max_queue", in: 0...most)
        options.sharesPrefixes = try fields.bool("cache_prompt") ?? options.sharesPrefixes
        options.speculation = try fields.word("speculate", as: Speculation.self) ?? options.speculation
        var defaults = RequestDefaults()
        defaults.sampling = try SamplingOptions(
            fields, defaults: SamplingOptions(), tokenizer: model.model.tokenizer)
        let limit = try fields.int("max_tokens", in: -1...most)
        defaults.maxTokens = limit.flatMap { $0 < 0 ? nil : $0 }
        defaults.chatTemplate = try fields.string("chat_template")
        defaults.pooling = try fields.word("pooling", as: EmbeddingPooling.self) ?? defaults.pooling
        engine = try Engine(model: model.model, options: options)
        requests = Requests(defaults: defaults)
        use = ModelUse(name: try fields.string("model") ?? model.name, engine: engine)
    }

    /// The names that its options have.
    static var optionNames: [String] {
        [
            "n_parallel", "n_kv", "max_queue", "cache_prompt", "speculate", "pooling", "chat_template", "model",
            "max_tokens",
        ] + SamplingOptions.fieldNames
    }

    /// Whether the engine is not to be used any more.
    var isReleased: Bool { monitor.locked { isReleasedNow } }

    /// Notes a request that has not ended.
    func add(_ request: RequestObject) { monitor.locked { open[ObjectIdentifier(request)] = request } }

    /// Notes that a request has ended, its last callback too.
    func remove(_ request: RequestObject) {
        monitor.locked {
            open[ObjectIdentifier(request)] = nil
            monitor.notify()
        }
    }

    /// Ends all requests, and waits for that and for the last callbacks; nobody need have taken the events of the others.
    func release() {
        let requests = monitor.locked {
            isReleasedNow = true
            return Array(open.values)
        }
        for request in requests { request.cancel() }
        engine.close()
        if delivery.isCurrent { return }
        monitor.locked {
            while open.values.contains(where: \.hasCallback) { _ = monitor.wait(until: Deadline(nanoseconds: -1)) }
        }
        engine.waitUntilIdle()
    }

    /// What it holds and has done.
    var stats: JSONValue {
        let metrics = engine.metrics
        let counts: [(String, Int)] = [
            ("running", metrics.running), ("waiting", metrics.waiting), ("requests_ended", metrics.requestsEnded),
            ("pages", metrics.pages), ("pages_free", metrics.pagesFree), ("pages_cached", metrics.pagesCached),
            ("steps", metrics.steps), ("prompt_tokens", metrics.promptTokens),
            ("tokens_reused", metrics.tokensReused), ("tokens_generated", metrics.tokensGenerated),
            ("tokens_drafted", metrics.speculation.drafted), ("tokens_accepted", metrics.speculation.accepted),
            ("preemptions", metrics.preemptions), ("n_ctx", engine.contextLength), ("size", engine.byteCount),
        ]
        return .object(
            counts.map { .init($0.0, .int($0.1)) } + [
                .init("prompt_seconds", .double(metrics.promptDuration.seconds)),
                .init("generation_seconds", .double(metrics.generationDuration.seconds)),
            ])
    }
}

/// `apus_engine_create`: see apus.h.
@c @implementation public func apus_engine_create(
    _ model: OpaquePointer?, _ options: UnsafePointer<CChar>?, _ engine: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(model, ModelObject.self)
        let output = try wanted(engine, "engine")
        let fields = try Options.read(options, names: EngineObject.optionNames)
        output.pointee = Handles.add(try EngineObject(object, fields))
    }
}

/// `apus_engine_release`: see apus.h.
@c @implementation public func apus_engine_release(_ engine: OpaquePointer?) {
    if !OwnerProcess.isForked { Handles.release(engine, EngineObject.self)?.release() }
}

/// `apus_engine_stats`: see apus.h.
@c @implementation public func apus_engine_stats(
    _ engine: OpaquePointer?, _ json: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let output = try wanted(json, "json")
        output.pointee = copy(try Handles.object(engine, EngineObject.self).stats.text)
    }
}

/// `apus_embed`: see apus.h.
@c @implementation public func apus_embed(
    _ engine: OpaquePointer?, _ tokens: UnsafePointer<Int32>?, _ count: Int,
    _ vector: UnsafeMutablePointer<Float>?, _ capacity: Int, _ dimensions: UnsafeMutablePointer<Int>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(engine, EngineObject.self)
        let ids = try ids(tokens, count)
        let output = try wanted(dimensions, "dimensions")
        let dimensions = object.engine.model.weights.spec.dim
        output.pointee = dimensions
        try checkCapacity(vector, capacity, needs: dimensions)
        try object.checkMayWait()
        let (engine, pooling) = (object.engine, object.requests.defaults.pooling)
        let embedding = try Waiting.wait { try await engine.embed(.ids(ids), pooling: pooling) }
        try fill(vector, capacity, output, with: embedding.vector)
    }
}

extension EngineObject {
    /// Refuses to let a callback wait for what the callback itself holds up.
    func checkMayWait() throws(CallError) {
        if delivery.isCurrent { throw .busy("a callback must not wait for its own engine") }
    }
}
