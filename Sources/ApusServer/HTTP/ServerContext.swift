internal import ApusAPI
internal import Hummingbird
internal import NIOCore

/// What is known of a request besides its head and body.
struct ServerContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection.
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// Tells when the client is gone, or the server no longer waits for the request.
    func cancelSignal() async -> CancelSignal {
        let channel = channel
        let found = try? await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: ConnectionHandler.self).signal
        }.get()
        if let found { return found }
        // The pipeline is gone already, or there is no connection, as in tests without sockets.
        let signal = CancelSignal()
        channel.closeFuture.whenComplete { _ in signal.raise(.clientGone) }
        return signal
    }
}
