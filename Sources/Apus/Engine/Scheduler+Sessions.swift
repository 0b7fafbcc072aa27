public import ApusGGUF
internal import ApusModel

// Saving what is computed for a text, and bringing it back: as pages that nobody uses, which the prefix tree holds.

/// Pages that hold the beginning of a text, kept from being evicted.
struct HeldPages: Sendable {
    let tokens: Int
    let pages: [Int32]
}

extension Scheduler {
    /// Holds the pages of a text, as far as the tree has them.
    func hold(_ ids: [Int32]) -> HeldPages {
        var node = PrefixTree.root
        var pages: [Int32] = []
        var count = 0
        while count + KVCache.pagePositions <= ids.count,
            let child = tree.child(of: node, ids[count..<count + KVCache.pagePositions])
        {
            node = child
            pages.append(tree.page(of: node))
            count += KVCache.pagePositions
        }
        let rest = ids[count...].prefix(KVCache.pagePositions)
        if let (child, shared) = tree.mostSharing(under: node, rest) {
            pages.append(tree.page(of: child))
            count += shared
        }
        tree.touch(node)
        for page in pages { cache.retain(page) }
        return HeldPages(tokens: count, pages: pages)
    }

    func letGo(_ held: HeldPages) {
        for page in held.pages { cache.release(page) }
        publish()
    }

    /// Takes a page of a saved text.
    ///
    /// - Returns: What is wrong, if anything.
    func restorePage(_ bytes: [UInt8], count: Int, session: Int) -> ApusError? {
        let sequence = restoring[session] ?? KVSequence(cache)
        restoring[session] = sequence
        guard makeRoom(1, spare: running.count) else {
            return ApusError(.contextFull, "the KV cache has no room for the saved session")
        }
        do throws(ApusError) {
            try sequence.reserve(KVCache.pagePositions)
        } catch {
            return error
        }
        sequence.fillPage(bytes, count: count)
        return nil
    }

    /// Ends the restoring of a text, whose pages join the tree if all is well.
    func endRestoring(_ session: Int, tokens: [Int32]?) {
        join(session, tokens)
        publish()
    }

    /// Lets go of a restored sequence; what the tree has taken stays.
    private func join(_ session: Int, _ tokens: [Int32]?) {
        guard let sequence = restoring.removeValue(forKey: session), let tokens, options.sharesPrefixes else { return }
        var node = PrefixTree.root
        for (index, page) in sequence.pages.enumerated() {
            let part = tokens[(index * KVCache.pagePositions)...].prefix(KVCache.pagePositions)
            if part.count == KVCache.pagePositions {
                node = tree.insert(under: node, part, page: page)
            } else {
                tree.insertTail(under: node, part, page: page)
            }
        }
        tree.touch(node)
    }

    /// A number for a text that is to be restored.
    func beginRestoring() -> Int {
        nextSession += 1
        return nextSession
    }
}

extension Engine {
    /// Saves a text's tokens and what is computed for them, as far as the engine has it: after a request has ended, that is
    /// its prompt and reply but the last token, until the room is needed. Requests go on meanwhile.
    ///
    /// - Parameters:
    ///   - ids: The text.
    ///   - path: The file, which appears when it is complete, in place of an older one.
    /// - Returns: How many tokens were saved, of the beginning of the text.
    /// - Throws: `ApusError` with code `notFound` when nothing of the text is there, `io` when it cannot be written.
    public func saveSession(_ ids: [Int32], to path: String) async throws(ApusError) -> Int {
        try await DetachedThread.run {
            Result { () throws(ApusError) in try self.save(ids, path) }
        }.get()
    }

    /// Brings a saved text back, so that requests that begin like it do not compute its tokens.
    ///
    /// - Parameter path: The file.
    /// - Returns: The text's tokens.
    /// - Throws: `ApusError` with code `io` when it cannot be read, `format` when it is no session or damaged,
    ///   `unsupported` for another version, `invalidArgument` for another model's session, `contextFull` when there is no
    ///   room for it.
    public func restoreSession(from path: String) async throws(ApusError) -> [Int32] {
        try await DetachedThread.run {
            Result { () throws(ApusError) in try self.restore(path) }
        }.get()
    }

    private func save(_ ids: [Int32], _ path: String) throws(ApusError) -> Int {
        let held = scheduler.sync { $0.hold(ids) }
        defer { scheduler.sync { $0.letGo(held) } }
        guard held.tokens > 0 else {
            throw ApusError(.notFound, "nothing is computed of the \(ids.count) tokens that are to be saved")
        }
        let file = SessionFile(
            pageBytes: scheduler.pageBytes, fingerprint: model.weights.fingerprint,
            tokens: Array(ids.prefix(held.tokens)))
        try file.write(to: path) { index in scheduler.sync { $0.cache.bytes(of: held.pages[index]) } }
        return held.tokens
    }

    private func restore(_ path: String) throws(ApusError) -> [Int32] {
        let reader = try SessionFile.Reader(
            path: path,
            wanted: SessionFile(pageBytes: scheduler.pageBytes, fingerprint: model.weights.fingerprint, tokens: []),
            limit: contextLength, vocabularySize: model.vocabularySize)
        let session = scheduler.sync { $0.beginRestoring() }
        var restored: [Int32]?
        defer {
            let tokens = restored
            scheduler.sync { $0.endRestoring(session, tokens: tokens) }
        }
        try reader.read { bytes, count throws(ApusError) in
            if let failure = scheduler.sync({ $0.restorePage(bytes, count: count, session: session) }) { throw failure }
        }
        restored = reader.file.tokens
        return reader.file.tokens
    }
}
