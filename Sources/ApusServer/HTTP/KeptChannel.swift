internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// HTTP/1 over connections that live until they are closed, for clients of HTTP/1.0 too.
///
/// A connection that is accepted while the server ends is handled by nobody. NIO traps when such a one is freed while it is
/// open ("Deinited NIOAsyncWriter without calling finish()"), and takes the requests with it that are to be finished.
struct KeptChannel: ServerChildChannel {
    let base: HTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            channel.closeFuture.whenComplete { _ in withExtendedLifetime(value) {} }
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(OldClientHandler(), position: .after(decoder))
            return value
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
