// The session of AnyLanguageModel as far as the adapter's test needs it; see LanguageModelProtocol.swift.
#if !canImport(AnyLanguageModel)
    import Synchronization

    /// What was said in a session.
    public struct Transcript: Sendable, RandomAccessCollection {
        /// A piece of an entry.
        public enum Segment: Sendable {
            /// A text.
            case text(TextSegment)
        }

        /// A text of an entry.
        public struct TextSegment: Sendable {
            /// The text.
            public var content: String
        }

        /// Instructions, a prompt or a response.
        public struct Message: Sendable {
            /// What it says.
            public var segments: [Segment]
        }

        /// Something that was said.
        public enum Entry: Sendable {
            /// How the model is to behave.
            case instructions(Message)
            /// What the user said.
            case prompt(Message)
            /// What the model said.
            case response(Message)
            /// What a tool gave.
            case toolOutput(Message)
        }

        private(set) var entries: [Entry] = []
        /// The first entry's index.
        public var startIndex: Int { entries.startIndex }
        /// The index past the last entry.
        public var endIndex: Int { entries.endIndex }
        /// An entry.
        public subscript(position: Int) -> Entry { entries[position] }

        mutating func append(_ entry: (Message) -> Entry, _ text: String) {
            entries.append(entry(Message(segments: [.text(TextSegment(content: text))])))
        }
    }

    /// A conversation with a model.
    public final class LanguageModelSession: Sendable {
        /// A reply.
        public struct Response<Content>: Sendable where Content: Generable {
            /// The value.
            public let content: Content
            /// What it was made of.
            public let rawContent: GeneratedContent
            /// What it adds to the transcript beside itself.
            public let transcriptEntries: ArraySlice<Transcript.Entry>
            /// Puts a reply together.
            public init(content: Content, rawContent: GeneratedContent, transcriptEntries: ArraySlice<Transcript.Entry>)
            {
                (self.content, self.rawContent) = (content, rawContent)
                self.transcriptEntries = transcriptEntries
            }
        }

        /// A reply as it comes.
        public struct ResponseStream<Content>: Sendable where Content: Generable {
            /// All there is so far.
            public struct Snapshot: Sendable {
                /// The value so far.
                public var content: Content.PartiallyGenerated
                /// What it was made of.
                public var rawContent: GeneratedContent
                /// Puts a snapshot together.
                public init(content: Content.PartiallyGenerated, rawContent: GeneratedContent) {
                    (self.content, self.rawContent) = (content, rawContent)
                }
            }

            let snapshots: AsyncThrowingStream<Snapshot, any Error>
            /// Passes snapshots on.
            public init(stream: AsyncThrowingStream<Snapshot, any Error>) { snapshots = stream }
        }

        /// The model's tools.
        public let tools: [any Tool] = []
        private let model: any LanguageModel
        private let entries = Mutex(Transcript())

        /// What was said.
        public var transcript: Transcript { entries.withLock { $0 } }

        /// Begins a conversation.
        public init(model: any LanguageModel, instructions: String? = nil) {
            self.model = model
            if let instructions { entries.withLock { $0.append(Transcript.Entry.instructions, instructions) } }
        }

        /// Asks for a reply.
        public func respond(to prompt: String, options: GenerationOptions) async throws -> Response<String> {
            entries.withLock { $0.append(Transcript.Entry.prompt, prompt) }
            let response = try await model.respond(
                within: self, to: Prompt(prompt), generating: String.self, includeSchemaInPrompt: true,
                options: options)
            entries.withLock { $0.append(Transcript.Entry.response, response.content) }
            return response
        }

        /// Asks for a reply piece by piece. (It does not join this transcript, as it would the package's.)
        public func streamResponse(to prompt: String, options: GenerationOptions) -> ResponseStream<String> {
            entries.withLock { $0.append(Transcript.Entry.prompt, prompt) }
            return model.streamResponse(
                within: self, to: Prompt(prompt), generating: String.self, includeSchemaInPrompt: true,
                options: options)
        }
    }

    extension LanguageModelSession.ResponseStream: AsyncSequence {
        /// The snapshots.
        public func makeAsyncIterator() -> AsyncThrowingStream<Snapshot, any Error>.Iterator {
            snapshots.makeAsyncIterator()
        }
    }
#endif
