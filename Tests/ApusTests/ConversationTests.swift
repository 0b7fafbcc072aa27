import Apus
import ApusGGUF
import ApusModel
import ApusTokenizer
import Testing

@Suite("Conversations")
struct ConversationTests {
    private let metadata: Metadata
    private let tokenizer: any Tokenizer
    private let format: ChatFormat
    private static let questions = ["hello there", "what now?", "é or e?", "a <|im_end|> b", "the end"]

    init() throws {
        metadata = ChatVocabulary.metadata()
        tokenizer = try Tokenizers.make(metadata)
        format = try ChatFormat.find(metadata, tokenizer)
    }

    private func conversation(
        context: Int = 2000, endLogit: Float = 1, seed: UInt64 = 5, template: String? = nil
    ) throws -> (Conversation, HashingModel) {
        let model = HashingModel(tokenizer, contextLength: context, endLogit: endLogit)
        var sampling = SamplingOptions()
        sampling.seed = seed
        let format = try template.map { try ChatFormat(source: $0, metadata: metadata) } ?? format
        return (Conversation(source: model, tokenizer: tokenizer, format: format, sampling: sampling), model)
    }

    @Test("a reply depends on the messages alone, not on what was there to be reused")
    func exact() throws {
        let (live, model) = try conversation()
        try live.setSystem("Be a fox.")
        for (turn, question) in Self.questions.enumerated() {
            let before = live.messages
            let computed = model.computed
            let reply = try live.reply(to: question)
            let asked = before + [ChatMessage(role: "user", content: question)]
            #expect(try format.ids(asked, tokenizer: tokenizer) == reply.promptIDs)
            // What the earlier turns left is used: all of them but the end of the reply, which is cut into tokens anew.
            #expect(turn == 0 ? reply.reusedTokens == 0 : reply.reusedTokens > reply.promptIDs.count / 2)
            #expect(model.computed - computed == reply.computedTokens + reply.generation.decodeSteps)
            #expect(model.held == Array((reply.promptIDs + reply.generation.ids).prefix(model.held.count)))

            let (fresh, _) = try conversation(seed: 5 + UInt64(turn))
            try fresh.replaceMessages(before)
            let again = try fresh.reply(to: question)
            #expect(again.generation.ids == reply.generation.ids)
            #expect(again.promptIDs == reply.promptIDs && again.reusedTokens == 0)
            #expect(fresh.messages == live.messages)
        }
        #expect(live.messages.count == 11)
        #expect(Set(live.messages.map { $0.content ?? "" }).count == 11)
    }

    @Test("undo takes back the last exchange, also out of the sequence")
    func undo() throws {
        let (live, model) = try conversation()
        try live.setSystem("S")
        _ = try live.reply(to: "one")
        let first = live.messages
        let wanted = try live.reply(to: "two")
        let second = [
            ChatMessage(role: "user", content: "two"), ChatMessage(role: "assistant", content: wanted.generation.text),
        ]
        #expect(live.undo() == second)
        let whole = try format.ids(
            first, tokenizer: tokenizer, options: ChatPromptOptions(addsGenerationPrompt: false))
        #expect(live.messages == first)
        #expect(model.held == Array(whole.prefix(model.held.count)))
        #expect(model.held.count > 10)
        let computed = model.computed
        live.sampling.seed = 5
        live.sampling.seed = 6
        let again = try live.reply(to: "two")
        #expect(again.generation.ids == wanted.generation.ids)
        #expect(model.computed - computed < wanted.promptIDs.count)
        live.undo()
        live.undo()
        #expect(live.messages == [ChatMessage(role: "system", content: "S")])
        #expect(live.undo().isEmpty)
        _ = try live.reply(to: "three")
        live.reset()
        #expect(live.messages == [ChatMessage(role: "system", content: "S")])
        #expect(live.system == "S")
        try live.setSystem(nil)
        #expect(live.messages.isEmpty && live.system == nil)
    }

    @Test(
        "a full context drops the oldest exchanges, never the system's message nor the question",
        arguments: [120, 150, 200])
    func dropping(context: Int) throws {
        let (live, model) = try conversation(context: context)
        live.generation.maxTokens = 20
        try live.setSystem("Keep me.")
        var all = live.messages
        var gone: [ChatMessage] = []
        for turn in 0..<12 {
            let reply = try live.reply(to: "question \(turn)", onDrop: { gone += $0 })
            all.append(ChatMessage(role: "user", content: "question \(turn)"))
            all.append(ChatMessage(role: "assistant", content: reply.generation.text))
            #expect(live.messages == Array(all[..<1]) + Array(all[(1 + gone.count)...]))
            #expect(gone == Array(all[1..<(1 + gone.count)]))
            #expect(model.held.count <= context)
            #expect(reply.generation.stopReason != .contextFull)
            // As a conversation that never had the dropped messages.
            let (fresh, _) = try conversation(context: context, seed: 5 + UInt64(turn))
            fresh.generation.maxTokens = 20
            try fresh.replaceMessages(Array(live.messages.dropLast(2)))
            #expect(try fresh.reply(to: "question \(turn)").generation.ids == reply.generation.ids)
        }
        #expect(gone.count >= 10)
    }

