// llama-server's flags, and what they are with us.

package import ApusGGUF

/// A flag of llama-server.
struct LlamaServerFlag: Sendable {
    /// What it is with us.
    enum Meaning: Sendable, Hashable {
        /// A flag of `apus serve`, which takes the same value.
        case same(String)
        /// Flags of `apus serve`, whatever the value.
        case fixed([String])
        /// It has no effect here, for a reason.
        case ignored(Reason)
        /// It asks for what there is not here.
        case refused
    }

    /// Why a flag has no effect.
    enum Reason: String, Sendable, Hashable {
        case speed = "has no effect here: it is about how the engine works"
        case always = "has no effect here: it is always so"
        case page = "has no effect here: there is no web page"
        case log = "has no effect here: log lines have one form (--log-format)"
        case context = "has no effect here: a reply ends where its context is full, and nothing is taken out of it"
        case slots = "has no effect here: there is no /slots/{id}"
        case prompt = "has no effect here: it is about a prompt on the command line"
        case properties = "has no effect here: /props is read only"
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
    static let all: [LlamaServerFlag] = served + requests + sampling + withoutEffect + refused

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
        .init(["--chat-template-kwargs"], .same("--chat-template-kwargs")),
        .init(["--pooling"], .same("--pooling")),
        .init(["--models-max"], .same("--max-loaded")),
        .init(["--sleep-idle-seconds"], .same("--keep-alive")),
        .init(["--log-file"], .same("--log-file")),
        .init(["-lv", "--verbosity", "--log-verbosity"], .same("--log-level")),
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
        .init(["-sp", "--special"], value: false, .fixed(["--special"])),
        .init(["--prefill-assistant"], value: false, .fixed(["--prefill-assistant"])),
        .init(["--no-prefill-assistant"], value: false, .fixed(["--no-prefill-assistant"])),
        .init(["--reasoning-format"], .same("--reasoning-format")),
        .init(["--reasoning-budget"], .same("--reasoning-budget")),
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
            .init(["--sampling-seq", "--sampler-seq"], .same("--samplers")),
        ]

    /// No reply depends on them.
    private static let withoutEffect: [LlamaServerFlag] =
        ignored(
            .speed,
            [
                "-ub", "--ubatch-size", "-tb", "--threads-batch", "-C", "--cpu-mask", "-Cr", "--cpu-range",
                "--cpu-strict", "--prio", "--poll", "-Cb", "--cpu-mask-batch", "-Crb", "--cpu-range-batch",
                "--cpu-strict-batch", "--prio-batch", "--poll-batch", "--numa", "-ngl", "--gpu-layers",
                "--n-gpu-layers", "-sm", "--split-mode", "-ts", "--tensor-split", "-mg", "--main-gpu", "-dev",
                "--device", "-ot", "--override-tensor", "-ncmoe", "--n-cpu-moe", "-fa", "--flash-attn", "-ctk",
                "--cache-type-k", "-ctv", "--cache-type-v", "-dt", "--defrag-thold", "--threads-http", "--cache-reuse",
                "-sps", "--slot-prompt-similarity", "-ctxcp", "--ctx-checkpoints", "--swa-checkpoints", "-cram",
                "--cache-ram", "--fit", "-fit", "--fit-ctx", "--fit-target", "--rpc",
            ],
            switches: [
                "--no-mmap", "--mmap", "--mlock", "-cmoe", "--cpu-moe", "--no-warmup", "--warmup", "--no-perf",
                "--perf",
                "--check-tensors", "-kvo", "--kv-offload", "-nkvo", "--no-kv-offload", "--repack", "-nr", "--no-repack",
                "--no-host", "-kvu", "--kv-unified", "--no-kv-unified", "--swa-full", "--op-offload", "--no-op-offload",
                "--direct-io", "--no-direct-io", "-dio", "-ndio", "-nocb", "--no-cont-batching",
            ])
        + ignored(
            .always,
            switches: ["--jinja", "--no-jinja", "-cb", "--cont-batching", "--embedding", "--embeddings", "--offline"])
        + ignored(.page, switches: ["--no-webui", "--webui", "--no-ui", "--ui"])
        + ignored(
            .log, ["--log-colors"],
            switches: ["--log-prefix", "--no-log-prefix", "--log-timestamps", "--no-log-timestamps"])
        + ignored(.context, ["--keep"], switches: ["--context-shift", "--no-context-shift"])
        + ignored(.slots, ["--slot-save-path"])
        + ignored(.prompt, switches: ["-e", "--escape", "--no-escape"])
        + ignored(.properties, switches: ["--props"])

