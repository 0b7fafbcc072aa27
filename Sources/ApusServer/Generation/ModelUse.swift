internal import Apus
internal import ApusTokenizer

/// A model in the hands of a request, loaded as long as this is held.
struct ModelUse: Sendable {
    /// What the request called it, or else its name.
    let name: String
    /// Keeps it loaded.
    let lease: ModelLease
    /// Its place among those that the server works on.
    let place: RequestGate.Place
    /// How long the request waited for it to be loaded.
    let loadDuration: Duration

    /// The engine that runs it.
    var engine: Engine { lease.engine }
    /// The model.
    var model: Model { lease.engine.model }
    /// Its tokenizer.
    var tokenizer: any Tokenizer { lease.engine.model.tokenizer }
}
