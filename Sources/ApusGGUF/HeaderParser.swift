// Parses one file's header: metadata and tensor list, everything checked. Sets of split files are GGUFFile's business.

/// A file's header, checked.
struct Header {
    /// GGUF's version, 2 or 3.
    var version: UInt32
    var metadata: Metadata
    var tensors: [TensorInfo]
    /// The alignment of tensor data in bytes, a power of two.
    var alignment: Int
    /// Where the tensor data begins, in bytes from the beginning of the file.
    var dataStart: Int
}

/// Parses a header.
struct HeaderParser<Source: ByteSource> {
    private var reader: HeaderReader<Source>
    private let size: Int
    private let fileIndex: Int
    /// How many array elements the rest of the header may have.
    private var elementsLeft = HeaderLimits.arrayElements
    private var nestedLeft = HeaderLimits.nestedArrays
    /// How many bytes of keys and names, of text values, and of text that is no UTF-8 the rest of the header may have.
    private var nameBytesLeft = HeaderLimits.allNameBytes
    private var textBytesLeft = HeaderLimits.allTextBytes
    private var repairBytesLeft = HeaderLimits.repairedBytes

    init(source: Source, name: String, fileIndex: Int) {
        self.reader = HeaderReader(source: source, name: name)
        self.size = source.size
        self.fileIndex = fileIndex
    }

    /// Parses the header.
    ///
    /// - Throws: `format` when the file breaks the format, `unsupported` when it is of another version or byte order.
    mutating func parse() throws(ApusError) -> Header {
        guard size > 0 else { throw reader.failure("is empty, wanted a GGUF file") }
        try checkMagic()
        let version = try parseVersion()
        let tensorCount = try parseCount("tensor count", limit: HeaderLimits.tensors)
        let keyCount = try parseCount("metadata count", limit: HeaderLimits.keys)

        let metadata = try parseMetadata(count: keyCount)
        let alignment = try metadata.optionalInt("general.alignment") ?? HeaderLimits.defaultAlignment
        guard HeaderLimits.alignments.contains(alignment), alignment & (alignment - 1) == 0 else {
            let range = HeaderLimits.alignments
            throw metadata.mismatch(
                "general.alignment", wanted: "a power of two in \(range.lowerBound)...\(range.upperBound)")
        }

        var tensors = try parseTensors(count: tensorCount)
        let dataStart = (reader.position + alignment - 1) & ~(alignment - 1)
        for index in tensors.indices {
            tensors[index] = try place(tensors[index], dataStart: dataStart, alignment: alignment)
        }
        try checkOverlaps(tensors)
        return Header(
            version: version, metadata: metadata, tensors: tensors, alignment: alignment, dataStart: dataStart)
    }

    private mutating func checkMagic() throws(ApusError) {
        let found = try reader.bytes(min(4, size), "the magic")
        let text = String(decoding: found, as: UTF8.self)
        switch text {
        case "GGUF": return
        case "FUGG": throw ApusError(.unsupported, "\(reader.name): big-endian GGUF, wanted little-endian")
        case "lmgg", "fmgg", "tjgg", "algg":
            throw ApusError(
                .unsupported,
                "\(reader.name): file format '\(String(text.reversed()))' from before GGUF, wanted GGUF version 2 or 3")
        case "vers":
            throw reader.failure("is no GGUF file; it may be a Git LFS pointer, which names a file yet to be fetched")
        default:
            // A magic cut short by the end of the file is a truncated file, not another format.
            if "GGUF".hasPrefix(text) { throw reader.failure("ends inside the magic: \(size) bytes found") }
            let hex = found.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
            throw reader.failure("is no GGUF file: begins with bytes \(hex), wanted 47 47 55 46 ('GGUF')")
        }
    }

    private mutating func parseVersion() throws(ApusError) -> UInt32 {
        let version: UInt32 = try reader.integer("the version")
        switch version {
        case 2, 3: return version
        case 1:
            throw ApusError(.unsupported, "\(reader.name): GGUF version 1, wanted version 2 or 3")
        case _ where version & 0xFFFF == 0 && version != 0:
            throw ApusError(
                .unsupported, "\(reader.name): big-endian GGUF (version \(version.byteSwapped)), wanted little-endian")
        default:
            throw ApusError(.unsupported, "\(reader.name): GGUF version \(version), wanted version 2 or 3")
        }
    }

    private mutating func parseCount(_ what: String, limit: Int) throws(ApusError) -> Int {
        let count: UInt64 = try reader.integer("the \(what)")
        guard count <= UInt64(limit) else {
            throw reader.failure("\(what) is \(count), wanted at most \(limit)")
        }
        return Int(count)
    }

    // MARK: Metadata

