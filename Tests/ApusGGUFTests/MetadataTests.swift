// Typed look-ups: the value whatever its width, or an error that names key, found and wanted.

import ApusGGUF
import Testing

@Suite struct MetadataTests {
    private let metadata = Metadata(sampleMetadata, source: "m.gguf")

    @Test func integersOfAnyWidth() throws {
        #expect(try metadata.int("u8") == 255)
        #expect(try metadata.int("i8") == -128)
        #expect(try metadata.int("u16") == 65_535)
        #expect(try metadata.int("i16") == -32_768)
        #expect(try metadata.int("u32") == 4_294_967_295)
        #expect(try metadata.int("i32") == -2_147_483_648)
        #expect(try metadata.int("i64") == .min)
        #expect(try metadata.optionalInt("missing") == nil)
        #expect(try metadata.int("u8", in: 0...255) == 255)
    }

    @Test func otherScalars() throws {
        #expect(try metadata.float("f32") == 1e-5)
        #expect(try metadata.float("f64") == 0.1)
        #expect(try metadata.bool("yes") && !metadata.bool("no"))
        #expect(try metadata.string("text") == "Grüße 🦙")
        #expect(try metadata.string("empty").isEmpty)
        #expect(try metadata.optionalFloat("missing") == nil)
        #expect(try metadata.optionalBool("missing") == nil)
        #expect(try metadata.optionalString("missing") == nil)
    }

    @Test func arrays() throws {
        #expect(try metadata.intArray("u8s") == [1, 2, 255])
        #expect(try metadata.intArray("i32s", count: 3) == [-2_147_483_648, 0, 2_147_483_647])
        #expect(try metadata.optionalInt32Array("u8s") == [1, 2, 255])
        #expect(try metadata.floatArray("f32s") == [0.5, -.infinity])
        #expect(try metadata.floatArray("f64s") == [0.1])
        #expect(try metadata.optionalBoolArray("bools") == [true, false])
        #expect(try Array(metadata.stringArray("strings")) == ["", "Ġthe", "🦙🦙"])
        for key in ["none", "missing"] {
            #expect(try metadata.optionalIntArray(key) ?? [] == [])
            #expect(try metadata.optionalFloatArray(key) ?? [] == [])
            #expect(try metadata.optionalStringArray(key).map { $0.count } ?? 0 == 0)
        }
    }

    @Test func errorsNameKeyFoundAndWanted() {
        failure(mentioning: "m.gguf", "no metadata key 'missing'", "wanted an integer", code: .format) {
            () throws(ApusError) in try metadata.int("missing")
        }
        failure(mentioning: "'text' is string 'Grüße 🦙', wanted an integer") { () throws(ApusError) in
            try metadata.int("text")
        }
        failure(mentioning: "'u8' is uint8 255, wanted an integer in 1...200") { () throws(ApusError) in
            try metadata.int("u8", in: 1...200)
        }
        failure(mentioning: "'i8' is int8 -128, wanted an integer of at least 0") { () throws(ApusError) in
            try metadata.optionalInt("i8", in: 0 ... .max)
        }
        failure(mentioning: "'u64' is uint64 18446744073709551615") { () throws(ApusError) in
            try metadata.optionalInt("u64")
        }
        failure(mentioning: "'u8' is uint8 255, wanted a finite float") { () throws(ApusError) in
            try metadata.float("u8")
        }
        failure(mentioning: "'u8' is uint8 255, wanted a string") { () throws(ApusError) in try metadata.string("u8") }
        failure(mentioning: "'u8' is uint8 255, wanted a bool") { () throws(ApusError) in try metadata.bool("u8") }
        failure(mentioning: "'strings' is array of 3 string, wanted an array of integers") { () throws(ApusError) in
            try metadata.intArray("strings")
        }
        failure(mentioning: "'u8s' is array of 3 uint8, wanted an array of 4 integers") { () throws(ApusError) in
            try metadata.intArray("u8s", count: 4)
        }
        failure(mentioning: "'u64s' is array of 1 uint64") { () throws(ApusError) in try metadata.intArray("u64s") }
        failure(mentioning: "'f32s'", "32-bit integers") { () throws(ApusError) in
            try metadata.optionalInt32Array("f32s")
        }
        failure(mentioning: "'strings' is array of 3 string, wanted an array of 4 strings") { () throws(ApusError) in
            try metadata.stringArray("strings", count: 4)
        }
        failure(mentioning: "no metadata key 'x', wanted an array of 4 floats") { () throws(ApusError) in
            try metadata.floatArray("x", count: 4)
        }
        failure(mentioning: "'none'", "wanted an array of 1 strings") { () throws(ApusError) in
            try metadata.stringArray("none", count: 1)
        }
    }

