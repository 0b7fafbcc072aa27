public import ApusGGUF
public import ApusModel
public import ApusTokenizer

/// A conversation with a model: its messages, and what of them the model's sequence holds already.
///
/// Each reply's prompt is the whole conversation, cut into tokens anew. What the sequence holds is kept as far as it has
/// the same tokens, and the rest is computed: so a reply depends on the messages alone, not on how they came about.
/// When the context is full the oldest exchanges are dropped, never an instruction, never the newest question.
///
/// Not for several threads at once.
public final class Conversation {
    /// The messages so far.
    public private(set) var messages: [ChatMessage] = []
    /// What ends a reply.
    public var generation = GenerationOptions()
    /// Whether tokens are guessed; replies do not depend on it.
    public var speculation = Speculation.lookup
    /// How replies are drawn. The n-th reply after the seed was set is drawn with the seed + n − 1.
    public var sampling: SamplingOptions {
        didSet {
            if sampling.seed != oldValue.seed { restartSeed() }
        }
    }
    /// Whether control tokens' texts in messages become these tokens. Only for messages that are trusted.
    public var parsesSpecial = false

    private let source: any RewindableLogitsSource
    private let tokenizer: any Tokenizer
    private let format: ChatFormat
    /// The tokens that the source holds.
    private var held: [Int32] = []
    private var nextSeed: UInt64 = 0

    /// The most tokens that the context holds.
    public var contextLength: Int { source.contextLength }

    /// Begins a conversation.
    ///
    /// - Parameters:
    ///   - source: An empty sequence of the model. Nobody else may use it.
    ///   - tokenizer: The model's.
    ///   - format: What turns messages into prompts.
    ///   - sampling: How replies are drawn.
    public init(
        source: any RewindableLogitsSource, tokenizer: any Tokenizer, format: ChatFormat, sampling: SamplingOptions
    ) {
        self.source = source
        self.tokenizer = tokenizer
        self.format = format
        self.sampling = sampling
        restartSeed()
    }

    private func restartSeed() { nextSeed = sampling.seed ?? UInt64(UInt32.random(in: .min ... .max)) }

    // MARK: Messages

    /// The first message, when it is the system's.
    public var system: String? {
        guard let first = messages.first, first.isInstruction else { return nil }
        return first.content
    }

    /// Sets the system's message, or removes it.
    ///
    /// - Parameter text: The message; nil removes it.
    /// - Throws: `ApusError` of the template when it takes no such message; nothing is changed then.
    public func setSystem(_ text: String?) throws(ApusError) {
        var changed = messages
        if changed.first?.isInstruction == true { changed.removeFirst() }
        if let text { changed.insert(ChatMessage(role: "system", content: text), at: 0) }
        try replaceMessages(changed)
    }

    /// Takes another conversation in the place of this one.
    ///
    /// - Parameter replacement: The messages.
    /// - Throws: `ApusError` of the template when it does not take them; nothing is changed then.
    public func replaceMessages(_ replacement: [ChatMessage]) throws(ApusError) {
        // Most templates want a question at the end, some nothing without one.
        let isAsked = replacement.last?.role == "user"
        _ = try format.prompt(isAsked ? replacement : replacement + [ChatMessage(role: "user", content: "?")])
        messages = replacement
    }

    /// Takes back the last question and what came after it, also out of the model's sequence.
    ///
    /// - Returns: What was taken back; empty when there was no question.
    @discardableResult
    public func undo() -> [ChatMessage] {
        guard let last = messages.lastIndex(where: { $0.role == "user" }) else { return [] }
        let removed = Array(messages[last...])
        messages.removeSubrange(last...)
        rewind()
        return removed
    }

    /// Forgets everything but the instructions at the beginning.
    public func reset() {
        messages = Array(messages.prefix { $0.isInstruction })
        rewind()
    }

    /// Lets go of what the sequence holds beyond the messages.
    private func rewind() {
        do throws(ApusError) {
            let ids = messages.isEmpty ? [] : try ids(of: messages, addsGenerationPrompt: false)
            keepCommonPrefix(with: ids[...])
        } catch {
            // A template may refuse messages without a question; then the next reply finds what it can use.
        }
    }

    // MARK: Replies

    /// Asks a question and generates the reply to it; both join the messages.
    ///
    /// - Parameters:
    ///   - question: The user's message.
    ///   - cancellation: Ends the reply, which is kept as far as it was generated.
    ///   - onText: Gets the reply piece by piece, whole characters only; false ends it.
    ///   - onDrop: Gets the messages that are dropped to make room, at once.
    /// - Returns: The reply.
    /// - Throws: `ApusError` with code `contextFull` when the question does not fit the context with everything else
    ///   dropped, `cancelled` when nothing had been generated yet, and what the template, the samplers and the model
    ///   throw. The messages are then as before.
    public func reply(
        to question: String, cancellation: CancellationFlag? = nil, onText: @escaping (String) -> Bool = { _ in true },
        onDrop: ([ChatMessage]) -> Void = { _ in }
    ) throws(ApusError) -> ChatReply {
        let before = messages
        messages.append(ChatMessage(role: "user", content: question))
        do throws(ApusError) {
            let reply = try generate(cancellation, onText, onDrop)
            messages.append(ChatMessage(role: "assistant", content: reply.generation.text))
            nextSeed &+= 1
            return reply
        } catch {
            messages = before
            throw error
        }
    }

