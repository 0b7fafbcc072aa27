// Files made to break a reader: figures that overflow, point outside or ask for memory, and the holes of others.

import ApusGGUF
import Testing

@Suite struct HostileTensorTests {
    private func file(
        shape: [UInt64], dimensions: UInt32? = nil, type: GGMLType = .f32, offset: UInt64 = 0, data: Int = 64
    ) -> RawFile {
        var file = RawFile()
        file.add(tensor: "victim", dimensions: dimensions, shape: shape, type: type.rawValue, offset: offset)
        file.data = [UInt8](repeating: 0, count: data)
        return file
    }

    private func refuse(_ file: RawFile, _ part: String, location: SourceLocation = #_sourceLocation) {
        failure(mentioning: "raw.gguf", "'victim'", part, code: .format, location: location) {
            () throws(ApusError) in try file.open()
        }
    }

    /// llama.cpp added up padded tensor sizes without a check: the sum wrapped round to a small allocation.
    @Test("CVE-2025-53630: tensor sizes whose sum overflows") func cve2025_53630() {
        // Four tensors of 2^62 bytes add up to 2^64 = 0. Each alone is below the limit of a signed 64-bit size.
        var sum = RawFile()
        for index in 0..<4 as Range<UInt64> {
            sum.add(tensor: "t\(index)", shape: [1 << 60], type: 0, offset: index << 62)
        }
        sum.data = [UInt8](repeating: 0, count: 64)
        failure(mentioning: "raw.gguf", "outside the file", code: .format) { () throws(ApusError) in try sum.open() }

        // A size so near to 2^64 that padding it up to the alignment wraps.
        refuse(file(shape: [.max - 30], type: .i8), "dimension")
        refuse(file(shape: [(1 << 63) - 1], type: .i8), "outside the file")
        refuse(file(shape: [1 << 62], type: .f32), "overflows")
        refuse(file(shape: [1 << 32, 1 << 32], type: .f32), "overflows")
        refuse(file(shape: [1 << 21, 1 << 21, 1 << 21, 2], type: .q8_0), "overflows")
        refuse(file(shape: [1 << 16, 1 << 16, 1 << 16, 1 << 16], type: .f32), "overflows")
        // The product is small again after it has wrapped: 2^33 * 2^31 * 1 * 16 = 2^68.
        refuse(file(shape: [1 << 33, 1 << 31, 1, 16], type: .f16), "overflows")
    }

    /// The bypass of that fix: the sum held, but adding the bookkeeping of the tensors to it wrapped.
    @Test("CVE-2026-27940: tensor sizes whose sum with the overhead overflows") func cve2026_27940() {
        for shape: UInt64 in [.max, .max - 31, .max - 1023, (1 << 63) + 1, (1 << 63) - 1, (1 << 63) - 1024] {
            var file = file(shape: [shape], type: .i8)
            failure(mentioning: "'victim'") { () throws(ApusError) in try file.open() }
            file.add(tensor: "second", shape: [64], type: 24, offset: 0)
            failure(mentioning: "'victim'") { () throws(ApusError) in try file.open() }
        }
        // The count of tensors times their overhead is what overflows here.
        for count: UInt64 in [.max, .max / 368 + 1, 1 << 60, 1 << 32, 1 << 16 + 1] {
            var file = file(shape: [16])
            file.tensorCount = count
            failure(mentioning: "raw.gguf", "\(count)", code: .format) { () throws(ApusError) in try file.open() }
        }
    }

    /// Data that the header places beyond the file's end was read from whatever lay there in memory.
    @Test("CVE-2026-7482: tensor offset and size beyond the file") func cve2026_7482() throws {
        _ = try file(shape: [16], data: 64).open()
        refuse(file(shape: [17], data: 64), "outside the file")
        refuse(file(shape: [16], offset: 32, data: 64), "outside the file")
        refuse(file(shape: [16], data: 63), "outside the file")
        refuse(file(shape: [16], offset: 1 << 40), "outside the file")
        refuse(file(shape: [1 << 40]), "outside the file")
        // Offsets that wrap when the data's beginning or the size is added.
        for offset: UInt64 in [.max - 31, .max, 1 << 63, (1 << 63) - 32, (1 << 63) - 64] {
            let wrong = file(shape: [16], offset: offset)
            failure(mentioning: "'victim'", "\(offset)") { () throws(ApusError) in try wrong.open() }
        }
        // A tensor without any data in the file at all.
        refuse(file(shape: [1], data: 0), "outside the file")
    }

