// A GGUF file put together byte by byte, so that a test can lie in any field.

import ApusGGUF

/// Builds files that a sound writer would refuse to write.
struct RawFile {
    var magic = Array("GGUF".utf8)
    var version: UInt32 = 3
    /// What the header claims; nil for the truth.
    var tensorCount: UInt64?
    var keyCount: UInt64?
    var alignment = 32
    var data: [UInt8] = []

    private var keys: [[UInt8]] = []
    private var tensors: [[UInt8]] = []

    static func integer(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    static func string(_ bytes: [UInt8], length: UInt64? = nil) -> [UInt8] {
        integer(length ?? UInt64(bytes.count)) + bytes
    }

    static func string(_ text: String, length: UInt64? = nil) -> [UInt8] {
        string(Array(text.utf8), length: length)
    }

    /// Adds a pair of which the value's bytes are given as they shall stand in the file.
    mutating func add(key: [UInt8], type: UInt32, value: [UInt8]) {
        keys.append(key + Self.integer(type) + value)
    }

    mutating func add(_ key: String, _ type: GGUFValueType, _ value: [UInt8]) {
        add(key: Self.string(key), type: type.rawValue, value: value)
    }

    mutating func add(_ key: String, array type: UInt32, count: UInt64, _ elements: [UInt8]) {
        add(key, .array, Self.integer(type) + Self.integer(count) + elements)
    }

    mutating func add(
        tensor name: [UInt8], dimensions: UInt32? = nil, shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0
    ) {
        tensors.append(
            name + Self.integer(dimensions ?? UInt32(shape.count)) + shape.flatMap { Self.integer($0) }
                + Self.integer(type) + Self.integer(offset))
    }

    mutating func add(
        tensor name: String, dimensions: UInt32? = nil, shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0
    ) {
        add(tensor: Self.string(name), dimensions: dimensions, shape: shape, type: type, offset: offset)
    }

    var header: [UInt8] {
        magic + Self.integer(version) + Self.integer(tensorCount ?? UInt64(tensors.count))
            + Self.integer(keyCount ?? UInt64(keys.count)) + keys.flatMap { $0 } + tensors.flatMap { $0 }
    }

    var bytes: [UInt8] {
        let header = header
        return header + [UInt8](repeating: 0, count: (alignment - header.count % alignment) % alignment) + data
    }

    /// Opens the file from memory.
    func open() throws(ApusError) -> GGUFFile {
        try GGUFFile(bytes: bytes, name: "raw.gguf")
    }
}

/// A small sound file with a value of every type and three tensors.
func sampleWriter(version: Int = 3, alignment: Int = 32) throws -> GGUFWriter {
    var writer = try GGUFWriter(version: version, alignment: alignment)
    for (key, value) in sampleMetadata { writer.set(key, value) }
    try writer.addTensor("a.weight", shape: [64, 3], type: .q4_0, data: noise(108, seed: 1))
    try writer.addTensor("b.bias", shape: [5], type: .f32, data: noise(20, seed: 2))
    try writer.addTensor("c", shape: [2, 3, 2, 2], type: .f16, data: noise(48, seed: 3))
    return writer
}

let sampleMetadata: [(key: String, value: Metadata.Value)] = [
    ("general.architecture", .string("test")),
    ("u8", .uint8(.max)), ("i8", .int8(.min)), ("u16", .uint16(.max)), ("i16", .int16(.min)),
    ("u32", .uint32(.max)), ("i32", .int32(.min)), ("u64", .uint64(.max)), ("i64", .int64(.min)),
    ("f32", .float32(1e-5)), ("f64", .float64(0.1)), ("yes", .bool(true)), ("no", .bool(false)),
    ("text", .string("Grüße 🦙")), ("empty", .string("")),
    ("strings", .strings(GGUFStringArray(["", "Ġthe", "🦙🦙"]))),
    ("bytes", .strings(GGUFStringArray(bytes: [[0xff], [0xf0, 0x9f], []]))),
    ("u8s", .numbers(GGUFNumberArray([1, 2, 255] as [UInt8]))),
    ("i32s", .numbers(GGUFNumberArray([.min, 0, .max] as [Int32]))),
    ("u64s", .numbers(GGUFNumberArray([.max] as [UInt64]))),
    ("f32s", .numbers(GGUFNumberArray([0.5, -.infinity] as [Float]))),
    ("f64s", .numbers(GGUFNumberArray([0.1] as [Double]))),
    ("bools", .numbers(GGUFNumberArray([true, false]))),
    ("none", .numbers(GGUFNumberArray([] as [Int32]))),
    ("nested", .nested([.numbers(GGUFNumberArray([1, 2] as [Int16])), .strings(GGUFStringArray(["x"]))])),
]

/// The sample file's bytes.
func sampleBytes() throws -> [UInt8] {
    let folder = try TemporaryFolder()
    try sampleWriter().write(to: folder("sample.gguf"))
    return try contents(folder("sample.gguf"))
}
