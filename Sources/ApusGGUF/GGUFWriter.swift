// Writes GGUF files for tests and tools: streaming, so that a large file takes little memory, and all or nothing.

/// Writes GGUF files, in one piece or split.
///
/// Tensor data comes from closures in pieces, so a file of any size takes a few megabytes of memory. Files are written
/// under a temporary name and renamed when complete: a failure leaves nothing behind and an older file untouched.
public struct GGUFWriter {
    /// Gives a tensor's data piece by piece: called with the offset of a piece in bytes, fills all of the buffer.
    public typealias Provider = (_ byteOffset: Int, _ buffer: UnsafeMutableRawBufferPointer) throws(ApusError) -> Void

    private struct Tensor {
        let name: String
        let shape: [Int]
        let type: GGMLType
        let byteCount: Int
        let provider: Provider
    }

    /// The alignment of tensor data in bytes.
    public let alignment: Int
    /// GGUF's version.
    public let version: Int

    private var entries: [(key: String, value: Metadata.Value)] = []
    private var tensors: [Tensor] = []
    private var names: Set<String> = []

    /// Makes a writer without metadata and tensors.
    ///
    /// - Parameters:
    ///   - version: 2 or 3; the two do not differ in what follows.
    ///   - alignment: The alignment of tensor data in bytes, a power of two from 8; other than 32 it is also stored as
    ///     `general.alignment`.
    /// - Throws: `invalidArgument` for another version or alignment.
    public init(version: Int = 3, alignment: Int = 32) throws(ApusError) {
        guard version == 2 || version == 3 else {
            throw ApusError(.invalidArgument, "GGUF version \(version), wanted 2 or 3")
        }
        guard HeaderLimits.alignments.contains(alignment), alignment & (alignment - 1) == 0 else {
            throw ApusError(.invalidArgument, "alignment \(alignment), wanted a power of two from 8 to 16777216")
        }
        self.version = version
        self.alignment = alignment
        if alignment != HeaderLimits.defaultAlignment { set("general.alignment", .uint32(UInt32(alignment))) }
    }