    private func generate(
        _ cancellation: CancellationFlag?, _ onText: @escaping (String) -> Bool, _ onDrop: ([ChatMessage]) -> Void
    ) throws(ApusError) -> ChatReply {
        var dropped: [ChatMessage] = []
        var prompt = try ids(of: messages)
        let wanted = max(1, min(generation.maxTokens ?? .max, contextLength / 8))
        if prompt.count > contextLength - wanted {
            let (ids, now) = try makeRoom(prompt, followedBy: 0)
            prompt = ids
            dropped = now
        }
        guard prompt.count < contextLength else {
            throw ApusError(
                .contextFull,
                "the message takes \(prompt.count) tokens with what surrounds it, wanted: fewer than the context's "
                    + "\(contextLength)")
        }
        if !dropped.isEmpty { onDrop(dropped) }
        var options = sampling
        options.seed = nextSeed
        var chain = try SamplerChain(options)
        let reused = keepCommonPrefix(with: prompt.dropLast())
        for id in prompt[..<reused] { chain.accept(id) }
        var generator = try Generator(
            source: source, tokenizer: tokenizer, chain: chain, options: generation, speculation: speculation,
            cancellation: cancellation)
        var beginning = prompt
        let result: GenerationResult
        do throws(ApusError) {
            result = try generator.run(
                prompt: Array(prompt[reused...]), after: Array(prompt[..<reused]), onText: onText
            ) {
                generated throws(ApusError) in
                self.holds(beginning + generated)
                let (ids, now) = try self.makeRoom(beginning, followedBy: generated.count)
                if now.isEmpty { return false }
                onDrop(now)
                dropped += now
                beginning = ids
                let all = (ids + generated).dropLast()
                guard all.count < self.contextLength else { return false }
                let kept = self.keepCommonPrefix(with: all.dropLast())
                defer { self.holds(Array(all)) }
                try self.source.eval(Array(all[kept...]), cancellation: cancellation)
                return true
            }
        } catch {
            holds(beginning)
            throw error
        }
        holds(beginning + result.ids)
        if result.stopReason == .cancelled, result.ids.isEmpty {
            throw ApusError(.cancelled, "stopped before the reply began")
        }
        return ChatReply(
            generation: result, promptIDs: prompt, reusedTokens: reused, dropped: dropped,
            contextTokens: source.position, seed: nextSeed)
    }

    private func ids(of messages: [ChatMessage], addsGenerationPrompt: Bool = true) throws(ApusError) -> [Int32] {
        try format.ids(
            messages, tokenizer: tokenizer, options: ChatPromptOptions(addsGenerationPrompt: addsGenerationPrompt),
            parsesSpecial: parsesSpecial)
    }

    // MARK: The sequence

    /// Notes what the source holds: as much of some tokens as it took.
    private func holds(_ ids: [Int32]) { held = Array(ids.prefix(source.position)) }

    /// Drops what the source holds beyond a common beginning.
    ///
    /// - Returns: The length of the common beginning.
    @discardableResult
    private func keepCommonPrefix(with ids: ArraySlice<Int32>) -> Int {
        let common = zip(held, ids).prefix { $0 == $1 }.count
        if common < source.position { source.truncate(to: common) }
        held.removeSubrange(common...)
        return common
    }

    /// Drops the oldest exchanges until a quarter of the context is free, or a reply of the most tokens fits.
    ///
    /// - Parameters:
    ///   - prompt: The tokens of the conversation.
    ///   - count: How many tokens follow.
    /// - Returns: The tokens of what is left, and the messages dropped. These are none when nothing can be dropped.
    private func makeRoom(
        _ prompt: [Int32], followedBy count: Int
    ) throws(ApusError) -> (prompt: [Int32], dropped: [ChatMessage]) {
        let free = max(1, min(generation.maxTokens.map { $0 - count } ?? .max, contextLength / 4))
        var prompt = prompt
        var dropped: [ChatMessage] = []
        while prompt.count + count > contextLength - free {
            let exchange = dropOldestExchange()
            if exchange.isEmpty { break }
            dropped += exchange
            prompt = try ids(of: messages)
        }
        return (prompt, dropped)
    }

    /// Removes the messages from the first that is no instruction to before the next question.
    private func dropOldestExchange() -> [ChatMessage] {
        guard let first = messages.firstIndex(where: { !$0.isInstruction }),
            let next = messages[(first + 1)...].firstIndex(where: { $0.role == "user" })
        else { return [] }
        let dropped = messages[first..<next].filter { !$0.isInstruction }
        messages.replaceSubrange(first..<next, with: messages[first..<next].filter(\.isInstruction))
        return dropped
    }
}