    private mutating func parseMetadata(count: Int) throws(ApusError) -> Metadata {
        // A pair has at least a key's length, a character, a type and a byte.
        try reader.require(count * 14, "\(count) metadata pairs")
        var metadata = Metadata(source: reader.name)
        for index in 0..<count {
            let key = try parseName(limit: HeaderLimits.keyBytes, "metadata key \(index)")
            let type = try parseType("the type of metadata key \(ApusError.quoted(key))")
            let value = try parseValue(type, key: key)
            guard metadata.append(key, value) else {
                throw reader.failure("metadata key \(ApusError.quoted(key)) is there twice")
            }
        }
        return metadata
    }

    private mutating func parseType(_ what: @autoclosure () -> String) throws(ApusError) -> GGUFValueType {
        let number: UInt32 = try reader.integer(what())
        guard let type = GGUFValueType(rawValue: number) else {
            throw reader.failure("\(what()) is \(number), wanted 0 to \(GGUFValueType.float64.rawValue)")
        }
        return type
    }

    private mutating func parseValue(_ type: GGUFValueType, key: String) throws(ApusError) -> Metadata.Value {
        func what() -> String { "the value of metadata key \(ApusError.quoted(key))" }
        switch type {
        case .uint8: return try .uint8(reader.integer(what()))
        case .int8: return try .int8(reader.integer(what()))
        case .uint16: return try .uint16(reader.integer(what()))
        case .int16: return try .int16(reader.integer(what()))
        case .uint32: return try .uint32(reader.integer(what()))
        case .int32: return try .int32(reader.integer(what()))
        case .uint64: return try .uint64(reader.integer(what()))
        case .int64: return try .int64(reader.integer(what()))
        case .float32: return try .float32(Float(bitPattern: reader.integer(what())))
        case .float64: return try .float64(Double(bitPattern: reader.integer(what())))
        case .bool:
            let byte: UInt8 = try reader.integer(what())
            guard byte <= 1 else { throw reader.failure("\(what()) is bool \(byte), wanted 0 or 1") }
            return .bool(byte == 1)
        case .string:
            return .string(try parseText(what()))
        case .array: return try parseArray(key: key, depth: 1)
        }
    }

    private mutating func parseArray(key: String, depth: Int) throws(ApusError) -> Metadata.Value {
        func what() -> String { "the array of metadata key \(ApusError.quoted(key))" }
        let type = try parseType("the element type of \(what())")
        let found: UInt64 = try reader.integer("the count of \(what())")
        // The file could not hold more, even if every element were as short as can be.
        guard found <= UInt64(reader.remaining / type.leastByteCount) else {
            throw reader.failure("\(what()) has \(found) elements of type \(type); \(reader.remaining) bytes are left")
        }
        let count = Int(found)
        guard count <= elementsLeft else {
            throw reader.failure(
                "\(what()) has \(count) elements, wanted at most \(HeaderLimits.arrayElements) in all arrays")
        }
        elementsLeft -= count
        if type == .string { return .strings(try reader.strings(count, what())) }
        if type == .array {
            guard depth < HeaderLimits.arrayDepth, count <= nestedLeft else {
                throw ApusError(
                    .unsupported,
                    "\(reader.name): \(what()) is nested \(depth + 1) deep with \(count) arrays, "
                        + "wanted at most \(HeaderLimits.arrayDepth) deep and \(HeaderLimits.nestedArrays) arrays")
            }
            nestedLeft -= count
            var elements: [Metadata.Value] = []
            for _ in 0..<count { elements.append(try parseArray(key: key, depth: depth + 1)) }
            return .nested(elements)
        }
        let bytes = try reader.bytes(count * type.leastByteCount, what())
        if type == .bool, let wrong = bytes.first(where: { $0 > 1 }) {
            throw reader.failure("\(what()) holds bool \(wrong), wanted 0 or 1")
        }
        return .numbers(GGUFNumberArray(elementType: type, bytes: bytes))
    }

    // MARK: Tensors

    /// Parses the list; the tensors' offsets are still counted from the beginning of the data.
    private mutating func parseTensors(count: Int) throws(ApusError) -> [TensorInfo] {
        // A tensor has at least a name's length, a character, a dimension count, a dimension, a type and an offset.
        try reader.require(count * 33, "\(count) tensor descriptions")
        var tensors: [TensorInfo] = []
        tensors.reserveCapacity(count)
        var names = Set<NameKey>(minimumCapacity: count)
        for index in 0..<count {
            let tensor = try parseTensor(index)
            guard names.insert(NameKey(tensor.name)).inserted else {
                throw reader.failure("tensor \(ApusError.quoted(tensor.name)) is there twice")
            }
            tensors.append(tensor)
        }
        return tensors
    }

