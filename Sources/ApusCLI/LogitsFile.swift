// The file of `--logits-out`.

import ApusGGUF

/// A file of raw little-endian 32-bit floats that has its name only when it is complete.
///
/// Written under a temporary name beside the real one, renamed at the end and removed on failure. Devices and pipes,
/// which renaming would replace, are written directly.
final class LogitsFile {
    private let path: String
    private let temporaryPath: String?
    private var descriptor: Int32

    /// Creates the file.
    ///
    /// - Throws: `io` that names the file.
    init(path: String) throws(ApusError) {
        self.path = path
        var status = stat()
        let exists = stat(path, &status) == 0
        if exists && status.st_mode & S_IFMT == S_IFDIR {
            throw ApusError(.io, "\(ApusError.printable(path)): is a folder, wanted a file to write")
        }
        let isDirect = exists && status.st_mode & S_IFMT != S_IFREG
        temporaryPath = isDirect ? nil : "\(path).\(getpid()).partial"
        descriptor = open(temporaryPath ?? path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        if descriptor < 0 { throw failure(errno) }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        if let temporaryPath { unlink(temporaryPath) }
    }

    /// Appends logits.
    ///
    /// - Throws: `io` that names the file, for example when the disk is full.
    func write(_ logits: UnsafeBufferPointer<Float>) throws(ApusError) {
        #if _endian(big)
            let swapped = logits.map { $0.bitPattern.littleEndian }
            let code = swapped.withUnsafeBytes { writeAll($0, to: descriptor) }
        #else
            let code = writeAll(UnsafeRawBufferPointer(logits), to: descriptor)
        #endif
        if let code { throw failure(code) }
    }

    /// Gives the file its name.
    ///
    /// - Throws: `io` that names the file.
    func finish() throws(ApusError) {
        let closing = descriptor
        descriptor = -1
        // Some file systems tell only now that the disk is full.
        var failed = close(closing) == 0 ? nil : errno
        if let temporaryPath {
            if failed == nil, rename(temporaryPath, path) != 0 { failed = errno }
            if failed != nil { unlink(temporaryPath) }
        }
        if let failed { throw failure(failed) }
    }

    private func failure(_ code: Int32) -> ApusError {
        ApusError(.io, "\(ApusError.printable(path)): cannot write: \(String(cString: strerror(code)))")
    }
}
