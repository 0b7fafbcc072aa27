// A sound file, damaged everywhere: cut at every byte, every header byte changed. An error or a file, never a trap.

import ApusGGUF
import Testing

@Suite struct DamagedFileTests {
    /// The sample file and where its tensor data ends, without padding.
    private static let sample = Result<(bytes: [UInt8], header: Int, end: Int), any Error> {
        let bytes = try sampleBytes()
        let file = try GGUFFile(bytes: bytes)
        return (bytes, file.headerBytes, try #require(file.tensors.map { $0.offset + $0.byteCount }.max()))
    }

    @Test func truncatedAtEveryByte() throws {
        let (bytes, _, end) = try Self.sample.get()
        #expect(bytes.count > 1000)
        for length in 0..<end {
            let error = failure(mentioning: "memory") { () throws(ApusError) in
                try GGUFFile(bytes: Array(bytes[..<length]))
            }
            #expect(error?.code == .format, "cut at \(length): \(String(describing: error))")
        }
        // Only padding is missing.
        for length in end...bytes.count { _ = try GGUFFile(bytes: Array(bytes[..<length])) }
    }

    @Test func truncatedOnDisk() throws {
        let (bytes, _, end) = try Self.sample.get()
        let folder = try TemporaryFolder()
        for length in stride(from: 0, to: end, by: 13) {
            let path = try folder.file("cut.gguf", Array(bytes[..<length]))
            failure(mentioning: path, code: .format) { () throws(ApusError) in try GGUFFile(path: path) }
        }
    }

    @Test func everyHeaderByteChanged() throws {
        let (bytes, header, _) = try Self.sample.get()
        var errors = 0
        for index in 0..<header {
            let old = bytes[index]
            for new in Set([0, 1, 0x7f, 0x80, 0xff, old ^ 1, old ^ 0x80, old &+ 1, old &- 1]) where new != old {
                var damaged = bytes
                damaged[index] = new
                do throws(ApusError) {
                    let file = try GGUFFile(bytes: damaged)
                    use(file)
                } catch {
                    errors += 1
                    #expect(error.code == .format || error.code == .unsupported, "byte \(index) = \(new): \(error)")
                    #expect(!error.message.unicodeScalars.contains { $0.value < 32 })
                }
            }
        }
        #expect(errors > header)
    }

    /// Eight bytes at once, since counts, lengths and offsets are that wide.
    @Test func everyWordChanged() throws {
        let (bytes, header, _) = try Self.sample.get()
        let values: [UInt64] = [
            .max, .max - 7, .max - 31, 1 << 63, (1 << 63) - 1, 1 << 62, 1 << 61, 1 << 40, 1 << 32, (1 << 32) - 1,
            1 << 31,
            0,
        ]
        for index in 0..<header - 8 {
            for value in values {
                var damaged = bytes
                damaged.replaceSubrange(index..<index + 8, with: RawFile.integer(value))
                #expect(survives { () throws(ApusError) in use(try GGUFFile(bytes: damaged)) })
            }
        }
    }

    @Test func noiseBehindTheMagic() throws {
        let start = Array("GGUF".utf8) + RawFile.integer(3 as UInt32) + RawFile.integer(2 as UInt64)
        for seed in 0..<500 as Range<UInt64> {
            let bytes = start + RawFile.integer(seed % 5) + noise(400, seed: seed)
            #expect(survives { () throws(ApusError) in use(try GGUFFile(bytes: bytes)) })
        }
    }

    /// Touches all that a file has, as `apus inspect` would.
    private func use(_ file: GGUFFile) {
        for (key, value) in file.metadata.entries {
            #expect(!value.description.isEmpty && !value.typeDescription.isEmpty)
            #expect(survives { () throws(ApusError) in try file.metadata.int(key) })
            #expect(survives { () throws(ApusError) in try file.metadata.float(key) })
            #expect(survives { () throws(ApusError) in try file.metadata.string(key) })
            #expect(survives { () throws(ApusError) in try file.metadata.intArray(key) })
            #expect(survives { () throws(ApusError) in try file.metadata.floatArray(key) })
            #expect(survives { () throws(ApusError) in try file.metadata.stringArray(key) })
        }
        for tensor in file.tensors {
            #expect(tensor.rowCount * tensor.rowBytes == tensor.byteCount)
            #expect(survives { () throws(ApusError) in try file.bytes(of: tensor) })
        }
    }
}
