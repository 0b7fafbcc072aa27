import ApusGGUF
import ApusServer
import ArgumentParser

/// Who may use the server.
struct AccessFlags: ParsableArguments {
    @Option(
        name: .customLong("api-key"), parsing: .singleValue,
        help: ArgumentHelp(
            "A key that requests must have; may be given several times.",
            discussion: "Others can see it in the list of processes: --api-key-file and $APUS_API_KEY do not show it."))
    var keys: [String] = []

    @Option(name: .customLong("api-key-file"), help: "A file with such keys, one a line.", completion: .file())
    var keyFile: String?

    @Option(
        name: .customLong("cors-origin"), parsing: .singleValue,
        help: ArgumentHelp(
            "An origin whose web pages may use the server; * for all; may be given several times.",
            valueName: "origin"))
    var origins: [String] = []

    @Flag(name: .customLong("metrics"), inversion: .prefixedNo, help: "Have /metrics, for Prometheus.")
    var metrics = true

    @Flag(name: .customLong("slots"), inversion: .prefixedNo, help: "Have /slots, which tells what is being computed.")
    var slots = true

    /// Sets what the flags, the file and the environment say.
    func apply(to configuration: inout ServerConfiguration) throws(ApusError) {
        var all = keys
        if let keyFile {
            let text = String(decoding: try InputFile.readText(keyFile), as: UTF8.self)
            all += text.split(whereSeparator: \.isNewline).map(String.init)
        }
        if let value = getenv("APUS_API_KEY") { all += String(cString: value).split(separator: ",").map(String.init) }
        all = all.map { $0.trimmingSpaces }
        let isWanted = !keys.isEmpty || keyFile != nil || getenv("APUS_API_KEY") != nil
        all.removeAll(where: \.isEmpty)
        // A file without keys must not open the server to everybody.
        if isWanted, all.isEmpty {
            throw ApusError(.invalidArgument, "API keys: all that were given are empty, wanted: at least one")
        }
        configuration.apiKeys = all
        configuration.allowedOrigins = origins
        configuration.exposesMetrics = metrics
        configuration.exposesSlots = slots
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