    @Test func floatsAreFinite() {
        let values: [Metadata.Value] = [
            .float32(.nan), .float32(.infinity), .float64(-.infinity), .float64(.nan), .float64(1e300),
        ]
        for value in values {
            failure(mentioning: "'f' is", "wanted a finite float") { () throws(ApusError) in
                try Metadata([("f", value)]).float("f")
            }
        }
    }

    @Test func orderAndDuplicates() {
        let metadata = Metadata([("b", .uint8(1)), ("a", .uint8(2)), ("b", .uint8(3))])
        #expect(metadata.entries.map(\.key) == ["b", "a"])
        #expect(metadata["b"] == .uint8(1))
        #expect(metadata["c"] == nil)
    }

    @Test func stringArraysKeepBytes() throws {
        let bytes: [[UInt8]] = [[], [0xff], Array("🦙".utf8), [0xf0, 0x9f], [0]]
        let array = GGUFStringArray(bytes: bytes)
        #expect(array.count == 5)
        #expect(array.indices.map { array.bytes(at: $0) } == bytes)
        #expect(array.indices.map { array.byteCount(at: $0) } == bytes.map(\.count))
        #expect(array.indices.map { array.withBytes(at: $0) { Array($0) } } == bytes)
        #expect(array.withUnsafeBytes { all in array.indices.map { Array(all[array.range(at: $0)]) } } == bytes)
        #expect(Array(array) == ["", "\u{fffd}", "🦙", "\u{fffd}", "\0"])
        #expect(GGUFStringArray([]).isEmpty)
        #expect(array == GGUFStringArray(bytes: bytes) && array != GGUFStringArray(bytes: bytes.dropLast()))
    }

    @Test func numberArraysKeepTheirType() {
        #expect(GGUFNumberArray([1] as [Int8]).elementType == .int8)
        #expect(GGUFNumberArray([1] as [UInt16]).elementType == .uint16)
        #expect(GGUFNumberArray([1] as [Int]).elementType == .int64)
        #expect(GGUFNumberArray([1] as [Float]).elementType == .float32)
        #expect(GGUFNumberArray([300, 1] as [UInt16]).integers(as: UInt8.self) == nil)
        #expect(GGUFNumberArray([-1] as [Int32]).integers(as: UInt32.self) == nil)
        #expect(GGUFNumberArray([-1, 5] as [Int64]).integers(as: Int8.self) == [-1, 5])
        #expect(GGUFNumberArray([1.5] as [Double]).floats() == [1.5])
        #expect(GGUFNumberArray([1] as [Int8]).floats() == nil)
        #expect(GGUFNumberArray([1] as [Int8]).booleans() == nil)
    }

    @Test func valuesDescribeThemselves() {
        #expect(Metadata.Value.uint64(.max).description == "18446744073709551615")
        #expect(Metadata.Value.string("a\nb").description == "'a\\u{a}b'")
        #expect(
            Metadata.Value.numbers(GGUFNumberArray((0..<20).map { UInt8($0) })).description
                == "[0, 1, 2, 3, 4, 5, 6, 7, … (20)]")
        #expect(Metadata.Value.strings(GGUFStringArray(["a", "b"])).description == "['a', 'b']")
        #expect(Metadata.Value.bool(true).typeDescription == "bool")
        #expect(Metadata.Value.strings(GGUFStringArray(["a"])).typeDescription == "array of 1 string")
    }
}
