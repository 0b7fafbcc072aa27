import Apus
import ApusGGUF
import ApusServer
import ArgumentParser
import Logging

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serves models over HTTP: the APIs of OpenAI, Ollama and llama-server.",
        discussion: """
            Models come from -m, by path or name, and are loaded at once and kept; those of the model folder \
            (--models-dir, $APUS_MODELS, or ./models) are loaded when a request names them. Requests share the \
            processor token by token, and what their prompts have in common.

            It listens before a model is loaded: GET /health is 503 until then. SIGTERM and Ctrl-C let requests finish \
            for as long as --drain-timeout. The log goes to standard error.

            Without an API key anybody who reaches the port can use the server: so it listens on this machine alone \
            unless --host says otherwise.
            """)

    @OptionGroup(title: "Models") var models: ServedModels
    @OptionGroup(title: "Network") var network: NetworkFlags
    @OptionGroup(title: "Access") var access: AccessFlags
    @OptionGroup(title: "Requests") var requests: RequestFlags
    @OptionGroup var compute: ComputeOptions
    @OptionGroup(title: "Sampling, where a request does not say it") var sampling: SamplingFlags
    @OptionGroup(title: "Log") var log: LogFlags

    func run() async throws {
        let configuration = try configuration()
        let logger = try log.logger()
        let server = try ApusServer(configuration: configuration, logger: logger) { ports in
            let scheme = configuration.tls == nil ? "http" : "https"
            let addresses = zip(configuration.listeners, ports).map { "\(scheme)://\($0.host):\($1)" }
            logger.notice("listening", metadata: ["on": "\(addresses.joined(separator: " "))"])
        }
        try await server.runUntilSignalled()
    }

    /// What the flags say.
    func configuration() throws -> ServerConfiguration {
        var configuration = ServerConfiguration()
        try models.apply(to: &configuration)
        network.apply(to: &configuration)
        try access.apply(to: &configuration)
        requests.apply(to: &configuration)
        configuration.library.load = compute.loadOptions
        configuration.sampling = try sampling.plainOptions()
        configuration.dryBreakers = sampling.breakers
        return configuration
    }
}

/// Where the log goes, and how much of it.
struct LogFlags: ParsableArguments {
    @Option(name: .customLong("log-level"), help: "How much is logged.")
    var level = LogLevel.info

    @Option(name: .customLong("log-format"), help: "How lines are written; json is an object a line.")
    var format = LogFormat.text

    @Option(
        name: .customLong("log-file"), help: "Write the log to the end of a file, not to standard error.",
        completion: .file())
    var file: String?

    /// The server's log.
    ///
    /// - Throws: `ApusError` with code `io` when its file cannot be written to.
    func logger() throws(ApusError) -> Logger {
        var descriptor = STDERR_FILENO
        if let file {
            descriptor = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
            if descriptor < 0 {
                throw ApusError(
                    .io, "--log-file: cannot write \(ApusError.quoted(file)): \(String(cString: strerror(errno)))")
            }
        }
        var logger = Logger(label: "apus") { [descriptor] label in
            switch format {
            case .text where file == nil: StreamLogHandler.standardError(label: label)
            case .text: LineLogHandler(descriptor: descriptor, format: LineLogHandler.text)
            case .json: LineLogHandler(descriptor: descriptor, format: LineLogHandler.json)
            }
        }
        logger.logLevel = Logger.Level(rawValue: level.rawValue) ?? .info
        return logger
    }
}

/// How log lines are written.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// How much is logged.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}