    @Test func dimensions() {
        refuse(file(shape: [], dimensions: 0), "0 dimensions, wanted 1 to 4")
        refuse(file(shape: [1, 1, 1, 1, 1]), "5 dimensions")
        refuse(file(shape: [1], dimensions: .max), "4294967295 dimensions")
        refuse(file(shape: [0]), "dimension of 0")
        refuse(file(shape: [4, 0, 4]), "dimension of 0")
        refuse(file(shape: [1 << 63]), "9223372036854775808")
    }

    @Test func rowsAreWholeBlocks() {
        refuse(file(shape: [33, 2], type: .q4_0), "33 values, wanted a multiple of 32")
        // The product is a multiple of the block size, the row is not.
        refuse(file(shape: [16, 2], type: .q8_0), "16 values, wanted a multiple of 32")
        refuse(file(shape: [128], type: .q4_k), "128 values, wanted a multiple of 256")
    }

    @Test func offsetsAreAligned() {
        for offset: UInt64 in [1, 4, 16, 31] {
            refuse(file(shape: [1], offset: offset), "offset \(offset), wanted a multiple of 32")
        }
    }

    @Test func tensorsDoNotOverlap() throws {
        var file = RawFile()
        file.data = [UInt8](repeating: 0, count: 128)
        file.add(tensor: "second", shape: [8], offset: 64)
        file.add(tensor: "first", shape: [16], offset: 0)
        _ = try file.open()
        var overlapping = file
        overlapping.add(tensor: "third", shape: [1], offset: 32)
        failure(mentioning: "'first'", "'third'", "overlap", code: .format) { () throws(ApusError) in
            try overlapping.open()
        }
        var same = file
        same.add(tensor: "third", shape: [1], offset: 64)
        failure(mentioning: "'second'", "'third'", "overlap") { () throws(ApusError) in try same.open() }
    }

    @Test func namesAreUniqueShortAndText() {
        var twice = file(shape: [1])
        twice.add(tensor: "victim", shape: [1], offset: 32)
        refuse(twice, "twice")
        for (name, part) in [
            (RawFile.string(""), "empty"), (RawFile.string([0xff, 0x41]), "UTF-8"),
            (RawFile.string([UInt8](repeating: 0x61, count: 1025)), "1025 bytes, wanted at most 1024"),
            (RawFile.string("x", length: 1 << 31), "2147483648"), (RawFile.string("x", length: .max), "\(UInt64.max)"),
        ] {
            var file = RawFile()
            file.add(tensor: name, shape: [1])
            file.data = [UInt8](repeating: 0, count: 2048)
            failure(mentioning: "raw.gguf", "tensor 0", part, code: .format) { () throws(ApusError) in try file.open() }
        }
    }

    /// A type that ggml does not have is listed, for `apus inspect` to say so; the engine refuses it.
    @Test func unknownTypesAreListed() throws {
        let file = try file(shape: [7, 2], type: GGMLType(rawValue: 99)).open()
        #expect(file.tensors[0].type.name == "type 99")
        #expect(file.tensors[0].elementCount == 14)
        #expect(file.tensors[0].byteCount == 0 && file.tensors[0].rowBytes == 0)
        #expect(try file.bytes(of: file.tensors[0]) == [])
    }
}

@Suite struct HostileMetadataTests {
    private func refuse(
        _ parts: String, code: ApusError.Code = .format, location: SourceLocation = #_sourceLocation,
        _ change: (inout RawFile) -> Void
    ) {
        var file = RawFile()
        change(&file)
        failure(mentioning: "raw.gguf", parts, code: code, location: location) { () throws(ApusError) in
            try file.open()
        }
    }

    @Test func stringsOf2GB() {
        for length: UInt64 in [1 << 31, (1 << 31) - 1, 1 << 32, 1 << 62, 1 << 63, .max, .max - 7] {
            refuse("'k'") { $0.add("k", .string, RawFile.string("x", length: length)) }
            refuse("\(length)") { $0.add(key: RawFile.string("x", length: length), type: 0, value: [1]) }
            refuse("string 1 of the array of metadata key 'k'") {
                $0.add("k", array: 8, count: 2, RawFile.string("a") + RawFile.string("b", length: length))
            }
        }
    }

