// The adapter for AnyLanguageModel, by the part of that package that it needs: its replies are those of a ChatSession.

import Apus
import Foundation
import LanguageModelAdapter
import Testing

@Suite struct LanguageModelAdapterTests {
    @Test func `Its replies are those of a chat, from turn to turn and as a stream`() async throws {
        let chat = try ChatSession(model: Model.load(path: ExamplesTests.model), instructions: "Be brief.")
        let session = LanguageModelSession(
            model: try ApusLanguageModel(path: ExamplesTests.model), instructions: "Be brief.")
        var options = LanguageModelAdapter.GenerationOptions(maximumResponseTokens: 12)
        options[custom: ApusLanguageModel.self] = ApusGenerationOptions(ChatOptions(seed: 3))
        let own = ChatOptions(maximumResponseTokens: 12, seed: 3)
        for question in ["What is a swift?", "And a llama?"] {
            let wanted = try await chat.respond(to: question, options: own)
            #expect(try await session.respond(to: question, options: options).content == wanted.content)
        }
        #expect(session.transcript.count == 5)

        options.sampling = .greedy
        let wanted = try await chat.respond(
            to: "Why?", options: ChatOptions(temperature: 0, maximumResponseTokens: 12))
        var texts: [String] = []
        for try await snapshot in session.streamResponse(to: "Why?", options: options) {
            texts.append(snapshot.content)
        }
        #expect(texts.count > 2 && texts.last == wanted.content)
    }
}
