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
        buffer.reserveCapacity(512)
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
        let channel = call.context.channel
        self.init(
            status: .ok, headers: format.headers,
            body: ResponseBody { body in
                do {
                    try await EventStream(generation, renderer, to: channel).write()
                } catch {
                    generation.cancel()
                    guard let error = try? RequestError(thrown: error) else { throw error }
                    try await body.write(format.buffer([renderer.errorStyle.body(error)]))
                }
                if let end = format.end { try await body.write(end) }
                try await body.finish(nil)
            })
    }
}

/// Writes the pieces of a reply as they come, on the thread of the connection: a token costs one change of threads, and no
/// task waits for it. What the client does not take yet waits with the generation.
private final class EventStream<Renderer: StreamRenderer>: Sendable {
    private let generation: Generation
    private let channel: any Channel

    private struct State {
        var renderer: Renderer
        var connection: ConnectionHandler?
        var end: CheckedContinuation<Void, any Error>?
        var second: Scheduled<Void>?
        var isSilent = true
        var hasEnded = false
    }

    // Safe to share: touched on the connection's thread only.
    nonisolated(unsafe) private var state: State

    /// Takes a reply.
    ///
    /// - Parameters:
    ///   - generation: What is under way.
    ///   - renderer: What makes objects of its events.
    ///   - channel: The connection.
    init(_ generation: Generation, _ renderer: Renderer, to channel: any Channel) {
        (self.generation, self.channel) = (generation, channel)
        state = State(renderer: renderer)
    }

    /// Writes all pieces; the head has been written.
    ///
    /// - Throws: What went wrong with the generation, errors of the connection, and `CancellationError`.
    func write() async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { end in
                channel.eventLoop.execute { self.begin(end) }
            }
        } onCancel: {
            channel.eventLoop.execute { self.finish(.failure(CancellationError())) }
        }
    }

    private func begin(_ end: CheckedContinuation<Void, any Error>) {
        state.end = end
        if state.hasEnded { return end.resume(throwing: CancellationError()) }
        do {
            let connection = try channel.pipeline.syncOperations.handler(type: ConnectionHandler.self)
            state.connection = connection
            connection.onWritable = { self.step() }
        } catch {
            return finish(.failure(error))
        }
        awaitSecond()
        write(state.renderer.start())
        step()
    }

    /// Writes what there is, and waits for more or for the client to take it.
    private func step() {
        guard !state.hasEnded, let connection = state.connection else { return }
        do {
            guard connection.isActive else { throw ChannelError.ioOnClosedChannel }
            while connection.isWritable {
                guard let news = try generation.take() else {
                    write(state.renderer.finish())
                    return finish(.success(()))
                }
                if news.isEmpty {
                    return generation.onNews(.events) { [self] in channel.eventLoop.execute { self.step() } }
                }
                var objects: [JSONValue] = []
                for (event, source) in news { objects += try state.renderer.render(event, of: source) }
                write(objects)
            }
        } catch {
            finish(.failure(error))
        }
    }

    private func write(_ objects: [JSONValue]) {
        if objects.isEmpty { return }
        state.connection?.write(state.renderer.format.buffer(objects))
        state.isSilent = false
    }

    /// Waits for the next second, in half a second at the earliest. It begins at the same time for all connections, so that the thread is
    /// woken once for them.
    private func awaitSecond() {
        let seconds = (NIODeadline.now().uptimeNanoseconds + 500_000_000) / 1_000_000_000
        state.second = channel.eventLoop.scheduleTask(deadline: .uptimeNanoseconds((seconds + 1) * 1_000_000_000)) {
            self.second()
        }
    }

    /// A second has passed.
    private func second() {
        if state.hasEnded { return }
        if state.isSilent, let heartbeat = state.renderer.format.heartbeat, let connection = state.connection,
            connection.isWritable
        {
            connection.write(heartbeat)
        }
        state.isSilent = true
        awaitSecond()
    }

    private func finish(_ result: Result<Void, any Error>) {
        if state.hasEnded { return }
        state.hasEnded = true
        state.second?.cancel()
        state.connection?.onWritable = nil
        state.end?.resume(with: result)
    }
}
