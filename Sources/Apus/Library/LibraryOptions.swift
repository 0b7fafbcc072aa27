/// Which models a library has, and how many it keeps.
public struct LibraryOptions: Sendable, Hashable {
    /// A folder of GGUF files: `name.gguf` is `name:latest`, `name/tag.gguf` is `name:tag`. Nil for none.
    public var folder: String?
    /// Files given by path, called by their stems.
    public var paths: [String] = []
    /// Further names, and the names of models that they stand for.
    public var aliases: [String: String] = [:]
    /// How models are loaded.
    public var load = LoadOptions()
    /// How they are shared. The size of the pool, if none is given, is what the budget leaves.
    public var engine = EngineOptions()
    /// How long a model stays loaded that nobody uses.
    public var keepAlive = KeepAlive.duration(.seconds(300))
    /// Bytes that all models may take together, caches included; nil for nine tenths of what is free when the library
    /// is made.
    public var memoryBudget: Int?
    /// Models that are loaded at the same time, at the most; nil for any number.
    public var maxLoaded: Int?

    /// No models.
    public init() {}
}

/// How long a model stays loaded that nobody uses.
public enum KeepAlive: Sendable, Hashable {
    /// Until somebody needs its memory, or unloads it.
    case forever
    /// So long; no time at all unloads it when its last user is gone.
    case duration(Duration)
}
