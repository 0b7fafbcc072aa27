package import Apus
internal import ApusModel

/// What is worked out once for a loaded model, and forgotten with it.
package final class PerModel<Value: Sendable>: Sendable {
    private struct Item {
        weak var model: Model?
        let value: Value
    }

    private let items = Locked<[ObjectIdentifier: Item]>([:])

    /// The value of a model.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - make: Works it out; of several callers at once each may do so.
    package func value<Failure: Error>(for model: Model, _ make: (Model) throws(Failure) -> Value) throws(Failure)
        -> Value
    {
        let known: Value? = items.withLock { items in
            items = items.filter { $0.value.model != nil }
            return items[ObjectIdentifier(model)]?.value
        }
        if let known { return known }
        let value = try make(model)
        items.withLock { $0[ObjectIdentifier(model)] = Item(model: model, value: value) }
        return value
    }
}
