internal import ApusAPI
internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes

/// Watches a connection: tells when the client goes, and closes it when the client is too slow or sends too much.
///
/// A handler of its own, and not the end of the request's body, so that connections stay open for the next request.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// What a client may take its time for.
    struct Limits: Sendable {
        /// How long a request may take to arrive, with a second more for every `leastBytesPerSecond`.
        var read: TimeAmount = .seconds(30)
        /// How long the client may take nothing of a reply.
        var write: TimeAmount = .seconds(60)
        /// Bytes of a request's body, with what a client may send before it sees that it is too long.
        var bodyBytes = 100 << 20
    }

    /// The slowest that a body may come.
    private static let leastBytesPerSecond = 16 << 10
    /// What may come of a body that was refused for its length, so that the client gets to see the refusal.
    private static let excessBytes = 16 << 20

    /// Raised when the client goes, or the server no longer waits for its requests.
    let signal = CancelSignal()
    private let limits: Limits
    private let serverSignal: CancelSignal
    private let registration: Int?
    private var readDeadline: Scheduled<Void>?
    private var writeDeadline: Scheduled<Void>?
    private var bodyBytes = 0
    private var readStart = NIODeadline.now()
    private var context: ChannelHandlerContext?
    /// Where bytes of HTTP go on to the client.
    private lazy var encoder = try? context?.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
    private lazy var version = try? context?.pipeline.syncOperations.handler(type: OldClientHandler.self)
    /// Is called when the client takes more again, and when it never will. On the connection's thread, like all here.
    var onWritable: (() -> Void)?

    /// Makes the handler of a connection.
    ///
    /// - Parameters:
    ///   - limits: What the client may take its time for.
    ///   - serverSignal: Calls off the requests of all connections.
    init(limits: Limits, serverSignal: CancelSignal) {
        self.limits = limits
        self.serverSignal = serverSignal
        registration = serverSignal.onRaise { [signal] in signal.raise(.serverEnding) }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    /// Whether a piece of a reply should be written now; when it should not, `onWritable` tells when it should.
    var isWritable: Bool { context.map { $0.channel.isActive && $0.channel.isWritable } ?? false }

    /// Whether there is a client to write to.
    var isActive: Bool { context.map { $0.channel.isActive } ?? false }

    /// Writes a piece of a reply whose head has been written, without a length, as a chunk (RFC 9112, 7.1), or as it is for
    /// HTTP/1.0: what the handlers on the way would make of it with more work, and with three buffers for the system instead
    /// of one.
    func write(_ piece: ByteBuffer) {
        if version?.isOld == true {
            encoder?.writeAndFlush(NIOAny(IOData.byteBuffer(piece)), promise: nil)
            return
        }
        let size = String(piece.readableBytes, radix: 16)
        var chunk = ByteBuffer()
        chunk.reserveCapacity(size.utf8.count + piece.readableBytes + 4)
        chunk.writeString(size)
        chunk.writeStaticString("\r\n")
        chunk.writeImmutableBuffer(piece)
        chunk.writeStaticString("\r\n")
        encoder?.writeAndFlush(NIOAny(IOData.byteBuffer(chunk)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            bodyBytes = 0
            readStart = .now()
            scheduleRead(context, at: readStart + limits.read)
            if head.headerFields[.expect]?.lowercased() == "100-continue" {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
        case .body(let buffer):
            bodyBytes += buffer.readableBytes
            if bodyBytes > limits.bodyBytes + Self.excessBytes { return context.close(promise: nil) }
        case .end:
            readDeadline?.cancel()
            readDeadline = nil
        }
        context.fireChannelRead(data)
    }

    /// Closes the connection at a time, unless enough of the body has come by then.
    private func scheduleRead(_ context: ChannelHandlerContext, at deadline: NIODeadline) {
        readDeadline?.cancel()
        readDeadline = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            let earned = TimeAmount.seconds(Int64(bodyBytes / Self.leastBytesPerSecond))
            let end = readStart + limits.read + earned
            if end <= .now() { context.close(promise: nil) } else { scheduleRead(context, at: end) }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeDeadline?.cancel()
        writeDeadline = nil
        if !context.channel.isWritable {
            writeDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: limits.write) {
                context.close(promise: nil)
            }
        } else {
            onWritable?()
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { signal.raise(.clientGone) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        (self.context, encoder, version) = (nil, nil, nil)
        end()
    }

    private func end() {
        readDeadline?.cancel()
        writeDeadline?.cancel()
        serverSignal.forget(registration)
        signal.raise(.clientGone)
        onWritable?()
    }
}
