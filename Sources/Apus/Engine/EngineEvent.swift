package import ApusGGUF

/// What an engine tells of a request while it works on it.
public enum EngineEvent: Sendable, Hashable {
    /// How far the prompt has come: when its turn has come, and after every step that computed a part of it.
    case prompt(PromptProgress)
    /// The log probabilities of the prompt's tokens but the first, where they were asked for; once, before any token.
    case promptLogProbabilities([TokenLogProbability])
    /// A token was drawn.
    case token(EngineToken)
    /// A choice has ended; after the last one the events end.
    case finished(EngineCompletion)

    package var isToken: Bool { if case .token = self { true } else { false } }
}

/// What has come of a request since its handler was last called.
package struct EngineNews: Sendable {
    /// The events, in order.
    package var events: [EngineEvent] = []
    /// How the request ended; nil when it goes on. Nothing comes after it.
    package var end: Result<Void, ApusError>?

    package var isEmpty: Bool { events.isEmpty && end == nil }
}

/// Is told what comes of a request, on the compute thread, once for each step that gave something. It must not block: the
/// next step waits for it.
package typealias EngineHandler = @Sendable (EngineNews) -> Void

/// How far a prompt has come.
public struct PromptProgress: Sendable, Hashable {
    /// Tokens of the prompt.
    public let total: Int
    /// Tokens that were not computed, because an earlier text began with them.
    public let reused: Int
    /// Tokens that are done, the reused ones included.
    public let processed: Int
}

/// A token of a reply.
public struct EngineToken: Sendable, Hashable {
    /// The choice that it belongs to, from 0.
    public let choice: Int
    /// The token.
    public let id: Int32
    /// The text that is certain with it: whole characters; empty while it may be a part of one, or of a stop string.
    public let text: String
    /// Its log probability, where it was asked for.
    public let logProbability: TokenLogProbability?
}

/// How likely the model held a token, by its logits as they are: before penalties, temperature and all other sampling.
public struct TokenLogProbability: Sendable, Hashable {
    /// A token and its natural logarithm of a probability; -infinity for a token that cannot come.
    public struct Entry: Sendable, Hashable {
        /// The token.
        public let id: Int32
        /// ln p
        public let value: Double
    }

    /// The token.
    public let token: Entry
    /// The likeliest tokens, the likeliest first; of equal ones the lowest id first.
    public let top: [Entry]
}

/// How a choice ended.
public struct EngineCompletion: Sendable, Hashable {
    /// The choice, from 0.
    public let choice: Int
    /// Why it ended.
    public let reason: StopReason
    /// The end of the text, which was held back until now.
    public let text: String
    /// The stop string that was found.
    public let stopString: String?
    /// The token that ended the text, when one did; it is not part of the reply.
    public let endToken: Int32?
    /// Its log probability, where they were asked for.
    public let endLogProbability: TokenLogProbability?
    /// Tokens of the prompt, of the reply, and how long they took.
    public let usage: EngineUsage

    /// The same of a text that its reader has ended, as if by a stop string, before what was held back.
    package var endedByReader: EngineCompletion {
        EngineCompletion(
            choice: choice, reason: .stopString, text: "", stopString: nil, endToken: nil, endLogProbability: nil,
            usage: usage)
    }
}

/// What a choice took.
public struct EngineUsage: Sendable, Hashable {
    /// Tokens of the prompt.
    public let promptTokens: Int
    /// Those of them that were not computed, because an earlier text began with them.
    public let reusedTokens: Int
    /// Tokens of the reply, without one that ended it.
    public let completionTokens: Int
    /// Tokens of the reply that were guessed.
    public let speculation: SpeculationStatistics
    /// What started the choice's random generator.
    public let seed: UInt64
    /// How often the choice had to make room and was computed again.
    public let preemptions: Int
    /// From the request to its turn.
    public let queueDuration: Duration
    /// From there to the logits after the prompt.
    public let promptDuration: Duration
    /// From there to the end.
    public let generationDuration: Duration
    /// From the request to the first token; nil when there was none.
    public let timeToFirstToken: Duration?
}

/// A whole reply of one choice, collected from its events.
public struct EngineReply: Sendable, Hashable {
    /// The text.
    public internal(set) var text = ""
    /// The tokens, without one that ended the text.
    public internal(set) var ids: [Int32] = []
    /// The log probabilities of the tokens, where they were asked for.
    public internal(set) var logProbabilities: [TokenLogProbability] = []
    /// How it ended; nil when the events ended before it did.
    public internal(set) var completion: EngineCompletion?
}
