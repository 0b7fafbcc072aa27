// What `apus run` tells about a generation: a line for people, an object for programs.

import Apus
import ApusJSON
import ApusModel

struct RunReport {
    let promptIDs: [Int32]
    let result: GenerationResult
    let loadDuration: Duration
    let seed: UInt64
    /// The hash of the logits of all steps, if there is one.
    let logitsHash: LogitsHash?
    /// The bytes of weights that one decode step reads.
    let weightBytesPerToken: Int

    private var promptSeconds: Double { result.promptDuration.seconds }
    private var generationSeconds: Double { result.generationDuration.seconds }
    private var promptRate: Double { rate(promptIDs.count, promptSeconds) }

    /// Tokens a second after the first one, which is drawn from the prompt's logits.
    private var decodeRate: Double { rate(result.decodedTokens, generationSeconds) }

    private var gigabytesPerSecond: Double {
        rate(result.decodeSteps, generationSeconds) * Double(weightBytesPerToken) / 1e9
    }

    private func rate(_ count: Int, _ seconds: Double) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

    /// One line: rates, bandwidth, memory, the seed, which repeats the text, and what guessing tokens came to.
    var line: String {
        let prompt = "prompt \(promptIDs.count) tokens, \(decimal(promptRate, 1)) tokens/s"
        let generation =
            "generated \(result.ids.count) tokens, \(decimal(decodeRate, 1)) tokens/s, "
            + "\(decimal(gigabytesPerSecond, 1)) GB/s"
        let memory = "peak memory \(decimal(Double(SystemMemory.peakResident) / 1e6, 1)) MB"
        return "\(prompt) | \(generation) | \(memory) | seed \(seed)\(result.speculation.words)"
    }

    /// The object of `--json`.
    var json: JSONValue {
        [
            "prompt_ids": .ints(promptIDs),
            "ids": .ints(result.ids),
            "text": .string(result.text),
            "stop_reason": .string(result.stopReason.rawValue),
            "logits_hash": logitsHash.map { .string($0.description) } ?? .null,
            "seed": seed <= UInt64(Int.max) ? .int(Int(seed)) : .string(String(seed)),
            "timings": [
                "load_seconds": .double(loadDuration.seconds),
                "prompt_tokens": .int(promptIDs.count),
                "prompt_seconds": .double(promptSeconds),
                "prompt_per_second": .double(promptRate),
                "generated_tokens": .int(result.ids.count),
                "generation_seconds": .double(generationSeconds),
                "generated_per_second": .double(decodeRate),
                "time_to_first_token_seconds": result.timeToFirstToken.map { .double($0.seconds) } ?? .null,
                "gigabytes_per_second": .double(gigabytesPerSecond),
            ],
            "speculation": result.speculation.json,
            "memory": ["peak_bytes": .int(SystemMemory.peakResident)],
        ]
    }
}

extension SpeculationStatistics {
    /// What guessing tokens came to, to be added to a line; nothing where none was guessed.
    var words: String { drafted == 0 ? "" : " | \(accepted) of \(drafted) guesses right" }

    /// What guessing tokens came to.
    var json: JSONValue { ["drafted": .int(drafted), "accepted": .int(accepted)] }
}