    private mutating func parseTensor(_ index: Int) throws(ApusError) -> TensorInfo {
        let name = try parseName(limit: HeaderLimits.nameBytes, "the name of tensor \(index)")
        func what() -> String { "tensor \(ApusError.quoted(name))" }
        let dimensions: UInt32 = try reader.integer("the dimension count of \(what())")
        guard (1...4).contains(dimensions) else {
            throw reader.failure("\(what()) has \(dimensions) dimensions, wanted 1 to 4")
        }
        var shape: [Int] = []
        shape.reserveCapacity(Int(dimensions))
        for _ in 0..<dimensions {
            let length: UInt64 = try reader.integer("the shape of \(what())")
            guard length >= 1, let length = Int(exactly: length) else {
                throw reader.failure("\(what()) has a dimension of \(length), wanted 1 to \(Int.max)")
            }
            shape.append(length)
        }
        let type = GGMLType(rawValue: try reader.integer("the type of \(what())"))
        let offset: UInt64 = try reader.integer("the offset of \(what())")
        if shape[0] % type.blockSize != 0 {
            throw reader.failure(
                "\(what()) of type \(type) has rows of \(shape[0]) values, wanted a multiple of \(type.blockSize)")
        }
        guard let (elements, byteCount) = TensorInfo.size(shape: shape, type: type) else {
            throw reader.failure("\(what()) of shape \(shape) overflows: its size exceeds 64 bits")
        }
        guard let offset = Int(exactly: offset) else {
            throw reader.failure("\(what()) is at offset \(offset), outside the file of \(size) bytes")
        }
        return TensorInfo(
            name: name, shape: shape, type: type, elementCount: elements, byteCount: byteCount, fileIndex: fileIndex,
            offset: offset)
    }

    /// The tensor with its offset counted from the beginning of the file, once that is known to lie inside.
    private func place(_ tensor: TensorInfo, dataStart: Int, alignment: Int) throws(ApusError) -> TensorInfo {
        func what() -> String { "tensor \(ApusError.quoted(tensor.name))" }
        guard tensor.offset % alignment == 0 else {
            throw reader.failure("\(what()) is at offset \(tensor.offset), wanted a multiple of \(alignment)")
        }
        let (offset, overflow) = tensor.offset.addingReportingOverflow(dataStart)
        guard !overflow, offset <= size, tensor.byteCount <= size - offset else {
            throw reader.failure(
                "\(what()) has \(tensor.byteCount) bytes at offset \(tensor.offset) of the data, which begins at byte "
                    + "\(dataStart): outside the file of \(size) bytes")
        }
        return TensorInfo(
            name: tensor.name, shape: tensor.shape, type: tensor.type, elementCount: tensor.elementCount,
            byteCount: tensor.byteCount, fileIndex: fileIndex, offset: offset)
    }

    private func checkOverlaps(_ tensors: [TensorInfo]) throws(ApusError) {
        let sorted = tensors.indices.sorted { tensors[$0].offset < tensors[$1].offset }
        for (first, second) in zip(sorted, sorted.dropFirst()) {
            let (first, second) = (tensors[first], tensors[second])
            if first.offset + first.byteCount > second.offset {
                throw reader.failure(
                    "tensors \(ApusError.quoted(first.name)) and \(ApusError.quoted(second.name)) overlap at byte "
                        + "\(second.offset)")
            }
        }
    }

    // MARK: Text

    /// A key or a name, which must be UTF-8 and not empty, since messages and look-ups depend on it.
    private mutating func parseName(limit: Int, _ what: @autoclosure () -> String) throws(ApusError) -> String {
        let bytes = try reader.string(limit: min(limit, nameBytesLeft), what())
        nameBytesLeft -= bytes.count
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let shown = ApusError.quoted(String(decoding: bytes.prefix(100), as: UTF8.self))
            throw reader.failure("\(what()) is \(shown), wanted UTF-8")
        }
        guard !text.isEmpty else { throw reader.failure("\(what()) is empty") }
        return text
    }

    /// A text value, in which bytes that are no UTF-8 become U+FFFD.
    private mutating func parseText(_ what: @autoclosure () -> String) throws(ApusError) -> String {
        let bytes = try reader.string(limit: textBytesLeft, what())
        textBytesLeft -= bytes.count
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        // Repair is slow and may triple the size.
        guard bytes.count <= repairBytesLeft else {
            throw reader.failure("\(what()) has \(bytes.count) bytes that are no UTF-8, wanted UTF-8")
        }
        repairBytesLeft -= bytes.count
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What a header may hold at most. All are far above any model's; they keep a hostile file from taking time and memory.
enum HeaderLimits {
    /// Real files have below 100.
    static let keys = 1 << 16
    /// Real files have below 10,000, of which each takes about 300 bytes of memory.
    static let tensors = 1 << 16
    /// The specification's limit.
    static let keyBytes = (1 << 16) - 1
    /// The specification says 64; forks of ggml have more.
    static let nameBytes = 1024
    /// Of all keys and names together.
    static let allNameBytes = 4 << 20
    /// Of all text values together. A chat template has some 10 kB, a whole `tokenizer.json` up to 40 MB.
    static let allTextBytes = 64 << 20
    /// Of all text values that are no UTF-8.
    static let repairedBytes = 1 << 20
    /// In all arrays together. 262,144 tokens with scores, types and merges make 1.3 million.
    static let arrayElements = 1 << 23
    static let nestedArrays = 1 << 16
    static let arrayDepth = 4
    static let defaultAlignment = 32
    /// The specification wants a multiple of 8.
    static let alignments = 8...(1 << 24)
}