    @Test("a reply that fills the context goes on after the oldest exchanges were dropped")
    func droppingInReply() throws {
        // No end: the reply goes on until nothing is left to drop.
        let (live, model) = try conversation(context: 150, endLogit: -.infinity)
        live.generation.maxTokens = 20
        try live.setSystem("S")
        _ = try live.reply(to: "one")
        live.generation.maxTokens = 90
        var gone: [ChatMessage] = []
        var text = ""
        let reply = try live.reply(
            to: "two",
            onText: {
                text += $0
                return true
            }, onDrop: { gone += $0 })
        #expect(gone.map(\.role) == ["user", "assistant"] && reply.dropped == gone)
        #expect(reply.generation.stopReason == .maxTokens)
        #expect(reply.generation.ids.count == 90 && text == reply.generation.text && text.count == 90)
        let question = [ChatMessage(role: "system", content: "S"), ChatMessage(role: "user", content: "two")]
        #expect(live.messages == question + [ChatMessage(role: "assistant", content: text)])
        let left = try format.ids(question, tokenizer: tokenizer) + reply.generation.ids
        #expect(model.held == Array(left.prefix(model.held.count)) && model.held.count >= left.count - 1)
        // What comes after the drop is what the model says to the shorter beginning.
        let greedy = try conversation(context: 1000, endLogit: -.infinity)
        greedy.0.sampling.temperature = 0
        live.sampling.temperature = 0
        live.generation.maxTokens = nil
        let last = try live.reply(to: "three")
        #expect(last.generation.stopReason == .contextFull)
        #expect(live.messages.last?.content == last.generation.text)
        #expect(model.held.count == 150)
        try greedy.0.replaceMessages([ChatMessage(role: "system", content: "S")])
        greedy.0.generation.maxTokens = last.generation.ids.count
        #expect(try greedy.0.reply(to: "three").generation.ids == last.generation.ids)
    }

    @Test("a question that does not fit is an error, and the conversation stays as it was")
    func tooLong() throws {
        let (live, _) = try conversation(context: 150)
        live.generation.maxTokens = 20
        _ = try live.reply(to: "one")
        let before = live.messages
        var dropped = false
        let long = String(repeating: "x", count: 150)
        let error = #expect(throws: ApusError.self) { try live.reply(to: long, onDrop: { _ in dropped = true }) }
        #expect(error?.code == .contextFull && error?.message.contains("150") == true)
        #expect(live.messages == before && !dropped)
        _ = try live.reply(to: "two")
        #expect(live.messages.count == before.count + 2)
    }

    @Test("a reply that is called off is kept as far as it goes, and one that had not begun is not")
    func cancelled() throws {
        let (live, model) = try conversation(endLogit: -.infinity)
        let flag = CancellationFlag()
        var pieces = 0
        let reply = try live.reply(to: "one", cancellation: flag) { _ in
            pieces += 1
            if pieces == 7 { flag.cancel() }
            return true
        }
        #expect(reply.generation.stopReason == .cancelled && reply.generation.ids.count == 7)
        #expect(live.messages.last == ChatMessage(role: "assistant", content: reply.generation.text))
        let before = live.messages
        let error = #expect(throws: ApusError.self) { try live.reply(to: "two", cancellation: flag) }
        #expect(error?.code == .cancelled)
        #expect(live.messages == before)
        // In the middle of the prompt: what was computed of it counts.
        flag.reset()
        model.onEval = { flag.cancel() }
        #expect(throws: ApusError.self) { try live.reply(to: "two", cancellation: flag) }
        #expect(live.messages == before)
        flag.reset()
        model.onEval = {}
        live.generation.maxTokens = 5
        let next = try live.reply(to: "two", cancellation: flag)
        let (fresh, _) = try conversation(endLogit: -.infinity, seed: 6)
        try fresh.replaceMessages(before)
        fresh.generation.maxTokens = 5
        #expect(try fresh.reply(to: "two").generation.ids == next.generation.ids)
    }

    @Test("messages that the template refuses change nothing")
    func refused() throws {
        let strict =
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
            + "{{ m.content }}{% endfor %}"
        let (live, _) = try conversation(template: strict)
        live.generation.maxTokens = 3
        _ = try live.reply(to: "one")
        let before = live.messages
        let error = #expect(throws: ApusError.self) { try live.setSystem("S") }
        #expect(error?.message.contains("no system here") == true)
        #expect(throws: ApusError.self) { try live.replaceMessages([ChatMessage(role: "system", content: "S")]) }
        #expect(live.messages == before)
        _ = try live.reply(to: "two")
    }
}
