// Conversations on an engine: the same replies as the same messages anywhere else, one at a time, and no trace of what was called off.

import Apus
import ApusTestSupport
import Foundation
import Testing

@Suite struct ChatSessionTests {
    static func engine(context: Int = 2000) throws -> Engine {
        try Engine(
            model: ModelTests.model(
                context: context,
                SyntheticModel {
                    $0.vocabulary = ChatVocabulary.size
                    $0.metadata = ChatVocabulary.metadata().entries.map { ($0.key, $0.value) }
                }))
    }

    static func options(_ seed: UInt64, tokens: Int? = 12) -> ChatOptions {
        ChatOptions(temperature: 0.9, maximumResponseTokens: tokens, seed: seed)
    }

    /// What a generator gives for messages: the way of `apus run`.
    static func alone(_ messages: [ChatMessage], _ options: ChatOptions, _ model: Model) throws -> GenerationResult {
        let format = try ChatFormat.find(model.metadata, model.tokenizer)
        var generator = try Generator(
            source: Session(model: model), tokenizer: model.tokenizer, chain: SamplerChain(options.sampling),
            options: options.generation)
        return try generator.run(prompt: format.ids(messages, tokenizer: model.tokenizer))
    }

    @Test func `Replies are those of a generator, turn by turn, and later turns compute only what is new`() async throws
    {
        let session = try ChatSession(engine: Self.engine(), instructions: "Be a fox.")
        var messages = [ChatMessage(role: "system", content: "Be a fox.")]
        #expect(session.transcript == messages && session.instructions == "Be a fox.")
        for (turn, question) in ["hello there, " + String(repeating: "fox ", count: 30), "é?", "a <|im_end|> b"]
            .enumerated()
        {
            let options = Self.options(UInt64(turn))
            let response = try await session.respond(to: question, options: options)
            messages.append(ChatMessage(role: "user", content: question))
            let alone = try Self.alone(messages, options, session.engine.model)
            #expect(response.ids == alone.ids && response.content == alone.text)
            #expect(response.stopReason == alone.stopReason && response.usage.seed == UInt64(turn))
            messages.append(ChatMessage(role: "assistant", content: alone.text))
            #expect(session.transcript == messages && response.transcriptEntries == messages.suffix(2))
            if turn > 0 { #expect(response.usage.reusedTokens > response.promptIDs.count / 2) }
            #expect(!session.isResponding)
        }
        // Another session with this transcript goes on as this one does.
        let other = try ChatSession(engine: session.engine, transcript: session.transcript)
        let (first, second) = try await (
            session.respond(to: "and?", options: Self.options(9)), other.respond(to: "and?", options: Self.options(9))
        )
        #expect(first.ids == second.ids)
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: smollm2)))
    func `SmolLM2 answers as it does alone`() async throws {
        let model = try Model.load(path: Self.smollm2)
        let session = try ChatSession(model: model)
        let question = ChatMessage(role: "user", content: "What are the primary colours?")
        let options = ChatOptions(maximumResponseTokens: 16, seed: 1)
        let response = try await session.respond(to: "What are the primary colours?", options: options)
        let alone = try Self.alone([question], options, model)
        #expect(response.ids == alone.ids && response.ids.count == 16)
    }

    static let smollm2 =
        (ProcessInfo.processInfo.environment["APUS_MODELS"] ?? "models") + "/smollm2-135m-instruct-q4_1.gguf"

    @Test func `A stream's snapshots grow to the reply`() async throws {
        let engine = try Self.engine()
        let whole = try await ChatSession(engine: engine).respond(to: "hi", options: Self.options(3, tokens: 40))
        let session = try ChatSession(engine: engine)
        let stream = session.streamResponse(to: "hi", options: Self.options(3, tokens: 40))
        #expect(!session.isResponding)
        var text = ""
        var tokens = 0
        for try await snapshot in stream {
            // The last one comes when the session is free again.
            #expect(session.isResponding || snapshot.content == whole.content)
            text += snapshot.delta
            #expect(snapshot.content == text && !snapshot.delta.isEmpty && snapshot.tokens >= tokens)
            tokens = snapshot.tokens
        }
        #expect(text == whole.content && tokens <= whole.ids.count)
        #expect(session.transcript == whole.transcriptEntries && !session.isResponding)
    }

    @Test func `Who stops listening calls the reply off, and the transcript is as before`() async throws {
        let session = try ChatSession(engine: Self.engine(), instructions: "S")
        var endless = Self.options(1, tokens: nil)
        endless.generation.ignoresEndOfGeneration = true
        for try await snapshot in session.streamResponse(to: "hi", options: endless) where snapshot.tokens > 3 { break }
        #expect(!session.isResponding && session.transcript.count == 1)
        _ = await EngineSupport.idle(session.engine)

        let task = Task { [endless] in try await session.respond(to: "hi", options: endless) }
        while !session.isResponding { await Task.yield() }
        // One reply at a time.
        await #expect(
            throws: ApusError(.busy, "the session is responding already, wanted: one prompt at a time")
        ) { try await session.respond(to: "me too") }
        #expect(session.isResponding)
        task.cancel()
        await #expect(throws: ApusError(.cancelled, "the reply was called off")) { try await task.value }
        #expect(!session.isResponding && session.transcript.count == 1)
        #expect(await EngineSupport.idle(session.engine).running == 0)
        _ = try await session.respond(to: "hi", options: Self.options(1))
        #expect(session.transcript.count == 3)
    }

    @Test func `What is refused leaves the session as it was`() async throws {
        let session = try ChatSession(engine: Self.engine(context: 100))
        var bad = Self.options(1)
        bad.sampling.topP = 2
        await #expect(throws: ApusError(.invalidArgument, "top_p is 2.0, wanted: 0 to 1")) {
            try await session.respond(to: "hi", options: bad)
        }
        var iterator = session.streamResponse(to: String(repeating: "long ", count: 50)).makeAsyncIterator()
        do throws(ApusError) {
            _ = try await iterator.next()
            Issue.record("a prompt longer than the context was taken")
        } catch {
            #expect(error.code == .contextFull)
        }
        #expect(try await iterator.next() == nil)
        #expect(session.transcript.isEmpty && !session.isResponding)
        session.engine.close()
        await #expect(throws: ApusError(.cancelled, "the engine was closed")) { try await session.respond(to: "hi") }
        #expect(throws: ApusError.self) { _ = try ChatSession(engine: Engine(model: EngineSupport.model())) }
    }
}
