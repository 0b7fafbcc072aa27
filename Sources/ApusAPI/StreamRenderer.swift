package import Apus
package import ApusJSON

/// Turns the events of a generation into the objects of a streamed reply. A value for each reply; knows nothing of HTTP.
package protocol StreamRenderer: Sendable {
    /// The form of the reply.
    var format: StreamFormat { get }
    /// How an error is written that comes after the beginning.
    var errorStyle: ErrorStyle { get }

    /// What comes before any event.
    mutating func start() -> [JSONValue]
    /// What an event is worth.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - source: Which of the generation's prompts it belongs to, from 0.
    mutating func render(_ event: EngineEvent, of source: Int) throws(RequestError) -> [JSONValue]
    /// What comes when all choices have ended.
    mutating func finish() -> [JSONValue]
}

/// The form of a reply that comes in pieces.
package enum StreamFormat: Sendable {
    /// Server-sent events; `[DONE]` ends them where the API has it so.
    case events(endWithDone: Bool)
    /// An object a line.
    case lines
}
