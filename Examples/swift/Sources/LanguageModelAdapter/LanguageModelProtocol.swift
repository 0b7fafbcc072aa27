// What ApusLanguageModel needs of AnyLanguageModel, with that package's names and signatures, so that the adapter is compiled and
// tested without it. Where the package is there, nothing of this is compiled.
#if !canImport(AnyLanguageModel)
    /// Something that replies within a session. (The package has defaults for `availability`, `prewarm` and feedback.)
    public protocol LanguageModel: Sendable {
        /// Why it is not there.
        associatedtype UnavailableReason
        /// Its own options, beside `GenerationOptions`.
        associatedtype CustomGenerationOptions: Equatable, Sendable

        /// The reply to a prompt, which is the last entry of the session's transcript.
        func respond<Content>(
            within session: LanguageModelSession, to prompt: Prompt, generating type: Content.Type,
            includeSchemaInPrompt: Bool, options: GenerationOptions
        ) async throws -> LanguageModelSession.Response<Content> where Content: Generable

        /// The same in snapshots.
        func streamResponse<Content>(
            within session: LanguageModelSession, to prompt: Prompt, generating type: Content.Type,
            includeSchemaInPrompt: Bool, options: GenerationOptions
        ) -> sending LanguageModelSession.ResponseStream<Content> where Content: Generable
    }

    /// What a model gave, before it becomes a value: here, text.
    public struct GeneratedContent: Sendable, Equatable {
        let text: String
        /// Takes a text.
        public init(_ text: String) { self.text = text }
    }

    /// What can be made of generated content.
    public protocol ConvertibleFromGeneratedContent: Sendable {
        /// Makes it.
        init(_ content: GeneratedContent) throws
    }

    /// What a model can be asked for.
    public protocol Generable: ConvertibleFromGeneratedContent {
        /// The same while it comes.
        associatedtype PartiallyGenerated: ConvertibleFromGeneratedContent = Self
    }

    extension String: Generable {
        /// The text itself.
        public init(_ content: GeneratedContent) { self = content.text }
    }

    /// What is said to a model.
    public struct Prompt: Sendable, CustomStringConvertible {
        /// The text.
        public let description: String
        /// Takes a text.
        public init(_ text: String) { description = text }
    }

    /// Options of a model's own.
    public protocol CustomGenerationOptions: Equatable, Sendable {}

    /// How a reply is drawn.
    public struct GenerationOptions: Sendable {
        /// Which tokens may be drawn.
        public struct SamplingMode: Sendable, Equatable {
            /// The likeliest token.
            public static let greedy = SamplingMode()
        }

        /// Which tokens may be drawn.
        public var sampling: SamplingMode?
        /// How bold the draws are.
        public var temperature: Double?
        /// The most tokens of a reply.
        public var maximumResponseTokens: Int?
        private var custom: [ObjectIdentifier: any Sendable] = [:]

        /// The defaults, but for what is given.
        public init(
            sampling: SamplingMode? = nil, temperature: Double? = nil, maximumResponseTokens: Int? = nil
        ) {
            (self.sampling, self.temperature) = (sampling, temperature)
            self.maximumResponseTokens = maximumResponseTokens
        }

        /// A model's own options.
        public subscript<Model: LanguageModel>(custom type: Model.Type) -> Model.CustomGenerationOptions? {
            get { custom[ObjectIdentifier(type)] as? Model.CustomGenerationOptions }
            set { custom[ObjectIdentifier(type)] = newValue }
        }
    }

    /// Stands for tools, which the adapter refuses.
    public protocol Tool: Sendable {}
#endif
