// Reading whole files and standard input, with one line for whatever goes wrong.

import ApusGGUF
import ApusTokenizer

/// Text files and standard input, read as bytes.
enum InputFile {
    /// The most that is read. More is a mistake, such as a model given as a prompt, and must not fill the memory.
    static let limit = 1 << 30

    /// Reads a file; "-" is standard input.
    ///
    /// - Throws: `io` that names the file.
    static func read(_ path: String) throws(ApusError) -> [UInt8] {
        if path == "-" { return try readAll(STDIN_FILENO, name: "standard input") }
        let name = ApusError.printable(path)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ApusError(.io, "\(name): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        return try readAll(descriptor, name: name)
    }

    /// Reads a text; "-" is standard input.
    ///
    /// - Throws: `io` that names the file, `invalidArgument` with the place of the first byte that is not UTF-8.
    static func readText(_ path: String) throws(ApusError) -> [UInt8] {
        let bytes = try read(path)
        if let offset = firstInvalidUTF8Offset(in: bytes) {
            let name = path == "-" ? "standard input" : ApusError.printable(path)
            let byte = String(bytes[offset], radix: 16, uppercase: true)
            throw ApusError(.invalidArgument, "\(name): byte \(offset) is 0x\(byte), wanted: a text in UTF-8")
        }
        return bytes
    }

    /// Whether an argument of the command is not UTF-8; what Swift makes of it has U+FFFD in the place of such bytes.
    static var isArgumentBroken: Bool {
        let arguments = UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
        return arguments.contains { argument in
            guard let argument else { return false }
            let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
            return firstInvalidUTF8Offset(in: Array(bytes)) != nil
        }
    }

    private static func readAll(_ descriptor: Int32, name: String) throws(ApusError) -> [UInt8] {
        var status = stat()
        var bytes: [UInt8] = []
        if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size < limit {
            bytes.reserveCapacity(Int(status.st_size) + 1)
        }
        let pieceSize = 1 << 16
        while true {
            var code: Int32 = 0
            let piece = [UInt8](unsafeUninitializedCapacity: pieceSize) { buffer, count in
                var got: Int
                repeat {
                    got = Platform.read(descriptor, buffer.baseAddress, pieceSize)
                } while got < 0 && errno == EINTR
                code = got < 0 ? errno : 0
                count = max(got, 0)
            }
            if code == EISDIR { throw ApusError(.io, "\(name): is a folder, wanted a file") }
            if code != 0 { throw ApusError(.io, "\(name): cannot read: \(String(cString: strerror(code)))") }
            if piece.isEmpty { return bytes }
            guard bytes.count + piece.count <= limit else {
                throw ApusError(.io, "\(name): more than \(limit >> 20) MiB, wanted a text of that size at most")
            }
            bytes += piece
        }
    }
}
