internal import ApusAPI
internal import ApusGGUF
internal import ApusJSON
public import CApus

// The functions about requests. What each promises stands in apus.h.

private enum Endpoint: String, CaseIterable {
    case chat = "chat/completions"
    case completions
    case embeddings
}

/// `apus_engine_submit`: see apus.h.
@c @implementation public func apus_engine_submit(
    _ engine: OpaquePointer?, _ request: UnsafePointer<CChar>?, _ requestLength: Int,
    _ callback: apus_event_callback?, _ user: UnsafeMutableRawPointer?,
    _ handle: UnsafeMutablePointer<OpaquePointer?>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(engine, EngineObject.self)
        let output = try wanted(handle, "request_handle")
        let fields = try Options.request(request, requestLength)
        let signal = CancelSignal()
        if callback != nil { try object.delivery.start() }
        let request = RequestObject(
            try work(fields, object, signal), engine: object, signal: signal,
            callback: callback.map { RequestObject.Callback(function: $0, user: user) })
        output.pointee = Handles.add(request)
        request.start()
    }
}

/// What a request asks for; text is under way when this returns.
private func work(_ fields: Fields, _ object: EngineObject, _ signal: CancelSignal) throws -> RequestObject.Work {
    let (use, requests) = (object.use, object.requests)
    let tellsProgress = try fields.bool("return_progress") ?? false
    func started(_ body: some OpenAIBody) throws -> RequestObject.Work {
        let reply = try body.start(use, requests, signal: signal)
        // What was started is called off when nobody has it.
        try Options.checkStrict(fields)
        return .reply(reply, tellsProgress: tellsProgress)
    }
    switch try endpoint(fields) {
    case .chat: return try started(ChatCompletionBody(fields))
    case .completions: return try started(CompletionBody(fields))
    case .embeddings:
        let vectors = try EmbeddingsBody(fields).prepare(use, requests, signal: signal)
        try Options.checkStrict(fields)
        return .vectors(vectors)
    }
}

private func endpoint(_ fields: Fields) throws(RequestError) -> Endpoint {
    guard let text = try fields.string("endpoint") else { return .chat }
    var name = Substring(text)
    for start in ["/", "v1/"] where name.hasPrefix(start) { name = name.dropFirst(start.count) }
    guard let endpoint = Endpoint(rawValue: String(name)) else {
        let names = Endpoint.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        throw fields.wrong("endpoint", .string(text), wanted: "one of: \(names)")
    }
    return endpoint
}

/// `apus_request_next`: see apus.h.
@c @implementation public func apus_request_next(
    _ request: OpaquePointer?, _ timeout: Int64, _ event: UnsafeMutablePointer<apus_event>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(request, RequestObject.self)
        try object.next(Deadline(nanoseconds: timeout), into: wanted(event, "event"))
    }
}

/// `apus_request_take`: see apus.h.
@c @implementation public func apus_request_take(
    _ request: OpaquePointer?, _ timeout: Int64, _ pace: Int64, _ events: UnsafeMutablePointer<apus_event>?,
    _ capacity: Int, _ count: UnsafeMutablePointer<Int>?, _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let object = try Handles.object(request, RequestObject.self)
        let (events, count) = (try wanted(events, "events"), try wanted(count, "count"))
        guard capacity > 0 else {
            throw CallError.invalid("capacity is \(capacity), wanted: room for one event at least")
        }
        count.pointee = try object.take(timeout, pace: pace, into: events, capacity: capacity)
    }
}

/// `apus_request_notify`: see apus.h.
@c @implementation public func apus_request_notify(
    _ request: OpaquePointer?, _ descriptor: Int32, _ tag: UInt64, _ error: ErrorOutput
) -> apus_status {
    call(error) { try Handles.object(request, RequestObject.self).notify(descriptor, tag: tag) }
}

/// `apus_request_wait`: see apus.h.
@c @implementation public func apus_request_wait(
    _ request: OpaquePointer?, _ timeout: Int64, _ reply: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
    _ error: ErrorOutput
) -> apus_status {
    call(error) {
        let json = try Handles.object(request, RequestObject.self).wait(Deadline(nanoseconds: timeout))
        reply?.pointee = copy(json.bytes(indented: false))
    }
}

/// `apus_request_cancel`: see apus.h.
@c @implementation public func apus_request_cancel(_ request: OpaquePointer?) {
    if !OwnerProcess.isForked { (try? Handles.object(request, RequestObject.self))?.cancel() }
}

/// `apus_request_release`: see apus.h.
@c @implementation public func apus_request_release(_ request: OpaquePointer?) {
    if !OwnerProcess.isForked { Handles.release(request, RequestObject.self)?.release() }
}