    private static func ignored(
        _ reason: LlamaServerFlag.Reason, _ options: [String] = [], switches: [String] = []
    ) -> [LlamaServerFlag] {
        options.map { LlamaServerFlag([$0], .ignored(reason)) }
            + switches.map { LlamaServerFlag([$0], value: false, .ignored(reason)) }
    }

    /// Clients would not find what they were told of.
    private static let refused = ["--api-prefix", "--path", "--media-path"].map { LlamaServerFlag([$0], .refused) }

    /// What `apus-server --help` says.
    static var help: String {
        let names = (served + requests + sampling).map { $0.names.joined(separator: ", ") }
        return """
            apus-server: `apus serve` with the flags of llama-server, for what starts that one.

            With an effect: \(names.joined(separator: "; ")).
            Flags of llama-server's about devices, memory and threads are accepted and have none, which a line tells; what \
            it has and this server has not is refused. -c is each request's own limit and is not divided by -np. Flags of `apus serve` are understood as well; see `apus serve --help`.
            """
    }

    private static let byName = Dictionary(all.flatMap { flag in flag.names.map { ($0, flag) } }) { first, _ in first }

    /// The arguments of `apus serve` that do what these would do with llama-server, which serves any name of a model and
    /// continues a last message of the assistant's.
    ///
    /// - Parameter arguments: llama-server's.
    /// - Returns: The arguments, and a line on each flag that has no effect.
    /// - Throws: `ApusError` with code `invalidArgument` for a flag, or a value, that asks for what there is not here.
    package static func translate(
        _ arguments: [String]
    ) throws(ApusError) -> (arguments: [String], notes: [String]) {
        var result = ["--any-model", "--prefill-assistant"]
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
            case .same(let ours): result += try translated(ours, value, name)
            case .fixed(let ours): result += ours
            case .ignored(let reason): notes.append("\(name) \(reason.rawValue)")
            case .refused: throw ApusError(.invalidArgument, "\(name) is not supported")
            }
        }
        return (result, notes)
    }

    /// The value after a flag. An ignored flag may have none: newer versions made options of some switches.
    private static func takeValue(_ flag: LlamaServerFlag, _ rest: inout ArraySlice<String>) -> String? {
        if case .ignored = flag.meaning, let next = rest.first, next.hasPrefix("-"), Int(next) == nil { return nil }
        return rest.popFirst()
    }

    /// Our flag with the value, or several; none where theirs means "by itself".
    private static func translated(_ flag: String, _ value: String?, _ name: String) throws(ApusError) -> [String] {
        guard let value else { return [] }
        func wrong(_ wanted: String) -> ApusError {
            ApusError(.invalidArgument, "\(name) is \(ApusError.quoted(value)), wanted: \(wanted)")
        }
        switch flag {
        // Several keys and names may be in one of theirs.
        case "--api-key", "--alias": return value.split(separator: ",").flatMap { [flag, String($0)] }
        case "-c" where value == "0", "--parallel" where value == "-1", "-n" where value == "-2": return []
        case "--max-loaded" where value == "0": return []
        case "-t" where (Int(value) ?? 1) < 1: return []
        case "--pooling" where value == "none" || value == "rank": return []
        case "--log-level":
            guard let number = Int(value) else { throw wrong("a number") }
            let levels = ["critical", "error", "warning", "info", "debug"]
            return [flag, number < levels.count ? levels[max(0, number)] : "trace"]
        case "--reasoning-budget":
            switch value {
            case "-1": return []
            case "0": return ["--chat-template-kwargs", #"{"enable_thinking": false}"#]
            default: throw wrong("0 or -1")
            }
        case "--samplers" where name.hasSuffix("-seq"):
            var names: [String] = []
            for letter in value {
                guard let sampler = samplerLetters[letter] else {
                    throw wrong("letters of \(String(samplerLetters.keys.sorted()))")
                }
                names.append(sampler)
            }
            return [flag, names.joined(separator: ";")]
        default: return [flag, value]
        }
    }

    /// The samplers, by the letters that llama.cpp has for them.
    private static let samplerLetters: [Character: String] = [
        "d": "dry", "k": "top_k", "y": "typ_p", "p": "top_p", "s": "top_n_sigma", "m": "min_p", "t": "temperature",
        "x": "xtc", "e": "penalties",
    ]
}
