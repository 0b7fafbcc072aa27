package import Apus
package import ApusJSON

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// What replies tell of what computed them.
package enum ReplyOrigin {
    /// A name for what computed a reply.
    package static let fingerprint = "apus-\(ApusVersion.text)"
}

/// The time as replies tell it.
package enum UnixTime {
    /// Seconds since 1970.
    package static var now: Int { time(nil) }
}

extension PromptProgress {
    /// llama-server's `prompt_progress`.
    ///
    /// - Parameter beginning: When the reply began.
    package func member(since beginning: ContinuousClock.Instant) -> JSONValue.Member {
        .init(
            "prompt_progress",
            [
                "total": .int(total), "cache": .int(reused), "processed": .int(processed),
                "time_ms": .int(Int((ContinuousClock.now - beginning).seconds * 1e3)),
            ])
    }
}

/// llama-server's `timings`, which clients show as speed.
package enum Timings {
    /// The object.
    ///
    /// - Parameter usages: What the choices took; the first one has the prompt.
    package static func json(_ usages: [EngineUsage]) -> JSONValue {
        guard let first = usages.first else { return [:] }
        return json(
            cached: first.reusedTokens, prompt: first.promptTokens - first.reusedTokens,
            promptSeconds: first.promptDuration.seconds, predicted: usages.reduce(0) { $0 + $1.completionTokens },
            seconds: usages.map(\.generationDuration.seconds).max() ?? 0)
    }

    /// The object, of figures.
    ///
    /// - Parameters:
    ///   - cached: Tokens of the prompt that were there already.
    ///   - prompt: Those that were computed.
    ///   - promptSeconds: What they took.
    ///   - predicted: Tokens of the reply.
    ///   - seconds: What they took.
    package static func json(
        cached: Int, prompt: Int, promptSeconds: Double, predicted: Int, seconds: Double
    ) -> JSONValue {
        func ratio(_ value: Double, _ by: Double) -> JSONValue { .double(by > 0 ? value / by : 0) }
        return [
            "cache_n": .int(cached),
            "prompt_n": .int(prompt), "prompt_ms": .double(promptSeconds * 1e3),
            "prompt_per_token_ms": ratio(promptSeconds * 1e3, Double(prompt)),
            "prompt_per_second": ratio(Double(prompt), promptSeconds),
            "predicted_n": .int(predicted), "predicted_ms": .double(seconds * 1e3),
            "predicted_per_token_ms": ratio(seconds * 1e3, Double(predicted)),
            "predicted_per_second": ratio(Double(predicted), seconds),
        ]
    }
}
