internal import Apus
internal import ApusAPI
internal import ApusJSON
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

extension StreamFormat {
    fileprivate var headers: HTTPFields {
        var headers: HTTPFields = [.cacheControl: "no-cache", .xAccelBuffering: "no"]
        switch self {
        case .events: headers[.contentType] = "text/event-stream; charset=utf-8"
        case .lines: headers[.contentType] = "application/x-ndjson"
        }
        return headers
    }

    fileprivate func buffer(_ objects: [JSONValue]) -> ByteBuffer {
        var buffer = ByteBuffer()
        for object in objects {
            if case .events = self { buffer.writeString("data: ") }
            buffer.writeBytes(object.bytes(indented: false))
            if case .events = self { buffer.writeString("\n\n") } else { buffer.writeString("\n") }
        }
        return buffer
    }

    /// What shows that a reply is under way while there is nothing to tell.
    fileprivate var heartbeat: ByteBuffer? {
        if case .events = self { return ByteBuffer(string: ":\n\n") }
        return nil
    }

    fileprivate var end: ByteBuffer? {
        if case .events(endWithDone: true) = self { return ByteBuffer(string: "data: [DONE]\n\n") }
        return nil
    }
}

extension Response {
    /// A reply that comes in pieces, as the events of a generation come.
    ///
    /// Server-sent events have a comment each second while there is nothing else. What goes wrong from here on is told in
    /// the stream; when the client goes, the generation is called off.
    ///
    /// - Parameters:
    ///   - generation: What is under way.
    ///   - renderer: What makes objects of its events.
    ///   - call: The request that it is the reply to.
    init(streaming generation: Generation, _ renderer: some StreamRenderer, to call: Call) {
        let format = renderer.format
        let executor = EventLoopExecutor(call.context.channel.eventLoop)
        self.init(
            status: .ok, headers: format.headers,
            body: ResponseBody { body in
                var renderer = renderer
                do {
                    // On the connection's thread: waking another one for each token takes more time than all the rest.
                    try await withTaskExecutorPreference(executor) {
                        try await Self.write(generation, &renderer, to: &body)
                    }
                } catch {
                    generation.cancel()
                    guard let error = try? RequestError(thrown: error) else { throw error }
                    try await body.write(format.buffer([renderer.errorStyle.body(error)]))
                }
                if let end = format.end { try await body.write(end) }
                try await body.finish(nil)
            })
    }

    private static func write(
        _ generation: Generation, _ renderer: inout some StreamRenderer, to body: inout any ResponseBodyWriter
    ) async throws {
        let format = renderer.format
        func write(_ objects: [JSONValue]) async throws -> Bool {
            if objects.isEmpty { return false }
            try await body.write(format.buffer(objects))
            return true
        }
        var isSilent = try await !write(renderer.start())
        try await generation.withItems { items in
            for try await item in items {
                switch item {
                case .event(let event, let source):
                    if try await write(renderer.render(event, of: source)) { isSilent = false }
                case .second:
                    if isSilent, let heartbeat = format.heartbeat { try await body.write(heartbeat) }
                    isSilent = true
                }
            }
        }
        _ = try await write(renderer.finish())
    }
}

/// Runs tasks on the thread of a connection.
private final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
