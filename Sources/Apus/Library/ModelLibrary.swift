public import ApusGGUF
internal import ApusModel

/// Models by name: loads what is asked for, and unloads what nobody has used for a while or whose memory is needed.
///
/// A load serves all who wait for it, and goes on when they are gone. A model that is being used is never unloaded.
public actor ModelLibrary {
    /// A model that is loaded.
    public struct Loaded: Sendable {
        /// The file.
        public let entry: LibraryEntry
        /// The engine that runs it.
        public let engine: Engine
        /// Who uses it now.
        public let users: Int
        /// When it is unloaded, if nobody uses it until then; nil while it is used, and when it stays.
        public let expiry: ContinuousClock.Instant?
    }

    private final class Slot {
        let entry: LibraryEntry
        let engine: Engine
        var users = 0
        var keepAlive: KeepAlive
        var expiry: ContinuousClock.Instant?
        /// Counts uses, by which the least recent one is known.
        var lastUse = 0

        init(_ entry: LibraryEntry, _ engine: Engine, _ keepAlive: KeepAlive) {
            self.entry = entry
            self.engine = engine
            self.keepAlive = keepAlive
        }
    }

    /// Somebody who waits for a load.
    private struct Waiter {
        let continuation: CheckedContinuation<Result<ModelLease, ApusError>, Never>
        let keepAlive: KeepAlive?
    }

    /// How models are found, loaded and kept.
    public nonisolated let options: LibraryOptions
    private nonisolated let folder: ModelFolder
    private let budget: Int
    private var slots: [LibraryEntry.Identity: Slot] = [:]
    /// Who waits for a load, by the file that is loaded or waits for its turn.
    private var waiters: [LibraryEntry.Identity: [Int: Waiter]] = [:]
    /// Loads in the order in which they were asked for; the first one is under way.
    private var queue: [LibraryEntry] = []
    private var roomChanged: CheckedContinuation<Void, Never>?
    private var nextWaiter = 0
    private var uses = 0
    /// Loads since the library was made, whatever came of them.
    public private(set) var loadCount = 0
    /// What engines of models have done that are no longer loaded.
    private var past = EngineMetrics()

    /// Makes a library; nothing is loaded yet.
    ///
    /// - Parameter options: How models are found, loaded and kept.
    public init(options: LibraryOptions) {
        self.options = options
        folder = ModelFolder(folder: options.folder, paths: options.paths)
        let available = SystemMemory.available ?? Int.max
        budget = options.memoryBudget ?? available - available / 10
    }

    /// The models that there are now, in the order of their names; aliases are not among them.
    public nonisolated func entries() -> [LibraryEntry] { folder.entries() }

    /// The model of a name.
    ///
    /// - Parameter name: A name with or without tag, or an alias; upper or lower case.
    /// - Returns: The file; nil when there is none. `:latest` need not be said.
    public nonisolated func entry(named name: String) -> LibraryEntry? {
        let target = target(of: name)
        return entries().first { $0.name.lowercased() == target }
    }

    /// A name with its tag and in lower case, or what it is an alias of.
    private nonisolated func target(of name: String) -> String {
        func full(_ name: String) -> String {
            let name = name.lowercased()
            return name.contains(":") ? name : "\(name):latest"
        }
        return full(options.aliases.first { full($0.key) == full(name) }?.value ?? name)
    }

    /// The models that are loaded, the last one used first.
    public var loaded: [Loaded] {
        slots.values.sorted { $0.lastUse > $1.lastUse }.map {
            Loaded(entry: $0.entry, engine: $0.engine, users: $0.users, expiry: $0.expiry)
        }
    }

    /// What the engines of all models hold now, and what all have done that there ever were.
    public var metrics: EngineMetrics {
        slots.values.reduce(into: past) { $0.add($1.engine.metrics) }
    }

    /// Lets a caller use a model, which is loaded if it is not yet.
    ///
    /// - Parameters:
    ///   - name: As in `entry(named:)`.
    ///   - keepAlive: How long the model stays loaded after its last use, from now on; nil for what the options say.
    /// - Returns: The model, loaded as long as this is held.
    /// - Throws: `ApusError` with code `notFound`, what loading the file throws, `outOfMemory` when it does not fit the
    ///   budget, and `cancelled` when the task is cancelled; the load goes on then.
    public func use(_ name: String, keepAlive: KeepAlive? = nil) async throws(ApusError) -> ModelLease {
        guard let entry = entry(named: name) else {
            throw ApusError(.notFound, "model \(ApusError.quoted(name)) not found")
        }
        if let slot = slots[entry.identity] { return lease(slot, keepAlive) }
        return try await load(entry, keepAlive)
    }

    /// Unloads a model: at once, or when its last user is gone.
    ///
    /// - Parameter name: As in `entry(named:)`.
    /// - Returns: Whether it was loaded.
    @discardableResult
    public func unload(_ name: String) -> Bool {
        // Also those whose file is gone or was replaced.
        let found = slots.values.filter { $0.entry.name.lowercased() == target(of: name) }
        for slot in found {
            slot.keepAlive = .duration(.zero)
            if slot.users == 0 { unload(slot) }
        }
        return !found.isEmpty
    }

    // MARK: Users

    private func lease(_ slot: Slot, _ keepAlive: KeepAlive?) -> ModelLease {
        slot.keepAlive = keepAlive ?? options.keepAlive
        slot.users += 1
        slot.expiry = nil
        uses += 1
        slot.lastUse = uses
        return ModelLease(entry: slot.entry, engine: slot.engine, library: self)
    }

    fileprivate func release(_ identity: LibraryEntry.Identity) {
        guard let slot = slots[identity] else { return }
        slot.users -= 1
        if slot.users == 0 { rest(slot) }
        signalRoom()
    }

    /// Nobody uses a model now.
    private func rest(_ slot: Slot) {
        switch slot.keepAlive {
        case .forever: break
        case .duration(let duration) where duration <= .zero: unload(slot)
        case .duration(let duration): expire(slot, after: duration)
        }
    }

    private func expire(_ slot: Slot, after duration: Duration) {
        let (identity, use) = (slot.entry.identity, slot.lastUse)
        slot.expiry = .now + duration
        Task { [weak self] in
            try? await Task.sleep(for: duration)
            await self?.unload(identity, ifLastUsedAt: use)
        }
    }

    private func unload(_ identity: LibraryEntry.Identity, ifLastUsedAt use: Int) {
        guard let slot = slots[identity], slot.users == 0, slot.lastUse == use else { return }
        unload(slot)
    }

    private func unload(_ slot: Slot) {
        slots[slot.entry.identity] = nil
        past.add(slot.engine.metrics.past)
        slot.engine.close()
        signalRoom()
    }

    private func signalRoom() {
        roomChanged?.resume()
        roomChanged = nil
    }

    // MARK: Loading

    /// Waits until a file is loaded, and has it loaded.
    private func load(_ entry: LibraryEntry, _ keepAlive: KeepAlive?) async throws(ApusError) -> ModelLease {
        let identity = entry.identity
        if waiters[identity] == nil {
            waiters[identity] = [:]
            queue.append(entry)
            if queue.count == 1 { Task { await self.loadQueue() } }
        }
        let number = nextWaiter
        nextWaiter += 1
        let result: Result<ModelLease, ApusError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: .failure(Self.cancelled))
                } else {
                    waiters[identity]?[number] = Waiter(continuation: continuation, keepAlive: keepAlive)
                }
            }
        } onCancel: {
            Task { await self.stopWaiting(number, for: identity) }
        }
        return try result.get()
    }

    private static let cancelled = ApusError(.cancelled, "waiting for the model was cancelled")

    private func stopWaiting(_ number: Int, for identity: LibraryEntry.Identity) {
        waiters[identity]?.removeValue(forKey: number)?.continuation.resume(returning: .failure(Self.cancelled))
    }

    /// Loads one model after another, as long as there are any to load.
    private func loadQueue() async {
        while let entry = queue.first {
            let result: Result<Slot, ApusError>
            do throws(ApusError) {
                try await makeRoom(for: entry)
                result = .success(try await loadNow(entry))
            } catch {
                result = .failure(error)
            }
            queue.removeFirst()
            for waiter in (waiters.removeValue(forKey: entry.identity) ?? [:]).values {
                waiter.continuation.resume(returning: result.map { lease($0, waiter.keepAlive) })
            }
            // Those who asked for it may be gone.
            if case .success(let slot) = result, slot.users == 0 { rest(slot) }
        }
    }

    private func loadNow(_ entry: LibraryEntry) async throws(ApusError) -> Slot {
        loadCount += 1
        let (load, engine) = (options.load, options.engine)
        let room = budget - usedBytes
        let made = await DetachedThread.run {
            Result { () throws(ApusError) -> Engine in
                let model = try Model.load(path: entry.path, options: load)
                return try Engine(model: model, options: engine, room: room - model.weights.byteCount)
            }
        }
        let slot = Slot(entry, try made.get(), options.keepAlive)
        slots[entry.identity] = slot
        return slot
    }

    private var usedBytes: Int { slots.values.reduce(0) { $0 + $1.engine.byteCount } }

    /// Unloads what was used least recently, until a file fits; waits for users to leave if it must.
    private func makeRoom(for entry: LibraryEntry) async throws(ApusError) {
        let options = options.load
        let needed = try await DetachedThread.run {
            Result { () throws(ApusError) in try Model.leastBytes(path: entry.path, options: options) }
        }.get()
        guard needed <= budget else {
            throw ApusError(
                .outOfMemory, "\(entry.path) needs at least \(needed) bytes of memory, the budget is \(budget)")
        }
        while usedBytes > budget - needed || slots.count >= self.options.maxLoaded ?? Int.max {
            let idle = slots.values.filter { $0.users == 0 }
            if let oldest = idle.min(by: { $0.lastUse < $1.lastUse }) {
                unload(oldest)
            } else {
                await withCheckedContinuation { roomChanged = $0 }
            }
        }
    }
}

/// The use of a loaded model, as long as this is held.
public final class ModelLease: Sendable {
    /// The file.
    public let entry: LibraryEntry
    /// The engine that runs the model.
    public let engine: Engine

    private let library: ModelLibrary

    fileprivate init(entry: LibraryEntry, engine: Engine, library: ModelLibrary) {
        self.entry = entry
        self.engine = engine
        self.library = library
    }

    deinit {
        let (library, identity) = (library, entry.identity)
        Task { await library.release(identity) }
    }
}
