import Apus
import ApusGGUF
import ApusServer
import ArgumentParser
import Logging

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serves models over HTTP: the APIs of OpenAI, Ollama and llama-server.")

    @Option(name: [.customShort("m"), .customLong("model")], help: "A model to serve.")
    var models: [String] = []

    @Option(name: .customLong("host"), help: "The address to listen on.")
    var host = "127.0.0.1"

    @Option(name: .customLong("port"), help: "The port to listen on; 0 for any that is free.")
    var port = 8080

    @OptionGroup var compute: ComputeOptions

    func run() async throws {
        var configuration = ServerConfiguration()
        configuration.listeners = [.init(host: host, port: port)]
        configuration.library.paths = try models.map { try ModelLocator.path(for: $0) }
        configuration.library.load = compute.loadOptions
        configuration.library.keepAlive = .forever
        let library = ModelLibrary(options: configuration.library)
        configuration.preloadedModels = library.entries().map(\.name)
        let logger = Logger(label: "apus")
        let server = try ApusServer(configuration: configuration, logger: logger)
        try await server.runUntilSignalled()
    }
}
