package import Apus
internal import ApusAPI
public import ApusGGUF
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
public import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOPosix
internal import NIOSSL
public import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A server: the OpenAI, Ollama and llama-server APIs on models of a library.
///
/// A `Service`: it runs until it is told to end, listens before any model is loaded, and lets requests finish.
public final class ApusServer: Service {
    private let services: Services
    private let responder: RouterResponder<ServerContext>
    private let ports = Mutex<[Int]>([])
    private let onListening: @Sendable ([Int]) -> Void
    /// Every route, as `GET /v1/models`; parameters are in braces, `**` stands for any end of a path.
    package let routes: [String]

    /// Makes a server; nothing is opened or loaded yet.
    ///
    /// - Parameters:
    ///   - configuration: How it is set up.
    ///   - logger: Where its log goes.
    ///   - onListening: Is called with the listeners' ports when all of them listen.
    /// - Throws: `ApusError` with code `invalidArgument` for what is no sound configuration.
    public init(
        configuration: ServerConfiguration, logger: Logger, onListening: @escaping @Sendable ([Int]) -> Void = { _ in }
    ) throws(ApusError) {
        services = Services(
            configuration: configuration, library: ModelLibrary(options: configuration.library), logger: logger)
        let table = RouteTable()
        responder = Self.router(services, table).buildResponder()
        routes = table.all
        self.onListening = onListening
    }

    /// The models.
    package var library: ModelLibrary { services.library }

    /// Runs the server until it is told to end, by a graceful shutdown or by cancelling the task.
    ///
    /// - Throws: `ApusError` when an address cannot be listened on or a model cannot be loaded that is to be from the start.
    public func run() async throws {
        FileLimit.raise()
        let configuration = services.configuration
        let applications = try configuration.listeners.map { listener throws(ApusError) in try application(listener) }
        try await withThrowingTaskGroup(of: Void.self) { helpers in
            helpers.addTask { try await self.preload() }
            helpers.addTask { try await self.drain() }
            helpers.addTask {
                try await withThrowingTaskGroup { group in
                    for (application, listener) in zip(applications, configuration.listeners) {
                        group.addTask { try await Self.run(application, listener) }
                    }
                    while try await group.next() != nil {}
                }
                throw Ended()
            }
            do {
                // Unlike `waitForAll`, ends with the first error.
                while try await helpers.next() != nil {}
            } catch is Ended {
                helpers.cancelAll()
            }
        }
    }

    /// Tells that the listeners are closed, and that all requests have ended or are to be cut off.
    private struct Ended: Error {}

    /// Runs the server until SIGTERM or SIGINT ends it.
    ///
    /// - Throws: As `run`.
    public func runUntilSignalled() async throws {
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: self, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: services.logger))
        try await group.run()
    }

    private static func run(
        _ application: Application<RouterResponder<ServerContext>>, _ listener: ServerConfiguration.Listener
    ) async throws {
        do {
            try await application.run()
        } catch let error as IOError {
            let reason = String(cString: strerror(error.errnoCode))
            throw ApusError(.io, "cannot listen on \(listener.host):\(listener.port): \(reason)")
        } catch let error as SocketAddressError {
            throw ApusError(.io, "cannot listen on \(listener.host):\(listener.port): \(error)")
        }
    }

    /// Loads the models that are to be there from the start.
    private func preload() async throws {
        for name in services.configuration.preloadedModels {
            let start = ContinuousClock.now
            _ = try await services.library.use(name)
            services.didPreload(name)
            services.logger.info(
                "model loaded", metadata: ["model": "\(name)", "seconds": "\((ContinuousClock.now - start).seconds)"])
        }
    }

    /// When the server is to end: waits for requests as long as it may take, then calls them off.
    private func drain() async throws {
        try await gracefulShutdown()
        services.logger.info("ending", metadata: ["drainTimeout": "\(services.configuration.drainTimeout)"])
        try await Task.sleep(for: services.configuration.drainTimeout)
        services.signal.raise(.serverEnding)
        // What has not even ended by now is cut off with its connection.
        try await Task.sleep(for: .seconds(5))
        throw Ended()
    }

    private func application(
        _ listener: ServerConfiguration.Listener
    ) throws(ApusError) -> Application<RouterResponder<ServerContext>> {
        let configuration = services.configuration
        let limits = ConnectionHandler.Limits(
            read: TimeAmount(configuration.readTimeout), write: TimeAmount(configuration.writeTimeout),
            bodyBytes: configuration.bodyLimit)
        let signal = services.signal
        // Hummingbird tells what the server tells itself.
        var logger = services.logger
        if logger.logLevel == .info { logger.logLevel = .notice }
        let http = HTTPServerBuilder { responder in
            KeptChannel(
                base: HTTP1Channel(
                    responder: responder,
                    configuration: HTTP1Channel.Configuration(
                        additionalChannelHandlers: [ConnectionHandler(limits: limits, serverSignal: signal)],
                        idleTimeout: TimeAmount(configuration.idleTimeout),
                        httpDecoderConfiguration: .init(
                            maxHeaderFieldSize: configuration.headerLimit, maxHeaderListSize: configuration.headerLimit,
                            maxHeaderFieldCount: 200))))
        }
        return Application(
            responder: responder,
            server: try configuration.tls.map { tls throws(ApusError) in try tls.wrapping(http) } ?? http,
            configuration: ApplicationConfiguration(
                address: .hostname(listener.host, port: listener.port), serverName: "apus",
                backlog: 1024,
                availableConnectionsDelegate: .maximum(FileLimit.connections(configuration), logger: services.logger)),
            onServerRunning: { channel in self.didListen(channel.localAddress?.port ?? listener.port) },
            eventLoopGroupProvider: .shared(Self.eventLoops),
            logger: logger)
    }

    /// Connections have few threads: what a step has drawn then wakes few of them, and the processors are the arithmetic's.
    private static let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: max(1, System.coreCount / 4))

    private func didListen(_ port: Int) {
        let ports = ports.withLock { ports in
            ports.append(port)
            return ports
        }
        if ports.count == services.configuration.listeners.count { onListening(ports) }
    }

    private static func router(_ services: Services, _ table: RouteTable) -> Router<ServerContext> {
        let router = Router(context: ServerContext.self)
        let configuration = services.configuration
        router.add(middleware: Observation(logger: services.logger))
        router.add(middleware: CrossOrigin(origins: configuration.allowedOrigins))
        if !configuration.apiKeys.isEmpty { router.add(middleware: Authentication(keys: configuration.apiKeys)) }
        router.add(middleware: UnknownRoutes(table: table))
        let bigRequests = BigRequests(limit: configuration.bodyLimit)
        for group in RouteGroups.all {
            group.init(services).addRoutes(
                to: Routes(
                    router: router, table: table, style: group.errorStyle,
                    bodyLimit: configuration.bodyLimit, bigRequests: bigRequests))
        }
        return router
    }
}

extension ServerConfiguration.TLS {
    /// HTTP over TLS.
    fileprivate func wrapping(_ http: HTTPServerBuilder) throws(ApusError) -> HTTPServerBuilder {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificateFile).map(NIOSSLCertificateSource.certificate)
            let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
            return try .tls(
                http,
                tlsConfiguration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
        } catch {
            throw ApusError(
                .invalidArgument,
                "TLS: cannot use \(ApusError.quoted(certificateFile)) with \(ApusError.quoted(keyFile)): \(error)")
        }
    }
}
