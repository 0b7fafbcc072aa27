// What a reply took: a line for people, an object for programs.

import Apus
import ApusJSON

struct ChatReport {
    private let reply: ChatReply

    init(_ reply: ChatReply) {
        self.reply = reply
    }

    private var generation: GenerationResult { reply.generation }
    private var decodeRate: Double {
        let seconds = generation.generationDuration.seconds
        return seconds > 0 ? Double(generation.decodedTokens) / seconds : 0
    }

    /// One line.
    func line(contextLength: Int) -> String {
        let prompt =
            "prompt \(reply.promptIDs.count) tokens: \(reply.computedTokens) computed, \(reply.reusedTokens) reused"
        let first = generation.timeToFirstToken.map { "first token after \(decimal($0.seconds, 3)) s" } ?? "no token"
        let text = "generated \(generation.ids.count) tokens, \(decimal(decodeRate, 1)) tokens/s"
        let context = "context \(reply.contextTokens) of \(contextLength)"
        return "\(prompt) | \(first) | \(text) | \(context) | seed \(reply.seed)\(generation.speculation.words)"
    }

    /// The object of `--json`.
    var json: JSONValue {
        [
            "text": .string(generation.text),
            "stop_reason": .string(generation.stopReason.rawValue),
            "prompt_ids": .ints(reply.promptIDs),
            "ids": .ints(generation.ids),
            "dropped": .array(reply.dropped.map(\.json)),
            "seed": reply.seed <= UInt64(Int.max) ? .int(Int(reply.seed)) : .string(String(reply.seed)),
            "timings": [
                "prompt_tokens": .int(reply.promptIDs.count),
                "computed_tokens": .int(reply.computedTokens),
                "reused_tokens": .int(reply.reusedTokens),
                "prompt_seconds": .double(generation.promptDuration.seconds),
                "time_to_first_token_seconds": generation.timeToFirstToken.map { .double($0.seconds) } ?? .null,
                "generated_tokens": .int(generation.ids.count),
                "generation_seconds": .double(generation.generationDuration.seconds),
                "generated_per_second": .double(decodeRate),
                "recompute_seconds": .double(generation.recomputeDuration.seconds),
            ],
            "speculation": generation.speculation.json,
        ]
    }
}
