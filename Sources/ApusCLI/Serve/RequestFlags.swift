import Apus
import ApusServer
import ArgumentParser

/// How requests share the server.
struct RequestFlags: ParsableArguments {
    @Option(
        name: [.customShort("n"), .customLong("predict")], parsing: .unconditional,
        help: "The most tokens of a reply where a request does not say it; -1 for no limit but the context.")
    var maxTokens = -1

    @Option(
        name: .customLong("parallel"),
        help: "Texts that are computed at the same time; none has less context for it.")
    var parallel = 64

    @Option(name: .customLong("max-queue"), help: "Requests that may wait beside these; more are refused with 503.")
    var maxQueue = 512

    @Option(
        name: .customLong("pool-size"),
        help: "Tokens that the cache of a model holds for all requests together; by default what fits the memory.")
    var poolSize: Int?

    @Flag(
        name: .customLong("prefix-cache"), inversion: .prefixedNo,
        help: "Use what was computed for one prompt for others that begin alike.")
    var sharesPrefixes = true

    @Option(
        name: .customLong("reasoning-format"),
        help: """
            What becomes of a model's thoughts before it answers: auto tells them apart (reasoning_content, thinking) where \
            the chat template knows of <think>, none leaves them in the answer; deepseek is the same as auto.
            """)
    var reasoningFormat = ReasoningFormat.auto

    @Flag(
        name: .customLong("prefill-assistant"), inversion: .prefixedNo,
        help: "Continue the last message where it is the assistant's, unless a request says otherwise.")
    var prefillsAssistant = false

    @Flag(
        name: .customLong("special"), help: "Have the texts of control tokens in replies, but of the one that ends it.")
    var special = false

    @Option(
        name: .customLong("stream-interval"),
        help: """
            Milliseconds: tokens that come sooner than this after those that were sent last are sent together with the next \
            ones, each as an event of its own; 0 sends each one when it comes.
            """)
    var streamInterval = 50

    @Option(name: .customLong("max-body"), help: "Bytes that a request's body may have.")
    var maxBody = ByteCount(100 << 20)

    @Option(name: .customLong("max-header"), help: "Bytes that a request's header may have.")
    var maxHeader = ByteCount(64 << 10)

    func validate() throws {
        for (name, value, range) in [
            ("-n", maxTokens, -1...Int(Int32.max)), ("--parallel", parallel, 1...4096),
            ("--max-queue", maxQueue, 0...1_000_000), ("--pool-size", poolSize ?? 1, 1...Int(Int32.max)),
            ("--stream-interval", streamInterval, 0...1000),
            ("--max-body", maxBody.value, 1...(1 << 40)), ("--max-header", maxHeader.value, 256...(1 << 30)),
        ] where !range.contains(value) {
            throw ValidationError("\(name) is \(value), wanted: \(range.lowerBound) to \(range.upperBound)")
        }
    }

    /// Sets what the flags say.
    func apply(to configuration: inout ServerConfiguration) {
        configuration.maxTokens = maxTokens < 0 ? nil : maxTokens
        configuration.library.engine.maxRunning = parallel
        configuration.library.engine.poolPositions = poolSize
        configuration.library.engine.sharesPrefixes = sharesPrefixes
        configuration.maxQueue = maxQueue
        configuration.separatesThoughts = reasoningFormat != .none
        configuration.continuesLastAnswer = prefillsAssistant
        configuration.rendersSpecialTokens = special
        configuration.streamInterval = .milliseconds(streamInterval)
        configuration.bodyLimit = maxBody.value
        configuration.headerLimit = maxHeader.value
    }
}

/// What becomes of thoughts, in llama-server's words.
enum ReasoningFormat: String, ExpressibleByArgument, CaseIterable {
    case none, auto, deepseek
}
