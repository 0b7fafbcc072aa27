public import ApusGGUF
internal import ApusModel

/// A conversation with a model in an engine: instructions, a transcript that grows by questions and replies, and one reply at a time.
///
/// Each reply's prompt is the whole transcript, of which the engine's prefix cache spares all that was computed before. So a reply depends
/// on the transcript, the options and the seed alone, and a session that begins with another one's transcript costs next to nothing:
/// that is how to go back, to branch, or to drop what is too long.
///
/// May be used from any task. Sessions of one engine share its model and are computed together.
public final class ChatSession: Sendable {
    /// Computes the replies.
    public let engine: Engine
    /// What turns the transcript into prompts.
    public let format: ChatFormat

    private struct State: Sendable {
        var transcript: [ChatMessage]
        var isResponding = false
    }
    private let state: Locked<State>

    /// Begins a conversation.
    ///
    /// - Parameters:
    ///   - engine: Computes the replies.
    ///   - instructions: How the model is to behave: the system's message, at the beginning.
    ///   - format: What turns the transcript into prompts; nil for the format of the model's file.
    /// - Throws: `ApusError` with code `format` when the file has no chat template, or one that is wrong.
    public convenience init(
        engine: Engine, instructions: String? = nil, format: ChatFormat? = nil
    ) throws(ApusError) {
        let transcript = instructions.map { [ChatMessage(role: "system", content: $0)] } ?? []
        try self.init(engine: engine, transcript: transcript, format: format)
    }

    /// Goes on with a conversation.
    ///
    /// - Parameters:
    ///   - engine: Computes the replies.
    ///   - transcript: What was said, instructions first; of another session, or from elsewhere.
    ///   - format: What turns the transcript into prompts; nil for the format of the model's file.
    /// - Throws: As `init(engine:instructions:format:)`.
    public init(
        engine: Engine, transcript: [ChatMessage], format: ChatFormat? = nil
    ) throws(ApusError) {
        self.engine = engine
        if let format {
            self.format = format
        } else {
            self.format = try ChatFormat.find(engine.model.metadata, engine.model.tokenizer)
        }
        state = Locked(State(transcript: transcript))
    }

    /// Begins a conversation with an engine of its own.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - instructions: How the model is to behave.
    /// - Throws: As `init(engine:instructions:format:)` and `Engine.init`.
    public convenience init(model: Model, instructions: String? = nil) throws(ApusError) {
        try self.init(engine: try Engine(model: model), instructions: instructions)
    }

    /// What was said so far: instructions, questions and whole replies. A question that got none leaves no trace.
    public var transcript: [ChatMessage] { state.withLock { $0.transcript } }

    /// The instructions at the beginning of the transcript.
    public var instructions: String? {
        guard let first = transcript.first, first.isInstruction else { return nil }
        return first.content
    }

    /// Whether a reply is being generated, so that no other one can begin.
    public var isResponding: Bool { state.withLock { $0.isResponding } }

    /// Generates the reply to a question and adds both to the transcript.
    ///
    /// When the task is cancelled, the computation ends within a step.
    ///
    /// - Parameters:
    ///   - prompt: The user's message.
    ///   - options: How the reply is drawn and what ends it.
    /// - Returns: The reply.
    /// - Throws: `ApusError`, and the transcript is as before: `busy` while another reply is being generated, `contextFull` when
    ///   the transcript does not fit the context, `cancelled` when the task is cancelled, `invalidArgument` that names the option,
    ///   and what the template throws.
    @discardableResult
    public func respond(
        to prompt: String, options: ChatOptions = ChatOptions()
    ) async throws(ApusError) -> Response {
        try await streamResponse(to: prompt, options: options).collect()
    }

    /// Generates the reply to a question piece by piece. It begins when the first piece is waited for; once the last one has come,
    /// question and reply are in the transcript.
    ///
    /// - Parameters:
    ///   - prompt: The user's message.
    ///   - options: How the reply is drawn and what ends it.
    /// - Returns: The reply as it grows. Errors are those of `respond(to:options:)`.
    public func streamResponse(to prompt: String, options: ChatOptions = ChatOptions()) -> ResponseStream {
        ResponseStream(session: self, message: ChatMessage(role: "user", content: prompt), options: options)
    }

    // MARK: One reply at a time

    /// Takes the session for a reply.
    ///
    /// - Parameter message: The question.
    /// - Returns: The transcript with the question.
    func begin(_ message: ChatMessage) throws(ApusError) -> [ChatMessage] {
        let messages: [ChatMessage]? = state.withLock { state in
            if state.isResponding { return nil }
            state.isResponding = true
            return state.transcript + [message]
        }
        guard let messages else {
            throw ApusError(.busy, "the session is responding already, wanted: one prompt at a time")
        }
        return messages
    }

    /// Gives the session back, with what the reply adds to the transcript.
    func end(adding entries: [ChatMessage]) {
        state.withLock { state in
            state.transcript += entries
            state.isResponding = false
        }
    }
}
