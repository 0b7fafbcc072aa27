internal import Apus
internal import ApusAPI
internal import ApusModel

/// The engines' metrics under llama-server's names, in the text form of Prometheus.
enum LlamaServerMetrics {
    /// The type of the text.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private enum Kind: String {
        case counter, gauge
    }

    /// The text.
    ///
    /// - Parameter metrics: Of all engines there are and were.
    static func text(_ metrics: EngineMetrics) -> String {
        let (promptSeconds, seconds) = (metrics.promptDuration.seconds, metrics.generationDuration.seconds)
        func ratio(_ value: Int, _ by: Double) -> Double { by > 0 ? Double(value) / by : 0 }
        let items: [(Kind, String, String, Double)] = [
            (.counter, "prompt_tokens_total", "Tokens of prompts that were computed.", Double(metrics.promptTokens)),
            (
                .counter, "prompt_tokens_cached_total", "Tokens of prompts that earlier texts began with.",
                Double(metrics.tokensReused)
            ),
            (.counter, "prompt_seconds_total", "Seconds that prompts took.", promptSeconds),
            (.counter, "tokens_predicted_total", "Tokens that were generated.", Double(metrics.tokensGenerated)),
            (.counter, "tokens_predicted_seconds_total", "Seconds that replies took.", seconds),
            (.counter, "n_decode_total", "Steps, each of which read all weights.", Double(metrics.steps)),
            (
                .counter, "n_tokens_max", "The most tokens that a prompt and its reply had.",
                Double(metrics.longestSequence)
            ),
            (.counter, "requests_total", "Requests that have ended.", Double(metrics.requestsEnded)),
            (.counter, "preemptions_total", "Sequences that had to make room for others.", Double(metrics.preemptions)),
            (
                .gauge, "prompt_tokens_seconds", "Tokens of prompts a second, on average.",
                ratio(metrics.promptTokens, promptSeconds)
            ),
            (
                .gauge, "predicted_tokens_seconds", "Tokens of a reply a second, on average.",
                ratio(metrics.tokensGenerated, seconds)
            ),
            (.gauge, "requests_processing", "Sequences that are being computed.", Double(metrics.running)),
            (.gauge, "requests_deferred", "Sequences that wait.", Double(metrics.waiting)),
            (
                .gauge, "n_busy_slots_per_decode", "Sequences in a step, on average.",
                ratio(metrics.stepSequences, Double(metrics.steps))
            ),
            (
                .gauge, "kv_cache_usage_ratio", "The part of the cache's pages that sequences hold.",
                ratio(metrics.pagesUsed, Double(metrics.pages))
            ),
            (
                .gauge, "kv_cache_tokens", "Positions of the cache that are taken, by sequences or for reuse.",
                Double((metrics.pages - metrics.pagesFree) * KVCache.pagePositions)
            ),
        ]
        return items.map { kind, name, help, value in
            "# HELP llamacpp:\(name) \(help)\n# TYPE llamacpp:\(name) \(kind)\nllamacpp:\(name) \(number(value))\n"
        }.joined()
    }

    /// A number without a fraction where it has none.
    private static func number(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }
}
