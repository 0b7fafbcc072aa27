// An open GGUF file or a set of split files: the checked header, and tensor data read on demand.

/// A GGUF file, or a set of split files, that is open for reading.
///
/// Opening reads and checks the headers; tensor data is read when asked for, with `pread`, never mapped. The files are
/// closed when the last reference goes. All members may be used from several threads at once.
public final class GGUFFile: Sendable {
    /// The paths of the files; more than one for a split set, in the order of the parts.
    public let paths: [String]
    /// The metadata; for a split set that of the first part.
    public let metadata: Metadata
    /// All tensors, in the order of the files.
    public let tensors: [TensorInfo]
    /// GGUF's version, 2 or 3; for a split set that of the first part.
    public let version: Int
    /// The alignment of tensor data in bytes; for a split set that of the first part.
    public let alignment: Int
    /// The size of the header, up to where tensor data begins, in bytes, of all files together.
    public let headerBytes: Int
    /// The size of all files together, in bytes.
    public let fileBytes: Int

    private let sources: [any ByteSource]
    private let index: [NameKey: Int]

    /// Opens a file, or the whole set when the file is the first part of a split one.
    ///
    /// - Parameter path: The file's path; for a split set that of part 1 (`-00001-of-00003.gguf`).
    /// - Throws: `io` when a file cannot be opened or read, `format` when it breaks the format, `unsupported` when it is
    ///   GGUF version 1, big-endian or of a later version.
    public convenience init(path: String) throws(ApusError) {
        let source = try FileSource(path: path)
        var parser = HeaderParser(source: source, name: ApusError.printable(path), fileIndex: 0)
        let header = try parser.parse()
        let (parts, headers) = try SplitSet.open(first: header, source: source, path: path)
        try self.init(paths: parts.map { $0.path }, sources: parts.map { $0.source }, headers: headers)
    }

    /// Opens a file that is in memory, for tests and fuzzing.
    ///
    /// - Parameters:
    ///   - bytes: The whole file.
    ///   - name: The name that messages give as the file's.
    /// - Throws: As `init(path:)`; also `unsupported` for a part of a split set.
    public convenience init(bytes: [UInt8], name: String = "memory") throws(ApusError) {
        let source = MemorySource(bytes: bytes)
        var parser = HeaderParser(source: source, name: ApusError.printable(name), fileIndex: 0)
        let header = try parser.parse()
        if let part = try SplitSet.Part(header.metadata) {
            throw ApusError(
                .unsupported,
                "\(ApusError.printable(name)): part \(part.number + 1) of \(part.count), wanted a file in one piece")
        }
        try self.init(paths: [name], sources: [source], headers: [header])
    }

    private init(paths: [String], sources: [any ByteSource], headers: [Header]) throws(ApusError) {
        var tensors: [TensorInfo] = []
        var index: [NameKey: Int] = [:]
        tensors.reserveCapacity(headers.reduce(0) { $0 + $1.tensors.count })
        index.reserveCapacity(tensors.capacity)
        for (part, header) in headers.enumerated() {
            for tensor in header.tensors {
                if let other = index.updateValue(tensors.count, forKey: NameKey(tensor.name)) {
                    throw ApusError(
                        .format,
                        "\(ApusError.printable(paths[part])): tensor \(ApusError.quoted(tensor.name)) is also in "
                            + ApusError.printable(paths[tensors[other].fileIndex]))
                }
                tensors.append(tensor)
            }
        }
        self.paths = paths
        self.sources = sources
        self.tensors = tensors
        self.index = index
        self.metadata = headers[0].metadata
        self.version = Int(headers[0].version)
        self.alignment = headers[0].alignment
        self.headerBytes = zip(headers, sources).reduce(0) { $0 + min($1.0.dataStart, $1.1.size) }
        self.fileBytes = sources.reduce(0) { $0 + $1.size }
    }

    /// The tensor of a name, or nil when there is none.
    ///
    /// - Parameter name: The tensor's name, such as `token_embd.weight`.
    public func tensor(named name: String) -> TensorInfo? {
        index[NameKey(name)].map { tensors[$0] }
    }

    /// Reads a piece of a tensor's data; may be called from several threads at once.
    ///
    /// - Parameters:
    ///   - tensor: One of `tensors`.
    ///   - byteOffset: Where to begin, in bytes from the beginning of the tensor's data.
    ///   - buffer: The memory to fill, all of it.
    /// - Throws: `invalidArgument` when the piece is not inside the tensor, `io` when the file cannot be read or has
    ///   become shorter since it was opened.
    public func read(
        _ tensor: TensorInfo, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ApusError) {
        guard sources.indices.contains(tensor.fileIndex), byteOffset >= 0, byteOffset <= tensor.byteCount,
            buffer.count <= tensor.byteCount - byteOffset
        else {
            throw ApusError(
                .invalidArgument,
                "tensor \(ApusError.quoted(tensor.name)): \(buffer.count) bytes at \(byteOffset) wanted, "
                    + "of a tensor of \(tensor.byteCount) bytes")
        }
        let found = try sources[tensor.fileIndex].read(at: tensor.offset + byteOffset, into: buffer)
        try check(found: found, of: buffer.count, at: byteOffset, tensor)
    }

    /// Reads all of a tensor's data; meant for small tensors.
    ///
    /// - Parameter tensor: One of `tensors`.
    /// - Returns: The bytes as they stand in the file.
    /// - Throws: As `read(_:at:into:)`.
    public func bytes(of tensor: TensorInfo) throws(ApusError) -> [UInt8] {
        guard sources.indices.contains(tensor.fileIndex) else {
            throw ApusError(.invalidArgument, "tensor \(ApusError.quoted(tensor.name)) is of another file")
        }
        let result = try sources[tensor.fileIndex].bytes(at: tensor.offset, count: tensor.byteCount)
        try check(found: result.count, of: tensor.byteCount, at: 0, tensor)
        return result
    }

    private func check(found: Int, of wanted: Int, at byteOffset: Int, _ tensor: TensorInfo) throws(ApusError) {
        guard found == wanted else {
            throw ApusError(
                .io,
                "\(ApusError.printable(paths[tensor.fileIndex])): tensor \(ApusError.quoted(tensor.name)): "
                    + "\(wanted) bytes at byte \(tensor.offset + byteOffset) wanted, \(found) found: "
                    + "the file has become shorter since it was opened")
        }
    }
}