    /// Sets the value of a key, in place of an older one.
    ///
    /// - Parameters:
    ///   - key: The key, such as `general.architecture`.
    ///   - value: The value.
    public mutating func set(_ key: String, _ value: Metadata.Value) {
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].value = value
        } else {
            entries.append((key, value))
        }
    }

    /// Takes over all of a file's metadata but what describes the file itself (`general.alignment`, `split.*`).
    ///
    /// - Parameter metadata: The metadata.
    public mutating func set(all metadata: Metadata) {
        for (key, value) in metadata.entries where key != "general.alignment" && !key.hasPrefix("split.") {
            set(key, value)
        }
    }

    /// Adds a tensor whose data is in memory.
    ///
    /// - Parameters:
    ///   - name: The tensor's name.
    ///   - shape: The lengths of the dimensions, the row length first; 1 to 4.
    ///   - type: The type of the values.
    ///   - data: The data, as long as shape and type say.
    /// - Throws: `invalidArgument` when the name is taken, or shape, type and data do not go together.
    public mutating func addTensor(
        _ name: String, shape: [Int], type: GGMLType, data: [UInt8]
    ) throws(ApusError) {
        if let (_, wanted) = TensorInfo.size(shape: shape, type: type), wanted != data.count {
            throw ApusError(
                .invalidArgument,
                "tensor \(ApusError.quoted(name)) of shape \(shape) and type \(type) has \(data.count) bytes, "
                    + "wanted \(wanted)")
        }
        try addTensor(name, shape: shape, type: type) { (offset, buffer) throws(ApusError) in
            data.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count]))
            }
        }
    }

    /// Adds a tensor whose data is asked for when the file is written.
    ///
    /// - Parameters:
    ///   - name: The tensor's name.
    ///   - shape: The lengths of the dimensions, the row length first; 1 to 4.
    ///   - type: The type of the values.
    ///   - provider: Gives the data, in pieces of at most 1 MB, in order.
    /// - Throws: `invalidArgument` when the name is taken, the type unknown or the shape does not suit it.
    public mutating func addTensor(
        _ name: String, shape: [Int], type: GGMLType, provider: @escaping Provider
    ) throws(ApusError) {
        guard (1...4).contains(shape.count), type.isKnown,
            let (_, byteCount) = TensorInfo.size(shape: shape, type: type)
        else {
            throw ApusError(
                .invalidArgument,
                "tensor \(ApusError.quoted(name)) of shape \(shape) and type \(type), wanted 1 to 4 dimensions of at "
                    + "least 1 and rows of a multiple of \(type.blockSize) values")
        }
        guard names.insert(name).inserted else {
            throw ApusError(.invalidArgument, "tensor \(ApusError.quoted(name)) is there already")
        }
        tensors.append(Tensor(name: name, shape: shape, type: type, byteCount: byteCount, provider: provider))
    }

    /// Writes one file.
    ///
    /// - Parameter path: The file's path; an older file there is replaced once the new one is complete.
    /// - Throws: `io` when the file cannot be written, `invalidArgument` for a `nested` value that holds no arrays, and
    ///   what a provider throws.
    public func write(to path: String) throws(ApusError) {
        try write(tensors[...], entries, to: path)
    }

    /// Writes a set of split files, named `PREFIX-00001-of-00003.gguf` and so on.
    ///
    /// - Parameters:
    ///   - prefix: The path's beginning, in front of the part's number.
    ///   - limit: The most tensors in a part, at least 1.
    /// - Returns: The paths of the parts, in order.
    /// - Throws: `io` when a file cannot be written, `invalidArgument` for more than 65,535 parts, and what a provider
    ///   throws. Parts that were complete by then are removed.
    public func writeSplit(toPrefix prefix: String, tensorsPerFile limit: Int) throws(ApusError) -> [String] {
        let limit = max(limit, 1)
        let count = max((tensors.count + limit - 1) / limit, 1)
        guard let parts = UInt16(exactly: count), let total = Int32(exactly: tensors.count) else {
            throw ApusError(.invalidArgument, "\(count) parts, wanted at most \(UInt16.max)")
        }
        var paths: [String] = []
        for part in 0..<parts {
            let first = Int(part) * limit
            let path = prefix + SplitName.suffix(Int(part) + 1, of: count)
            var entries = part == 0 ? entries : entries.filter { $0.key == "general.alignment" }
            entries.removeAll { $0.key.hasPrefix("split.") }
            entries += [
                ("split.no", .uint16(part)), ("split.count", .uint16(parts)), ("split.tensors.count", .int32(total)),
            ]
            do throws(ApusError) {
                try write(tensors[first..<min(first + limit, tensors.count)], entries, to: path)
            } catch {
                for path in paths { OutputFile.remove(path) }
                throw error
            }
            paths.append(path)
        }
        return paths
    }

    private func write(
        _ tensors: ArraySlice<Tensor>, _ entries: [(key: String, value: Metadata.Value)], to path: String
    ) throws(ApusError) {
        for (key, value) in entries where !value.isWellFormed {
            throw ApusError(
                .invalidArgument, "metadata key \(ApusError.quoted(key)) nests values that are no arrays")
        }
        let file = try OutputFile(path: path)
        try file.write(header(tensors, entries))
        try file.pad(to: alignment)
        for tensor in tensors {
            var done = 0
            while done < tensor.byteCount {
                let count = min(tensor.byteCount - done, OutputFile.pieceBytes)
                try file.write(count) { (buffer) throws(ApusError) in try tensor.provider(done, buffer) }
                done += count
            }
            try file.pad(to: alignment)
        }
        try file.finish()
    }

    private func header(
        _ tensors: ArraySlice<Tensor>, _ entries: [(key: String, value: Metadata.Value)]
    ) -> [UInt8] {
        var bytes = HeaderBytes()
        bytes.append(raw: Array("GGUF".utf8))
        bytes.append(UInt32(version))
        bytes.append(UInt64(tensors.count))
        bytes.append(UInt64(entries.count))
        for (key, value) in entries {
            bytes.append(key)
            bytes.append(value.type.rawValue)
            bytes.append(value)
        }
        var offset = 0
        for tensor in tensors {
            bytes.append(tensor.name)
            bytes.append(UInt32(tensor.shape.count))
            for length in tensor.shape { bytes.append(UInt64(length)) }
            bytes.append(tensor.type.rawValue)
            bytes.append(UInt64(offset))
            offset = (offset + tensor.byteCount + alignment - 1) & ~(alignment - 1)
        }
        return bytes.bytes
    }
}

extension Metadata.Value {
    /// Whether nested arrays hold nothing but arrays, which is all that the format can say.
    fileprivate var isWellFormed: Bool {
        guard case .nested(let elements) = self else { return true }
        return elements.allSatisfy { $0.type == .array && $0.isWellFormed }
    }
}

/// A header's values as bytes.
private struct HeaderBytes {
    private(set) var bytes: [UInt8] = []

    mutating func append(raw: [UInt8]) {
        bytes += raw
    }

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ text: String) {
        append(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func append(_ value: Metadata.Value) {
        switch value {
        case .uint8(let value): append(value)
        case .int8(let value): append(value)
        case .uint16(let value): append(value)
        case .int16(let value): append(value)
        case .uint32(let value): append(value)
        case .int32(let value): append(value)
        case .uint64(let value): append(value)
        case .int64(let value): append(value)
        case .float32(let value): append(value.bitPattern)
        case .float64(let value): append(value.bitPattern)
        case .bool(let value): append(value ? 1 as UInt8 : 0)
        case .string(let value): append(value)
        case .numbers(let array):
            append(array.elementType.rawValue)
            append(UInt64(array.count))
            bytes += array.bytes
        case .strings(let array):
            append(GGUFValueType.string.rawValue)
            append(UInt64(array.count))
            bytes += array.fileBytes
        case .nested(let array):
            append(GGUFValueType.array.rawValue)
            append(UInt64(array.count))
            for element in array { append(element) }
        }
    }
}