    @Test func countsBeyondTheFile() {
        for count: UInt64 in [100, 1 << 31, 1 << 32, 1 << 61, 1 << 62, 1 << 63, .max] {
            for type: UInt32 in [0, 1, 4, 6, 7, 8, 10, 12, 9] {
                refuse("'k'") { $0.add("k", array: type, count: count, [0, 0]) }
            }
            refuse("metadata") { $0.keyCount = count }
            refuse("tensor") { $0.tensorCount = count }
        }
        // As many elements as fit the file, but more than any model has.
        refuse("wanted at most 8388608") { $0.add("k", array: 0, count: 8_388_609, noise(8_388_609, seed: 1)) }
    }

    @Test func countsBeyondTheContent() {
        // The file is large enough for what is claimed, so what follows is read as a pair or a tensor.
        refuse("metadata key 1 is empty") {
            $0.add("k", .uint8, [1])
            $0.keyCount = 2
            $0.data = [UInt8](repeating: 0, count: 64)
        }
        refuse("the name of tensor 1 is empty") {
            $0.add(tensor: "t", shape: [1])
            $0.tensorCount = 2
            $0.data = [UInt8](repeating: 0, count: 64)
        }
        // And too small.
        refuse("ends inside 20 metadata pairs") {
            $0.add("k", .uint8, [1])
            $0.keyCount = 20
        }
        refuse("ends inside 20 tensor descriptions") {
            $0.add(tensor: "t", shape: [1])
            $0.tensorCount = 20
        }
    }

    @Test func typesOutOfRange() {
        for type: UInt32 in [13, 255, .max] {
            refuse("type of metadata key 'k' is \(type), wanted 0 to 12") {
                $0.add(key: RawFile.string("k"), type: type, value: [0])
            }
            refuse("'k' is \(type), wanted 0 to 12") { $0.add("k", array: type, count: 1, [0]) }
        }
    }

    @Test func booleansOutOfRange() {
        refuse("'k' is bool 2, wanted 0 or 1") { $0.add("k", .bool, [2]) }
        refuse("'k' holds bool 255, wanted 0 or 1") { $0.add("k", array: 7, count: 3, [0, 1, 255]) }
    }

    @Test func keysAreUniqueShortAndText() {
        refuse("'a.key' is there twice") {
            $0.add("a.key", .uint8, [1])
            $0.add("b", .uint8, [1])
            $0.add("a.key", .string, RawFile.string("x"))
        }
        refuse("is empty") { $0.add("", .uint8, [1]) }
        refuse("wanted UTF-8") { $0.add(key: RawFile.string([0x61, 0xc3]), type: 0, value: [1]) }
        refuse("65536 bytes, wanted at most 65535") { file in
            file.add(String(repeating: "k", count: 1 << 16), .uint8, [1])
        }
        // A name cannot break the line of a message, nor reach the terminal.
        refuse("'a\\u{a}\\u{1b}[2J' is there twice") {
            $0.add("a\n\u{1b}[2J", .uint8, [1])
            $0.add("a\n\u{1b}[2J", .uint8, [1])
        }
    }

    /// Text whose Unicode normal form takes quadratic time: hashing this key as a `String` would take seconds.
    @Test func keysOfCombiningMarks() throws {
        let marks = String(repeating: "\u{301}\u{323}", count: 16_000)
        var file = RawFile()
        for index in 0..<32 { file.add("\(index)" + marks, .uint8, [1]) }
        let short = String(repeating: "\u{301}\u{323}", count: 250)
        for index in 0..<32 {
            file.add(tensor: "\(index)" + short, shape: [1], type: 24, offset: UInt64(index) * 32)
        }
        file.data = [UInt8](repeating: 0, count: 1024)
        var opened: GGUFFile?
        let time = try ContinuousClock().measure { opened = try file.open() }
        #expect(time < .seconds(10))
        #expect(opened?.metadata["7" + marks] == .uint8(1))
        // Names are bytes: these two are the same text to Unicode, but not the same key.
        var forms = RawFile()
        forms.add("\u{e9}", .uint8, [1])
        forms.add("e\u{301}", .uint8, [2])
        let metadata = try forms.open().metadata
        #expect(metadata["\u{e9}"] == .uint8(1) && metadata["e\u{301}"] == .uint8(2))
    }

