// The tables of types: the numbers and sizes that files on disk depend on.

import ApusGGUF
import Testing

@Suite struct TypeTests {
    @Test func everyTypeHasANameAndALayout() {
        #expect(GGMLType.all.count == 43)
        #expect(Set(GGMLType.all.map(\.name)).count == 43)
        for type in GGMLType.all {
            #expect(type.isKnown && type.blockSize > 0 && type.blockBytes > 0)
            #expect(GGMLType(name: type.name) == type)
        }
    }

    @Test func constantsAndTableAgree() {
        let constants: [(GGMLType, String)] = [
            (.f32, "F32"), (.f16, "F16"), (.q4_0, "Q4_0"), (.q4_1, "Q4_1"), (.q4_2, "Q4_2"), (.q4_3, "Q4_3"),
            (.q5_0, "Q5_0"), (.q5_1, "Q5_1"), (.q8_0, "Q8_0"), (.q8_1, "Q8_1"), (.q2_k, "Q2_K"), (.q3_k, "Q3_K"),
            (.q4_k, "Q4_K"), (.q5_k, "Q5_K"), (.q6_k, "Q6_K"), (.q8_k, "Q8_K"), (.iq2_xxs, "IQ2_XXS"),
            (.iq2_xs, "IQ2_XS"), (.iq3_xxs, "IQ3_XXS"), (.iq1_s, "IQ1_S"), (.iq4_nl, "IQ4_NL"), (.iq3_s, "IQ3_S"),
            (.iq2_s, "IQ2_S"), (.iq4_xs, "IQ4_XS"), (.i8, "I8"), (.i16, "I16"), (.i32, "I32"), (.i64, "I64"),
            (.f64, "F64"), (.iq1_m, "IQ1_M"), (.bf16, "BF16"), (.q4_0_4_4, "Q4_0_4_4"), (.q4_0_4_8, "Q4_0_4_8"),
            (.q4_0_8_8, "Q4_0_8_8"), (.tq1_0, "TQ1_0"), (.tq2_0, "TQ2_0"), (.iq4_nl_4_4, "IQ4_NL_4_4"),
            (.iq4_nl_4_8, "IQ4_NL_4_8"), (.iq4_nl_8_8, "IQ4_NL_8_8"), (.mxfp4, "MXFP4"), (.nvfp4, "NVFP4"),
            (.q1_0, "Q1_0"), (.q2_0, "Q2_0"),
        ]
        #expect(constants.map(\.0) == GGMLType.all)
        for (type, name) in constants { #expect(type.name == name) }
    }

    @Test func unknownNumbersStillHaveAName() {
        for number: UInt32 in [43, 99, .max] {
            let type = GGMLType(rawValue: number)
            #expect(type.name == "type \(number)" && !type.isKnown)
            #expect(type.blockSize == 1 && type.blockBytes == 0)
        }
        #expect(GGMLType(name: "type 99") == nil)
    }

    @Test func sizesAreChecked() {
        let size = TensorInfo.size
        #expect(size([64, 3], .q4_0).map { [$0.elements, $0.bytes] } == [192, 108])
        #expect(size([.max], .i8).map { $0.bytes } == .max)
        for shape in [[], [33], [0, 32], [32, -1], [1 << 32, 1 << 31]] {
            #expect(size(shape, .q4_0) == nil, "\(shape)")
        }
        #expect(size([.max], .f32) == nil)
        #expect(size([1 << 61], .f64) == nil)
    }

    @Test func errorsKeepToOneLine() {
        let text = "a\nb\u{1b}[31m\u{202e}\u{2028}" + String(repeating: "x", count: 200)
        let shown = ApusError.quoted(text)
        #expect(shown.hasPrefix("'a\\u{a}b\\u{1b}[31m\\u{202e}\\u{2028}xx"))
        #expect(shown.hasSuffix("x…'"))
        #expect(shown.count < 140)
        #expect(ApusError(.io, "m").description == "m")
        #expect(ApusError.Code.contextFull.description == "context full")
        #expect(Set([ApusError(.io, "m"), ApusError(.io, "m"), ApusError(.format, "m")]).count == 2)
    }
}
