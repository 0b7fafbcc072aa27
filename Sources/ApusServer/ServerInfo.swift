internal import Apus
internal import ApusJSON

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// What replies tell of the server itself.
enum ServerInfo {
    /// A name for what computed a reply.
    static let fingerprint = "apus-\(ApusVersion.text)"
}

/// The time as replies tell it.
enum UnixTime {
    /// Seconds since 1970.
    static var now: Int { time(nil) }
}

/// llama-server's `timings`, which clients show as speed.
enum Timings {
    /// The object.
    ///
    /// - Parameter usages: What the choices took; the first one has the prompt.
    static func json(_ usages: [EngineUsage]) -> JSONValue {
        guard let first = usages.first else { return [:] }
        let computed = first.promptTokens - first.reusedTokens
        let promptSeconds = first.promptDuration.seconds
        let predicted = usages.reduce(0) { $0 + $1.completionTokens }
        let seconds = usages.map(\.generationDuration.seconds).max() ?? 0
        func ratio(_ value: Double, _ by: Double) -> JSONValue { .double(by > 0 ? value / by : 0) }
        return [
            "cache_n": .int(first.reusedTokens),
            "prompt_n": .int(computed), "prompt_ms": .double(promptSeconds * 1e3),
            "prompt_per_token_ms": ratio(promptSeconds * 1e3, Double(computed)),
            "prompt_per_second": ratio(Double(computed), promptSeconds),
            "predicted_n": .int(predicted), "predicted_ms": .double(seconds * 1e3),
            "predicted_per_token_ms": ratio(seconds * 1e3, Double(predicted)),
            "predicted_per_second": ratio(Double(predicted), seconds),
        ]
    }
}
