// llama-server's flags, and what they are with us.

/// A flag of llama-server.
struct LlamaServerFlag: Sendable {
    /// What it is with us.
    enum Meaning: Sendable, Hashable {
        /// A flag of `apus serve`, which takes the same value.
        case same(String)
        /// Flags of `apus serve`, whatever the value.
        case fixed([String])
        /// It has no effect here, and none on what replies say.
        case ignored
    }

    /// Its names.
    let names: [String]
    /// Whether a value follows it.
    let takesValue: Bool
    /// What it is with us.
    let meaning: Meaning

    init(_ names: [String], value: Bool = true, _ meaning: Meaning) {
        (self.names, takesValue, self.meaning) = (names, value, meaning)
    }
}

/// The table of llama-server's flags.
package enum LlamaServerFlags {
    /// Every flag that is known.
    static let all: [LlamaServerFlag] = served + requests + sampling + withoutEffect

    private static let served: [LlamaServerFlag] = [
        .init(["-m", "--model"], .same("-m")),
        .init(["--models-dir"], .same("--models-dir")),
        .init(["-a", "--alias"], .same("--alias")),
        .init(["--host"], .same("--host")),
        .init(["--port"], .same("--port")),
        .init(["--api-key"], .same("--api-key")),
        .init(["--api-key-file"], .same("--api-key-file")),
        .init(["--ssl-key-file"], .same("--tls-key")),
        .init(["--ssl-cert-file"], .same("--tls-cert")),
        .init(["-to", "--timeout"], .same("--write-timeout")),
        .init(["--metrics"], value: false, .fixed(["--metrics"])),
        .init(["--slots"], value: false, .fixed(["--slots"])),
        .init(["--no-slots"], value: false, .fixed(["--no-slots"])),
        .init(["--chat-template", "--chat-template-file"], .same("--chat-template")),
        .init(["--pooling"], .same("--pooling")),
        .init(["--models-max"], .same("--max-loaded")),
        .init(["-v", "--verbose", "--log-verbose"], value: false, .fixed(["--log-level", "debug"])),
        .init(["--log-disable"], value: false, .fixed(["--log-level", "critical"])),
    ]

    private static let requests: [LlamaServerFlag] = [
        .init(["-c", "--ctx-size"], .same("-c")),
        .init(["-n", "--predict", "--n-predict"], .same("-n")),
        .init(["-b", "--batch-size"], .same("-b")),
        .init(["-t", "--threads"], .same("-t")),
        .init(["-np", "--parallel"], .same("--parallel")),
        .init(["--cache-prompt"], value: false, .fixed(["--prefix-cache"])),
        .init(["--no-cache-prompt"], value: false, .fixed(["--no-prefix-cache"])),
    ]

    private static let sampling: [LlamaServerFlag] =
        [
            "--temp", "--top-k", "--top-p", "--min-p", "--typical", "--typical-p", "--top-nsigma", "--top-n-sigma",
            "--xtc-probability", "--xtc-threshold", "--repeat-penalty", "--repeat-last-n", "--presence-penalty",
            "--frequency-penalty", "--dry-multiplier", "--dry-base", "--dry-allowed-length", "--dry-penalty-last-n",
            "--dry-sequence-breaker", "--dynatemp-range", "--dynatemp-exp", "--mirostat", "--mirostat-lr",
            "--mirostat-ent", "--samplers",
        ].map { LlamaServerFlag([$0], .same($0)) }
        + [
            .init(["--temperature"], .same("--temp")),
            .init(["-s", "--seed"], .same("--seed")),
            .init(["-l", "--logit-bias"], .same("--logit-bias")),
        ]

    /// How the engine works, or a page that there is not: no reply depends on them.
    private static let withoutEffect: [LlamaServerFlag] =
        [
            "-ub", "--ubatch-size", "-tb", "--threads-batch", "-C", "--cpu-mask", "-Cr", "--cpu-range",
            "--cpu-strict", "--prio", "--poll", "-Cb", "--cpu-mask-batch", "-Crb", "--cpu-range-batch",
            "--cpu-strict-batch", "--prio-batch", "--poll-batch", "--numa", "-ngl", "--gpu-layers", "--n-gpu-layers",
            "-sm", "--split-mode", "-ts", "--tensor-split", "-mg", "--main-gpu", "-dev", "--device", "-ot",
            "--override-tensor", "-ncmoe", "--n-cpu-moe", "-fa", "--flash-attn", "-ctk", "--cache-type-k", "-ctv",
            "--cache-type-v", "-dt", "--defrag-thold", "--threads-http", "--cache-reuse", "--keep",
            "-sps", "--slot-prompt-similarity", "--slot-save-path", "--reasoning-format", "--reasoning-budget",
            "--chat-template-kwargs", "--log-file", "-lv", "--verbosity", "--log-verbosity", "--log-colors", "--path",
            "--api-prefix", "--media-path", "-ctxcp", "--ctx-checkpoints", "--swa-checkpoints", "-cram", "--cache-ram",
            "--fit",
            "-fit", "--fit-ctx", "--fit-target", "--sleep-idle-seconds", "--rpc", "--sampling-seq", "--sampler-seq",
        ].map { LlamaServerFlag([$0], .ignored) }
        + [
            "--jinja", "--no-jinja", "-cb", "--cont-batching", "-nocb", "--no-cont-batching", "--embedding",
            "--embeddings", "--no-webui", "--webui", "--no-ui", "--ui", "--offline", "--no-mmap", "--mmap", "--mlock",
            "-cmoe", "--cpu-moe", "--no-warmup", "--warmup", "--no-perf", "--perf", "--check-tensors", "--props",
            "-kvo", "--kv-offload", "-nkvo", "--no-kv-offload", "--repack", "-nr", "--no-repack", "--no-host",
            "-kvu", "--kv-unified", "--no-kv-unified", "--swa-full", "-e", "--escape", "--no-escape", "-sp",
            "--special", "--no-context-shift", "--log-prefix", "--no-log-prefix", "--log-timestamps",
            "--no-log-timestamps", "--op-offload", "--no-op-offload", "--prefill-assistant",
            "--no-prefill-assistant", "--direct-io", "--no-direct-io", "-dio", "-ndio",
        ].map { LlamaServerFlag([$0], value: false, .ignored) }

    /// What `apus-server --help` says.
    static var help: String {
        let names = all.filter { $0.meaning != .ignored }.map { $0.names.joined(separator: ", ") }
        return """
            apus-server: `apus serve` with the flags of llama-server, for what starts that one.

            With an effect: \(names.joined(separator: "; ")).
            llama-server's other flags are accepted and have none, which a line tells. -c is each request's own limit \
            and is not divided by -np. Flags of `apus serve` are understood as well; see `apus serve --help`.
            """
    }

    private static let byName = Dictionary(all.flatMap { flag in flag.names.map { ($0, flag) } }) { first, _ in first }

    /// The arguments of `apus serve` that do what these would do with llama-server, which serves any name of a model.
    ///
    /// - Parameter arguments: llama-server's.
    /// - Returns: The arguments, and a line on each flag that has no effect.
    package static func translate(_ arguments: [String]) -> (arguments: [String], notes: [String]) {
        var result = ["--any-model"]
        var notes: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            // llama-server takes an underscore for a dash.
            let name = String((parts.first ?? "").map { $0 == "_" && argument.hasPrefix("--") ? "-" : $0 })
            guard let flag = byName[name] else {
                result.append(argument)
                continue
            }
            let value: String? = !flag.takesValue ? nil : parts.count == 2 ? parts[1] : takeValue(flag, &rest)
            switch flag.meaning {
            case .same(let ours): result += values(ours, value).flatMap { [ours, $0] }
            case .fixed(let ours): result += ours
            case .ignored: notes.append("\(name) has no effect here")
            }
        }
        return (result, notes)
    }

    /// The value after a flag. An ignored flag may have none: newer versions made options of some switches.
    private static func takeValue(_ flag: LlamaServerFlag, _ rest: inout ArraySlice<String>) -> String? {
        if flag.meaning == .ignored, let next = rest.first, next.hasPrefix("-"), Int(next) == nil { return nil }
        return rest.popFirst()
    }

    /// The values for our flag; several keys and names may be in one of theirs, separated by commas.
    private static func values(_ flag: String, _ value: String?) -> [String] {
        guard let value else { return [] }
        switch flag {
        case "--api-key", "--alias": return value.split(separator: ",").map(String.init)
        // Theirs means "by itself" with these.
        case "-c" where value == "0", "--parallel" where value == "-1", "-n" where value == "-2": return []
        case "-t" where (Int(value) ?? 1) < 1: return []
        case "--pooling" where value == "none" || value == "rank": return []
        default: return [value]
        }
    }
}
