// Results as rows: llama-bench's keys in its order, then ours.

import Apus
import ApusJSON
import ApusModel

/// What a test measured.
struct BenchResult {
    let test: BenchTest
    let description: ModelDescription
    let startTime: String
    let samples: Samples
    let roofs: RoofShare
    let hash: LogitsHash
    let process: ProcessFigures
}

/// What a batched test measured.
struct BatchedResult {
    let test: BatchedTest
    let description: ModelDescription
    let startTime: String
    let prompt: Samples
    let generation: Samples
    /// Of decoding.
    let roofs: RoofShare
    let hash: LogitsHash
    let process: ProcessFigures
}

/// What stands where llama-bench has the commit. Its scripts cut names to the shortest in the data, so not shorter than
/// a commit's.
private let buildName = "apus-\(ApusVersion.text)"

extension BenchResult {
    /// The row's members.
    var members: [JSONValue.Member] {
        let nanoseconds = samples.nanoseconds.map(Double.init)
        return [
            .init("build_commit", .string(buildName)),
            .init("build_number", .int(0)),
            .init("cpu_info", .string(SystemInfo.processorName)),
            .init("gpu_info", ""),
            .init("backends", "CPU"),
            .init("model_filename", .string(test.model)),
            .init("model_type", .string(description.type)),
            .init("model_size", .int(description.bytes)),
            .init("model_n_params", .int(description.parameters)),
            .init("n_batch", .int(test.batch)),
            .init("n_ubatch", .int(test.microBatch)),
            .init("n_threads", .int(test.threads)),
        ] + Self.unused + [
            .init("n_prompt", .int(test.prompt)),
            .init("n_gen", .int(test.generated)),
            .init("n_depth", .int(test.depth)),
            .init("test_time", .string(startTime)),
            .init("avg_ns", .int(Int(nanoseconds.mean))),
            .init("stddev_ns", .int(Int(nanoseconds.deviation))),
            .init("avg_ts", .double(samples.rates.mean)),
            .init("stddev_ts", .double(samples.rates.deviation)),
            .init("samples_ns", .ints(samples.nanoseconds)),
            .init("samples_ts", .doubles(samples.rates)),
            .init("engine", "apus"),
        ] + roofs.members + process.members + [
            .init("logits_hash", .string(hash.description)),
            .init("spread", .double(samples.spread)),
            .init("disturbed", .bool(samples.isDisturbed)),
        ]
    }

    /// llama-bench's settings that mean nothing here, as it has them when nobody sets them: scripts join rows by them.
    private static let unused: [JSONValue.Member] = [
        .init("cpu_mask", "0x0"), .init("cpu_strict", false), .init("poll", 50), .init("type_k", "f16"),
        .init("type_v", "f16"), .init("n_gpu_layers", -1), .init("n_cpu_moe", 0), .init("split_mode", "layer"),
        .init("main_gpu", 0), .init("no_kv_offload", false), .init("flash_attn", -1), .init("devices", "auto"),
        .init("tensor_split", "0.00"), .init("tensor_buft_overrides", "none"), .init("load_mode", "auto"),
        .init("lazy_mode", "auto"), .init("use_mmap", false), .init("use_direct_io", false),
        .init("embeddings", false), .init("no_op_offload", 0), .init("no_host", false), .init("repack", true),
        .init("fit_target", 0), .init("fit_min_ctx", 0),
    ]
}

extension BatchedResult {
    /// Seconds for prompts and decoding.
    var seconds: Double { prompt.seconds + generation.seconds }

    /// Tokens of all kinds a second.
    var rate: Double { Double(prompt.tokens + generation.tokens) / seconds }

    /// The row's members: llama-batched-bench's keys in its order, then what tells the rows of a file apart, then ours.
    var members: [JSONValue.Member] {
        [
            .init("n_kv_max", .int(test.positions)),
            .init("n_batch", .int(test.batch)),
            .init("n_ubatch", .int(test.microBatch)),
            .init("flash_attn", -1),
            .init("is_pp_shared", .int(test.sharesPrompt ? 1 : 0)),
            .init("n_gpu_layers", -1),
            .init("n_threads", .int(test.threads)),
            .init("n_threads_batch", .int(test.threads)),
            .init("pp", .int(test.prompt)),
            .init("tg", .int(test.generated)),
            .init("pl", .int(test.sequences)),
            .init("n_kv", .int(test.positions)),
            .init("t_pp", .double(prompt.seconds)),
            .init("speed_pp", .double(prompt.rate)),
            .init("t_tg", .double(generation.seconds)),
            .init("speed_tg", .double(generation.rate)),
            .init("t", .double(seconds)),
            .init("speed", .double(rate)),
            .init("build_commit", .string(buildName)),
            .init("cpu_info", .string(SystemInfo.processorName)),
            .init("model_filename", .string(test.model)),
            .init("model_type", .string(description.type)),
            .init("model_size", .int(description.bytes)),
            .init("model_n_params", .int(description.parameters)),
            .init("test_time", .string(startTime)),
            .init("samples_pp_ns", .ints(prompt.nanoseconds)),
            .init("samples_tg_ns", .ints(generation.nanoseconds)),
            .init("engine", "apus"),
        ] + roofs.members + process.members + [
            .init("logits_hash", .string(hash.description)),
            .init("spread", .double(generation.spread)),
            .init("disturbed", .bool(generation.isDisturbed)),
        ]
    }
}

extension Samples {
    /// The mean time in seconds.
    var seconds: Double { nanoseconds.map(Double.init).mean / 1e9 }

    /// Tokens a second by the mean time.
    var rate: Double { seconds > 0 ? Double(tokens) / seconds : 0 }
}

extension ProcessFigures {
    fileprivate var members: [JSONValue.Member] {
        [
            .init("isa", .string(isa)),
            .init("team", .string(teamBackend)),
            .init("load_seconds", .double(loadSeconds)),
            .init("first_token_seconds", firstTokenSeconds.map(JSONValue.double) ?? .null),
            .init("peak_rss_bytes", peakBytes.map(JSONValue.int) ?? .null),
        ]
    }
}
