package import Apus
package import ApusTokenizer

/// A model in the hands of a request.
package struct ModelUse: Sendable {
    /// What the request called it, or else its name.
    package let name: String
    /// The engine that runs it.
    package let engine: Engine
    /// How long the request waited for it to be loaded.
    package let loadDuration: Duration
    private let held: [any Sendable]

    /// Takes a model.
    ///
    /// - Parameters:
    ///   - name: What the request called it, or else its name.
    ///   - engine: The engine that runs it.
    ///   - loadDuration: How long the request waited for it to be loaded.
    ///   - held: What is let go of with the last reference, such as a lease.
    package init(name: String, engine: Engine, loadDuration: Duration = .zero, holding held: [any Sendable] = []) {
        (self.name, self.engine, self.loadDuration, self.held) = (name, engine, loadDuration, held)
    }

    /// The model.
    package var model: Model { engine.model }
    /// Its tokenizer.
    package var tokenizer: any Tokenizer { engine.model.tokenizer }
}
