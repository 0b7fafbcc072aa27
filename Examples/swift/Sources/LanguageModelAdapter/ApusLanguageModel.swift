// Apus as a language model of AnyLanguageModel. In a package that depends on AnyLanguageModel this file is all that is needed;
// without it, LanguageModelProtocol.swift declares what of that package this file uses.
#if canImport(AnyLanguageModel)
    public import AnyLanguageModel
#endif
// Public, as the adapter is, also in packages that import internally by default. By name: both packages have types that are called
// GenerationOptions and JSONValue.
public import struct Apus.ChatMessage
public import struct Apus.ChatOptions
public import class Apus.ChatSession
public import class Apus.Engine
public import class Apus.Model

/// A model in a GGUF file, for `LanguageModelSession(model:)`.
///
/// Of `GenerationOptions.sampling` only `.greedy` is heeded: what the other modes hold can be seen inside of that package only. Top-k, top-p
/// and seeds go into `ApusGenerationOptions`.
public struct ApusLanguageModel: LanguageModel {
    /// It is there once it is loaded.
    public typealias UnavailableReason = Never
    /// What goes beyond `GenerationOptions`: `options[custom: ApusLanguageModel.self] = ApusGenerationOptions(…)`.
    public typealias CustomGenerationOptions = ApusGenerationOptions

    private let engine: Engine

    /// Loads a model.
    ///
    /// - Parameter path: A GGUF file.
    /// - Throws: `ApusError` that names the file and what is wrong with it.
    public init(path: String) throws {
        engine = try Engine(model: Model.load(path: path))
    }

    /// Replies to the last prompt of a session.
    public func respond<Content>(
        within session: LanguageModelSession, to prompt: Prompt, generating type: Content.Type,
        includeSchemaInPrompt: Bool, options: GenerationOptions
    ) async throws -> LanguageModelSession.Response<Content> where Content: Generable {
        let chat = try chat(session, generating: type)
        let reply = try await chat.respond(to: prompt.description, options: chatOptions(options))
        let raw = GeneratedContent(reply.content)
        return LanguageModelSession.Response(content: try Content(raw), rawContent: raw, transcriptEntries: [])
    }

    /// Replies to the last prompt of a session, in snapshots of all the text so far.
    public func streamResponse<Content>(
        within session: LanguageModelSession, to prompt: Prompt, generating type: Content.Type,
        includeSchemaInPrompt: Bool, options: GenerationOptions
    ) -> sending LanguageModelSession.ResponseStream<Content> where Content: Generable {
        // The transcript as it is now: a session does not guard it while others change it.
        let chat = Result { try self.chat(session, generating: type) }
        let stream = AsyncThrowingStream<LanguageModelSession.ResponseStream<Content>.Snapshot, any Error> { output in
            let task = Task {
                do {
                    let chat = try chat.get()
                    for try await reply in chat.streamResponse(to: prompt.description, options: chatOptions(options)) {
                        let raw = GeneratedContent(reply.content)
                        output.yield(.init(content: try Content.PartiallyGenerated(raw), rawContent: raw))
                    }
                    output.finish()
                } catch {
                    output.finish(throwing: error)
                }
            }
            output.onTermination = { _ in task.cancel() }
        }
        return LanguageModelSession.ResponseStream(stream: stream)
    }

    /// A chat that has said what the session's transcript says; the engine remembers what it computed for it.
    private func chat(_ session: LanguageModelSession, generating type: Any.Type) throws -> ChatSession {
        guard type == String.self, session.tools.isEmpty else { throw UnsupportedRequest() }
        var messages: [ChatMessage] = []
        for entry in session.transcript {
            switch entry {
            case .instructions(let entry):
                messages.append(ChatMessage(role: "system", content: try text(entry.segments)))
            case .prompt(let entry): messages.append(ChatMessage(role: "user", content: try text(entry.segments)))
            case .response(let entry):
                messages.append(ChatMessage(role: "assistant", content: try text(entry.segments)))
            default: throw UnsupportedRequest()
            }
        }
        // The prompt that is to be answered is in the transcript already.
        if messages.last?.role == "user" { messages.removeLast() }
        return try ChatSession(engine: engine, transcript: messages)
    }

    private func text(_ segments: [Transcript.Segment]) throws -> String {
        try segments.map { segment in
            guard case .text(let segment) = segment else { throw UnsupportedRequest() }
            return segment.content
        }.joined(separator: "\n")
    }

    private func chatOptions(_ options: GenerationOptions) -> ChatOptions {
        var chat = options[custom: ApusLanguageModel.self]?.chat ?? ChatOptions()
        if let temperature = options.temperature { chat.sampling.temperature = Float(temperature) }
        if options.sampling == .greedy { chat.sampling.temperature = 0 }
        if let limit = options.maximumResponseTokens { chat.generation.maxTokens = limit }
        return chat
    }
}

/// All options that Apus has; those of `GenerationOptions` come first.
public struct ApusGenerationOptions: CustomGenerationOptions {
    /// The options.
    public var chat: ChatOptions

    /// Takes options.
    public init(_ chat: ChatOptions) { self.chat = chat }
}

/// The adapter passes text on: no tools, no images, and no types that are to be generated.
public struct UnsupportedRequest: Error, CustomStringConvertible {
    /// What is asked too much.
    public var description: String { "Apus replies in text: no tools, images or generated types can be asked of it" }
}
