// A file that appears under its name only when it is complete.

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A file being written: under a temporary name beside the real one until `finish()` renames it, removed otherwise.
package final class OutputFile {
    /// The size of a piece that a tensor's data is asked for in, in bytes.
    static let pieceBytes = 1 << 20

    private let path: String
    private let temporaryPath: String
    private var descriptor: Int32
    private var position = 0
    private var buffer: [UInt8] = []

    /// Creates the file.
    ///
    /// - Parameter path: The path that it will have.
    /// - Throws: `io` when it cannot be created, or something that is no regular file has the path.
    package init(path: String) throws(ApusError) {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            // Renaming would replace a device such as /dev/full.
            throw ApusError(.io, "\(ApusError.printable(path)): exists and is no regular file")
        }
        self.path = path
        self.temporaryPath = "\(path).\(getpid()).partial"
        self.descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileSource.failure(path, "write", errno) }
        buffer.reserveCapacity(Self.pieceBytes)
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        Self.remove(temporaryPath)
    }

    /// Removes a file; it is no error when there is none.
    static func remove(_ path: String) {
        unlink(path)
    }

    /// Appends bytes.
    ///
    /// - Parameter bytes: The bytes.
    /// - Throws: `io` that names the file.
    package func write(_ bytes: [UInt8]) throws(ApusError) {
        buffer += bytes
        position += bytes.count
        if buffer.count >= Self.pieceBytes { try flush() }
    }

    /// Appends as many bytes as the closure is to fill.
    func write(_ count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(ApusError) -> Void) throws(ApusError) {
        var failed: ApusError?
        let piece = [UInt8](unsafeUninitializedCapacity: count) { piece, initialized in
            let memory = UnsafeMutableRawBufferPointer(start: piece.baseAddress, count: count)
            memory.initializeMemory(as: UInt8.self, repeating: 0)
            initialized = count
            do throws(ApusError) { try fill(memory) } catch { failed = error }
        }
        if let failed { throw failed }
        try write(piece)
    }

    /// Appends zeros up to a multiple of the alignment.
    func pad(to alignment: Int) throws(ApusError) {
        try write([UInt8](repeating: 0, count: (alignment - position % alignment) % alignment))
    }

    /// Writes what is left and gives the file its name.
    ///
    /// - Throws: `io` that names the file.
    package func finish() throws(ApusError) {
        try flush()
        let result = close(descriptor)
        let code = errno
        descriptor = -1
        guard result == 0, rename(temporaryPath, path) == 0 else {
            let code = result == 0 ? errno : code
            Self.remove(temporaryPath)
            throw FileSource.failure(path, "write", code)
        }
    }

    private func flush() throws(ApusError) {
        var done = 0
        while done < buffer.count {
            let count = buffer.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
                return systemWrite(descriptor, rest.baseAddress, rest.count)
            }
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                throw FileSource.failure(path, "write", errno)
            }
        }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// The system's `write`, which the class's own method of that name hides.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
