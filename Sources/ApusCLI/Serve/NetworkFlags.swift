import ApusGGUF
import ApusServer
import ArgumentParser

/// Where the server listens.
struct NetworkFlags: ParsableArguments {
    @Option(name: .customLong("host"), help: "The address to listen on; 0.0.0.0 or :: is all of the machine's.")
    var host = "127.0.0.1"

    @Option(name: .customLong("port"), help: "The port; 0 takes one that is free, which the log tells.")
    var port = 8080

    @Option(
        name: .customLong("ollama-port"),
        help: "Listen on a second port too, with the same APIs: 11434 is where Ollama's clients look.")
    var ollamaPort: Int?

    @Option(name: .customLong("tls-cert"), help: "The certificate, in PEM; makes it HTTPS.", completion: .file())
    var certificate: String?

    @Option(name: .customLong("tls-key"), help: "The certificate's key, in PEM.", completion: .file())
    var key: String?

    @Option(name: .customLong("max-connections"), help: "Connections that may be open on a port.")
    var maxConnections: Int?

    @Option(
        name: .customLong("read-timeout"),
        help: "Seconds that a request may take to arrive, and one more for every 16 KiB of its body.")
    var readTimeout = 30

    @Option(name: .customLong("write-timeout"), help: "Seconds for which a client may take nothing of its reply.")
    var writeTimeout = 60

    @Option(name: .customLong("idle-timeout"), help: "Seconds for which a connection may be idle between requests.")
    var idleTimeout = 75

    @Option(
        name: .customLong("drain-timeout"),
        help: "Seconds for which requests may go on when the server is to end; then they are cut.")
    var drainTimeout = 30

    func validate() throws {
        for (name, port) in [("--port", port), ("--ollama-port", ollamaPort ?? 0)] where !(0...65535).contains(port) {
            throw ValidationError("\(name) is \(port), wanted: 0 to 65535")
        }
        for (name, seconds) in [
            ("--read-timeout", readTimeout), ("--write-timeout", writeTimeout), ("--idle-timeout", idleTimeout),
            ("--max-connections", maxConnections ?? 1),
        ] where !(1...1_000_000).contains(seconds) {
            throw ValidationError("\(name) is \(seconds), wanted: 1 to 1000000")
        }
        guard (0...1_000_000).contains(drainTimeout) else {
            throw ValidationError("--drain-timeout is \(drainTimeout), wanted: 0 to 1000000")
        }
        if (certificate == nil) != (key == nil) { throw ValidationError("--tls-cert and --tls-key go together") }
    }

    /// Sets what the flags say.
    func apply(to configuration: inout ServerConfiguration) {
        configuration.listeners = [.init(host: host, port: port)]
        if let ollamaPort { configuration.listeners.append(.init(host: host, port: ollamaPort)) }
        if let certificate, let key { configuration.tls = .init(certificateFile: certificate, keyFile: key) }
        configuration.maxConnections = maxConnections
        configuration.readTimeout = .seconds(readTimeout)
        configuration.writeTimeout = .seconds(writeTimeout)
        configuration.idleTimeout = .seconds(idleTimeout)
        configuration.drainTimeout = .seconds(drainTimeout)
    }
}
