public import Apus
internal import ApusAPI
public import ApusJSON

/// How a server is set up.
public struct ServerConfiguration: Sendable {
    /// Where to listen.
    public struct Listener: Sendable, Hashable {
        /// A host name or address.
        public var host: String
        /// A port; 0 for any that is free.
        public var port: Int

        /// Makes a listener.
        ///
        /// - Parameters:
        ///   - host: A host name or address.
        ///   - port: A port; 0 for any that is free.
        public init(host: String = "127.0.0.1", port: Int = 8080) {
            self.host = host
            self.port = port
        }
    }

    /// Files for TLS, in PEM.
    public struct TLS: Sendable, Hashable {
        /// The certificate and those that vouch for it.
        public var certificateFile: String
        /// Its key.
        public var keyFile: String

        /// Names the files.
        ///
        /// - Parameters:
        ///   - certificateFile: The certificate and those that vouch for it.
        ///   - keyFile: Its key.
        public init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    /// Where to listen; every listener has all APIs.
    public var listeners = [Listener()]
    /// TLS on all listeners; nil for none.
    public var tls: TLS?
    /// Keys of which a request must have one; none for a server that asks for none.
    public var apiKeys: [String] = []
    /// Origins whose pages may use the server, or `*` for all; none for none.
    public var allowedOrigins: [String] = []
    /// The models.
    public var library = LibraryOptions()
    /// Names of models that are loaded at the start, the first of which serves requests that name none.
    public var preloadedModels: [String] = []
    /// Whether the first preloaded model also answers to names that are nobody's.
    public var acceptsAnyModel = false
    /// A chat template in place of the models' own, or the name of one; nil for the models' own.
    public var chatTemplate: String?
    /// Variables of the template where a request does not say them, such as `enable_thinking`.
    public var templateVariables: [JSONValue.Member] = []
    /// Whether what a model thinks before it answers is told apart from the answer, where its template knows of that.
    public var separatesThoughts = true
    /// Whether a conversation that ends with the assistant's message has that message continued.
    public var continuesLastAnswer = false
    /// Whether the texts of control tokens are part of replies.
    public var rendersSpecialTokens = false
    /// How tokens are drawn where a request does not say it.
    public var sampling = SamplingOptions()
    /// Texts that end a repetition where a request does not say it, for DRY.
    public var dryBreakers = DRYBreakers.standard
    /// The most tokens of a reply where a request does not say it; nil for no limit but the context.
    public var maxTokens: Int?
    /// Which states make the vector of an embedding.
    public var pooling = EmbeddingPooling.mean
    /// Tokens of a reply that come sooner than this after those that were sent last are sent together with the next ones.
    public var streamInterval = Duration.milliseconds(50)
    /// Requests that may wait beside those that the engines compute at the same time (`library.engine.maxRunning`); nil for
    /// any number.
    public var maxQueue: Int? = 512
    /// Bytes that a request's body may have.
    public var bodyLimit = 100 << 20
    /// Bytes that a request's header fields may have together.
    public var headerLimit = 64 << 10
    /// Connections that may be open; nil for what the limit of file descriptors allows.
    public var maxConnections: Int?
    /// How long a request may take to arrive; a second more for every 16 KiB of its body.
    public var readTimeout = Duration.seconds(30)
    /// How long a client may take nothing of a reply.
    public var writeTimeout = Duration.seconds(60)
    /// How long a connection may be idle between requests.
    public var idleTimeout = Duration.seconds(75)
    /// How long requests may go on when the server is to end.
    public var drainTimeout = Duration.seconds(30)
    /// Whether the routes that tell the server's state to everybody are there: `/metrics` and `/slots`.
    public var exposesMetrics = true, exposesSlots = true

    /// What holds where a request does not say it.
    var defaults: RequestDefaults {
        var defaults = RequestDefaults()
        (defaults.sampling, defaults.dryBreakers, defaults.maxTokens) = (sampling, dryBreakers, maxTokens)
        (defaults.chatTemplate, defaults.pooling, defaults.pace) = (chatTemplate, pooling, streamInterval)
        (defaults.templateVariables, defaults.separatesThoughts) = (templateVariables, separatesThoughts)
        (defaults.continuesLastAnswer, defaults.rendersSpecialTokens) = (continuesLastAnswer, rendersSpecialTokens)
        return defaults
    }

    /// A server without models on 127.0.0.1:8080.
    public init() {}
}
