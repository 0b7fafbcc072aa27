// What the command writes to standard output and standard error.

import ApusGGUF

/// Standard output and standard error, unbuffered.
enum Console {
    static let outputIsTerminal = isatty(STDOUT_FILENO) == 1
    static let errorIsTerminal = isatty(STDERR_FILENO) == 1

    /// Colours only on a terminal that has them, and not against NO_COLOR (https://no-color.org).
    private static let errorHasColor: Bool = {
        guard errorIsTerminal, (getenv("NO_COLOR").map { $0.pointee } ?? 0) == 0 else { return false }
        return getenv("TERM").map { String(cString: $0) } != "dumb"
    }()

    /// Writes to standard output.
    ///
    /// - Returns: false when whoever reads it has gone, which is no failure: there is just nobody left to write for.
    /// - Throws: `io` for any other failure, such as a full disk.
    static func write(_ bytes: [UInt8]) throws(ApusError) -> Bool {
        guard let code = writeAll(bytes, to: STDOUT_FILENO) else { return true }
        if code == EPIPE { return false }
        throw ApusError(.io, "standard output: cannot write: \(String(cString: strerror(code)))")
    }

    /// Writes a line to standard output.
    static func writeLine(_ text: String) throws(ApusError) {
        _ = try write(Array(text.utf8) + [0x0A])
    }

    /// Writes a line to standard error.
    static func note(_ text: String) {
        _ = writeAll(Array(text.utf8) + [0x0A], to: STDERR_FILENO)
    }

    /// Writes a warning's line to standard error.
    static func warn(_ text: String) {
        note("apus: \(colored("warning:", "33")) \(text)")
    }

    /// Writes an error's line to standard error.
    static func report(_ error: ApusError) {
        clearProgress()
        note("apus: \(colored("error:", "31")) \(error.message)")
    }

    /// Shows how far some work is, on a terminal only; each call replaces the line of the last.
    static func progress(_ text: String) {
        guard errorIsTerminal else { return }
        showsProgress = true
        _ = writeAll(Array("\r\u{1B}[K\(text)".utf8), to: STDERR_FILENO)
    }

    /// Removes the line that `progress` shows.
    static func clearProgress() {
        guard showsProgress else { return }
        showsProgress = false
        _ = writeAll(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO)
    }

    /// Whether standard output and standard error end in the same place, so that one must end its line for the other.
    static let outputMeetsError: Bool = {
        var output = stat()
        var error = stat()
        guard fstat(STDOUT_FILENO, &output) == 0, fstat(STDERR_FILENO, &error) == 0 else { return false }
        return output.st_dev == error.st_dev && output.st_ino == error.st_ino
    }()

    // Only the main thread writes.
    private nonisolated(unsafe) static var showsProgress = false

    private static func colored(_ text: String, _ color: String) -> String {
        errorHasColor ? "\u{1B}[1;\(color)m\(text)\u{1B}[0m" : text
    }
}

/// Writes all bytes to a descriptor.
///
/// - Returns: nil, or the code of the failure.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    bytes.withUnsafeBytes { writeAll($0, to: descriptor) }
}

/// Writes all bytes to a descriptor.
///
/// - Returns: nil, or the code of the failure.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
    var rest = bytes[...]
    while !rest.isEmpty {
        let written = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if written >= 0 {
            rest = rest.dropFirst(written)
        } else if errno == EAGAIN {
            // A terminal or pipe that another program made non-blocking.
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&waiting, 1, -1)
        } else if errno != EINTR {
            return errno
        }
    }
    return nil
}
