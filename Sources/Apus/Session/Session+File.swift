public import ApusGGUF
internal import ApusModel

extension Session {
    /// Saves the tokens and what is computed for them. `Engine.restoreSession` reads the file too.
    ///
    /// - Parameter path: The file, which appears when it is complete, in place of an older one.
    /// - Throws: `ApusError` with code `invalidArgument` when the sequence is empty, `io` when it cannot be written.
    public func save(to path: String) throws(ApusError) {
        guard !tokens.isEmpty else {
            throw ApusError(.invalidArgument, "the session has no tokens to save, wanted: at least one")
        }
        let pages = pool.sync { sequence.pages }
        try file(tokens).write(to: path) { index in pool.sync { pool.decoder.cache.bytes(of: pages[index]) } }
    }

    /// Takes what a file holds in the place of what the sequence holds. There are no logits then: these need the last token
    /// computed again (`truncate`, `eval`), or the next one.
    ///
    /// - Parameter path: A file that `save` or `Engine.saveSession` wrote.
    /// - Throws: `ApusError` with code `io` when it cannot be read, `format` when it is no session or damaged,
    ///   `unsupported` for another version, `invalidArgument` for another model's session, `contextFull` when there is no room
    ///   for it. Unless the beginning of the file is wrong already, the sequence is empty then.
    public func load(from path: String) throws(ApusError) {
        let reader = try SessionFile.Reader(
            path: path, wanted: file([]), limit: contextLength, vocabularySize: vocabularySize)
        removeAll()
        sampling = nil
        do throws(ApusError) {
            try reader.read { bytes, count throws(ApusError) in
                try pool.sync { () throws(ApusError) in
                    try pool.reserve(KVCache.pagePositions, for: sequence)
                    sequence.fillPage(bytes, count: count)
                }
            }
        } catch {
            removeAll()
            throw error
        }
        tokens = reader.file.tokens
    }

    private func file(_ tokens: [Int32]) -> SessionFile {
        SessionFile(pageBytes: pool.pageBytes, fingerprint: model.weights.fingerprint, tokens: tokens)
    }
}