    @Test func textThatIsNotUTF8() throws {
        var file = RawFile()
        file.add("k", .string, RawFile.string([0x61, 0xff, 0xf0, 0x9f, 0x62]))
        #expect(try file.open().metadata.string("k") == "a\u{fffd}\u{fffd}b")
        refuse("'k' has 1048577 bytes that are no UTF-8") {
            $0.add("k", .string, RawFile.string([UInt8](repeating: 0xff, count: (1 << 20) + 1)))
        }
        var long = RawFile()
        long.add("k", .string, RawFile.string([UInt8](repeating: 0x61, count: 4 << 20)))
        #expect(try long.open().metadata.string("k").utf8.count == 4 << 20)
    }

    @Test func namesHaveALimitInAll() {
        refuse("metadata key 64 has 65535 bytes, wanted at most") { file in
            for index in 0..<65 {
                let key = String(index)
                file.add(key + String(repeating: "k", count: 65_535 - key.utf8.count), .uint8, [1])
            }
        }
    }

    @Test func nestedArraysHaveALimit() throws {
        func nested(_ depth: Int) -> RawFile {
            var elements = RawFile.integer(0 as UInt32) + RawFile.integer(1 as UInt64) + [7]
            for _ in 2..<max(depth, 2) {
                elements = RawFile.integer(9 as UInt32) + RawFile.integer(1 as UInt64) + elements
            }
            var file = RawFile()
            file.add("k", array: 9, count: 1, elements)
            return file
        }
        _ = try nested(4).open()
        for depth in [5, 6, 10_000] {
            failure(mentioning: "'k'", "deep", code: .unsupported) { () throws(ApusError) in try nested(depth).open() }
        }
        // Many small arrays: each costs far more memory than the 12 bytes that it has in the file.
        let one = RawFile.integer(0 as UInt32) + RawFile.integer(0 as UInt64)
        refuse("65536 arrays", code: .unsupported) { file in
            file.add("k", array: 9, count: 65_537, Array(repeatElement(one, count: 65_537).joined()))
        }
    }

    @Test func alignment() throws {
        for alignment: UInt32 in [0, 1, 4, 7, 24, 33, 1 << 25, .max] {
            refuse("'general.alignment' is uint32 \(alignment), wanted a power of two") {
                $0.add("general.alignment", .uint32, RawFile.integer(alignment))
            }
        }
        refuse("'general.alignment' is string '32'") { $0.add("general.alignment", .string, RawFile.string("32")) }
        refuse("'general.alignment' is int32 -32") {
            $0.add("general.alignment", .int32, RawFile.integer(-32 as Int32))
        }
        refuse("general.alignment") { $0.add("general.alignment", .uint64, RawFile.integer(UInt64.max)) }
        for alignment: UInt32 in [8, 16, 32, 1 << 16, 1 << 24] {
            var file = RawFile()
            file.add("general.alignment", .uint32, RawFile.integer(alignment))
            #expect(try file.open().alignment == Int(alignment))
        }
    }

    @Test func magicAndVersion() {
        refuse("begins with bytes 50 4b 03 04") { $0.magic = [0x50, 0x4b, 3, 4] }
        refuse("Git LFS") { $0.magic = Array("version https://git-lfs".utf8) }
        refuse("'ggjt' from before GGUF", code: .unsupported) { $0.magic = Array("tjgg".utf8) }
        refuse("'ggml' from before GGUF", code: .unsupported) { $0.magic = Array("lmgg".utf8) }
        refuse("big-endian", code: .unsupported) { $0.magic = Array("FUGG".utf8) }
        for (version, text) in [
            (0, "version 0, wanted"), (1, "version 1, wanted"), (4, "version 4, wanted"), (1 << 24, "big-endian"),
            (2 << 24, "big-endian"), (3 << 24, "big-endian"), (.max, "version 4294967295"),
        ] as [(UInt32, String)] {
            refuse(text, code: .unsupported) { $0.version = version }
        }
    }
}
