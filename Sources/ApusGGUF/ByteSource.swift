// Where a GGUF file's bytes come from: a file on disk, or memory (tests, fuzzing).

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Bytes that can be read at any position, from several threads at once.
package protocol ByteSource: Sendable {
    /// The number of bytes when the source was opened.
    var size: Int { get }

    /// Reads bytes.
    ///
    /// - Parameters:
    ///   - offset: Where to begin, in bytes.
    ///   - buffer: The memory to fill.
    /// - Returns: The number of bytes read: fewer than the buffer's only when the source ends before.
    /// - Throws: `io` when the system reports an error.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(ApusError) -> Int
}

extension ByteSource {
    /// Reads bytes into a new array, which is shorter than wanted only when the source ends before.
    package func bytes(at offset: Int, count: Int) throws(ApusError) -> [UInt8] {
        var failed: ApusError?
        let result = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(ApusError) {
                initialized = try read(
                    at: offset, into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
            } catch {
                failed = error
            }
        }
        if let failed { throw failed }
        return result
    }
}

/// Bytes in memory.
struct MemorySource: ByteSource {
    let bytes: [UInt8]

    var size: Int { bytes.count }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(ApusError) -> Int {
        guard offset >= 0, offset < bytes.count else { return 0 }
        let count = min(buffer.count, bytes.count - offset)
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count])) }
        return count
    }
}

/// A regular file, read with `pread`: never mapped, so that a file that shrinks is an error and not a signal.
package final class FileSource: ByteSource {
    package let size: Int
    private let descriptor: Int32
    private let path: String

    /// Opens a file.
    ///
    /// - Parameter path: The file's path.
    /// - Throws: `io` when there is no such file, it is no regular file or may not be read.
    package init(path: String) throws(ApusError) {
        guard !path.utf8.contains(0) else {
            throw ApusError(.io, "\(ApusError.printable(path)): no such file (its name has a zero byte)")
        }
        // Without O_NONBLOCK, opening a FIFO would wait for a writer.
        let descriptor = Self.retrying { open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) }
        guard descriptor >= 0 else { throw Self.failure(path, "open", errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw Self.failure(path, "examine", code)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw ApusError(.io, "\(ApusError.printable(path)): is \(Self.kind(status.st_mode)), wanted a GGUF file")
        }
        self.path = path
        self.descriptor = descriptor
        self.size = Int(status.st_size)
    }

    deinit {
        close(descriptor)
    }

    package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(ApusError) -> Int {
        var done = 0
        while done < buffer.count {
            // Linux reads at most 2 GB less a page at once, other systems refuse more than INT_MAX: 1 GB suits all.
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<min(buffer.count, done + (1 << 30))])
            let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw Self.failure(path, "read", errno)
            }
        }
        return done
    }

    private static func retrying(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }

    /// The error for a failed call of the system.
    static func failure(_ path: String, _ verb: String, _ code: Int32) -> ApusError {
        let reason =
            switch code {
            case ENOENT: "no such file"
            case ENOTDIR: "no such file (a part of the path is no folder)"
            case EACCES, EPERM: "no permission to \(verb) it"
            default: "cannot \(verb) it: " + String(cString: strerror(code))
            }
        return ApusError(.io, "\(path.isEmpty ? "''" : ApusError.printable(path)): \(reason)")
    }

    private static func kind(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFDIR: "a folder"
        case S_IFIFO: "a FIFO"
        case S_IFCHR, S_IFBLK: "a device"
        case S_IFSOCK: "a socket"
        default: "no regular file"
        }
    }
}
