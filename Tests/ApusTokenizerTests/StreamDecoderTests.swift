// The stream decoder against the standard library's decoding of the whole.

import ApusTokenizer
import Testing

struct StreamDecoderTests {
    private static let pieces: [[UInt8]] = [
        Array("a".utf8), Array("é".utf8), Array("漢".utf8), Array("👍🏽".utf8), Array("\u{10FFFF}".utf8),
        [0x80], [0xBF], [0xC0], [0xC1], [0xC2], [0xE0], [0xE0, 0x80], [0xE0, 0xA0], [0xED, 0xA0], [0xED, 0x9F],
        [0xEF, 0xBF],
        [0xF0], [0xF0, 0x80], [0xF0, 0x90], [0xF0, 0x9F, 0x91], [0xF4, 0x90], [0xF4, 0x8F, 0xBF], [0xF5], [0xFF],
    ]

    @Test func everySplitGivesTheWhole() {
        var generator = Generator(seed: 7)
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...8, using: &generator) {
                bytes += Self.pieces.randomElement(using: &generator) ?? []
            }
            let whole = String(decoding: bytes, as: UTF8.self)
            var decoder = StreamDecoder()
            var raw = StreamDecoder()
            var text = ""
            var rawBytes: [UInt8] = []
            var start = 0
            while start < bytes.count {
                let end = Int.random(in: start...bytes.count, using: &generator)
                let part = decoder.append(Array(bytes[start..<end]))
                text += part
                rawBytes += raw.appendBytes(Array(bytes[start..<end]))
                start = end
                // What is out is a beginning of the whole: no half character was given out as U+FFFD.
                #expect(whole.unicodeScalars.starts(with: text.unicodeScalars), "\(bytes), \(start)")
            }
            text += decoder.finish()
            rawBytes += raw.finishBytes()
            #expect(text.unicodeScalars.elementsEqual(whole.unicodeScalars), "\(bytes)")
            #expect(rawBytes == bytes)
            #expect(!decoder.hasPending)
        }
    }

    @Test func holdsBackNoMoreThanItMust() {
        var decoder = StreamDecoder()
        #expect(decoder.append([0xF0, 0x9F]) == "")
        #expect(decoder.hasPending)
        #expect(decoder.append([0x98]) == "")
        #expect(decoder.append([0x80, 0x61]) == "😀a")
        #expect(!decoder.hasPending)
        // Nothing can complete these: they are given out at once.
        #expect(decoder.append([0xFF]) == "\u{FFFD}")
        #expect(decoder.append([0xE0]) == "")
        #expect(decoder.append([0x80]) == "\u{FFFD}\u{FFFD}")
        #expect(decoder.append([0xC3]) == "")
        #expect(decoder.finish() == "\u{FFFD}")
        #expect(decoder.finish() == "")
    }

    @Test(
        arguments: [
            ("", nil), ("abc", nil), ("é漢😀", nil),
        ] as [(String, Int?)])
    func validTextHasNoFault(text: String, offset: Int?) {
        #expect(firstInvalidUTF8Offset(in: Array(text.utf8)) == offset)
    }

    @Test func faultsAreFound() {
        #expect(firstInvalidUTF8Offset(in: [0x61, 0xFF]) == 1)
        #expect(firstInvalidUTF8Offset(in: [0xC3]) == 0)
        #expect(firstInvalidUTF8Offset(in: [0xC3, 0xA9, 0xED, 0xA0, 0x80]) == 2)
        #expect(firstInvalidUTF8Offset(in: [0xF4, 0x90, 0x80, 0x80]) == 0)
        #expect(firstInvalidUTF8Offset(in: [0xC0, 0x80]) == 0)
    }
}

/// A small generator of random numbers, the same on every run (SplitMix64).
struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
