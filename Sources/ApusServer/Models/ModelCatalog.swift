internal import Apus
internal import ApusGGUF
internal import Synchronization

/// The library's models with what their files say of themselves; each file is read once, and again when it was replaced.
final class ModelCatalog: Sendable {
    private let library: ModelLibrary
    private let known = Mutex<[LibraryEntry: ModelDescription]>([:])

    /// Makes a catalog.
    ///
    /// - Parameter library: Where the models are.
    init(_ library: ModelLibrary) { self.library = library }

    /// All models there are now, in the order of their names.
    func models() async -> [(entry: LibraryEntry, description: ModelDescription)] {
        let entries = library.entries()
        known.withLock { known in
            let present = Set(entries)
            known = known.filter { present.contains($0.key) }
        }
        var models: [(entry: LibraryEntry, description: ModelDescription)] = []
        for entry in entries {
            // A file that has just gone is not there.
            if let description = try? await description(of: entry) { models.append((entry, description)) }
        }
        return models
    }

    /// What a model's file says of itself.
    ///
    /// - Throws: `ApusError` with code `io` when it cannot be read.
    func description(of entry: LibraryEntry) async throws(ApusError) -> ModelDescription {
        if let description = known.withLock({ $0[entry] }) { return description }
        let description = try await DetachedThread.run {
            Result { () throws(ApusError) in
                try ModelDescription.read(path: entry.path, fileBytes: entry.fileBytes)
            }
        }.get()
        known.withLock { $0[entry] = description }
        return description
    }
}
