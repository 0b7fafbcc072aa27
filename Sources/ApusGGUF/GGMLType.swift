// Every tensor type that ggml ever gave a number: its name and the size of its blocks, nothing about the engine.

/// A ggml tensor type, by the number that GGUF files store.
///
/// All numbers are representable: one that is not in the table is called `type 99` and has no layout, so that a
/// tool can still list the file. Which types can be computed with is the engine's business, not this type's.
public struct GGMLType: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The number in the file.
    public let rawValue: UInt32

    /// Makes a type from its number in the file; any number will do.
    ///
    /// - Parameter rawValue: The number in the file.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The type of a name such as `Q4_K`, or nil when ggml has none of that name.
    ///
    /// - Parameter name: ggml's name, in capitals.
    public init?(name: String) {
        guard let index = Self.layouts.firstIndex(where: { $0.name == name }) else { return nil }
        self.rawValue = UInt32(index)
    }

    /// ggml's name in capitals, such as `Q4_K`, or `type 99` for a number that ggml never gave out.
    public var name: String { layout?.name ?? "type \(rawValue)" }

    /// The number of values in a block; 1 for an unknown type. Never 0.
    public var blockSize: Int { layout?.values ?? 1 }

    /// The size of a block in bytes; 0 for an unknown type.
    public var blockBytes: Int { layout?.bytes ?? 0 }

    /// Whether ggml ever gave the number out, so that the sizes of blocks are known.
    public var isKnown: Bool { layout != nil }

    /// The name.
    public var description: String { name }

    /// All types that ggml ever gave a number, in the order of their numbers.
    public static var all: [GGMLType] { layouts.indices.map { GGMLType(rawValue: UInt32($0)) } }

    private var layout: Layout? {
        rawValue < UInt32(Self.layouts.count) ? Self.layouts[Int(rawValue)] : nil
    }

    private struct Layout: Sendable {
        let name: String
        /// Values in a block.
        let values: Int
        let bytes: Int

        init(_ name: String, _ values: Int, _ bytes: Int) {
            self.name = name
            self.values = values
            self.bytes = bytes
        }
    }

    /// The table: the index is the number in the file. Removed types keep their number and the size they had.
    private static let layouts: [Layout] = [
        Layout("F32", 1, 4),  // 0
        Layout("F16", 1, 2),
        Layout("Q4_0", 32, 18),
        Layout("Q4_1", 32, 20),
        Layout("Q4_2", 16, 10),  // removed before GGUF
        Layout("Q4_3", 16, 12),  // removed before GGUF
        Layout("Q5_0", 32, 22),
        Layout("Q5_1", 32, 24),
        Layout("Q8_0", 32, 34),
        Layout("Q8_1", 32, 40),  // activations only: two f32 (later f16) beside the values; 40 is what `gguf` writes
        Layout("Q2_K", 256, 84),  // 10
        Layout("Q3_K", 256, 110),
        Layout("Q4_K", 256, 144),
        Layout("Q5_K", 256, 176),
        Layout("Q6_K", 256, 210),
        Layout("Q8_K", 256, 292),  // activations only
        Layout("IQ2_XXS", 256, 66),
        Layout("IQ2_XS", 256, 74),
        Layout("IQ3_XXS", 256, 98),
        Layout("IQ1_S", 256, 50),
        Layout("IQ4_NL", 32, 18),  // 20
        Layout("IQ3_S", 256, 110),
        Layout("IQ2_S", 256, 82),
        Layout("IQ4_XS", 256, 136),
        Layout("I8", 1, 1),
        Layout("I16", 1, 2),
        Layout("I32", 1, 4),
        Layout("I64", 1, 8),
        Layout("F64", 1, 8),
        Layout("IQ1_M", 256, 56),
        Layout("BF16", 1, 2),  // 30
        Layout("Q4_0_4_4", 32, 18),  // removed: Q4_0 with rows interleaved in the file
        Layout("Q4_0_4_8", 32, 18),  // removed
        Layout("Q4_0_8_8", 32, 18),  // removed
        Layout("TQ1_0", 256, 54),
        Layout("TQ2_0", 256, 66),
        Layout("IQ4_NL_4_4", 32, 18),  // removed
        Layout("IQ4_NL_4_8", 32, 18),  // removed
        Layout("IQ4_NL_8_8", 32, 18),  // removed
        Layout("MXFP4", 32, 17),
        Layout("NVFP4", 64, 36),  // 40
        Layout("Q1_0", 128, 18),
        Layout("Q2_0", 64, 18),
    ]
}

extension GGMLType {
    /// 32-bit float.
    public static let f32 = GGMLType(rawValue: 0)
    /// 16-bit float.
    public static let f16 = GGMLType(rawValue: 1)
    /// 4 bits, a scale per 32 values.
    public static let q4_0 = GGMLType(rawValue: 2)
    /// 4 bits, a scale and a minimum per 32 values.
    public static let q4_1 = GGMLType(rawValue: 3)
    /// 4 bits, a scale per 16 values; removed before GGUF.
    public static let q4_2 = GGMLType(rawValue: 4)
    /// 4 bits, a scale and a minimum per 16 values; removed before GGUF.
    public static let q4_3 = GGMLType(rawValue: 5)
    /// 5 bits, a scale per 32 values.
    public static let q5_0 = GGMLType(rawValue: 6)
    /// 5 bits, a scale and a minimum per 32 values.
    public static let q5_1 = GGMLType(rawValue: 7)
    /// 8 bits, a scale per 32 values.
    public static let q8_0 = GGMLType(rawValue: 8)
    /// 8 bits, a scale and a sum per 32 values; for activations.
    public static let q8_1 = GGMLType(rawValue: 9)
    /// 2-bit K-quant, super-blocks of 256.
    public static let q2_k = GGMLType(rawValue: 10)
    /// 3-bit K-quant, super-blocks of 256.
    public static let q3_k = GGMLType(rawValue: 11)
    /// 4-bit K-quant, super-blocks of 256.
    public static let q4_k = GGMLType(rawValue: 12)
    /// 5-bit K-quant, super-blocks of 256.
    public static let q5_k = GGMLType(rawValue: 13)
    /// 6-bit K-quant, super-blocks of 256.
    public static let q6_k = GGMLType(rawValue: 14)
    /// 8-bit K-quant; for activations.
    public static let q8_k = GGMLType(rawValue: 15)
    /// 2.06 bits a weight, from a codebook.
    public static let iq2_xxs = GGMLType(rawValue: 16)
    /// 2.31 bits a weight, from a codebook.
    public static let iq2_xs = GGMLType(rawValue: 17)
    /// 3.06 bits a weight, from a codebook.
    public static let iq3_xxs = GGMLType(rawValue: 18)
    /// 1.56 bits a weight, from a codebook.
    public static let iq1_s = GGMLType(rawValue: 19)
    /// 4 bits through a table of 16 values, blocks of 32.
    public static let iq4_nl = GGMLType(rawValue: 20)
    /// 3.44 bits a weight, from a codebook.
    public static let iq3_s = GGMLType(rawValue: 21)
    /// 2.56 bits a weight, from a codebook.
    public static let iq2_s = GGMLType(rawValue: 22)
    /// 4 bits through a table of 16 values, super-blocks of 256.
    public static let iq4_xs = GGMLType(rawValue: 23)
    /// 8-bit integer.
    public static let i8 = GGMLType(rawValue: 24)
    /// 16-bit integer.
    public static let i16 = GGMLType(rawValue: 25)
    /// 32-bit integer.
    public static let i32 = GGMLType(rawValue: 26)
    /// 64-bit integer.
    public static let i64 = GGMLType(rawValue: 27)
    /// 64-bit float.
    public static let f64 = GGMLType(rawValue: 28)
    /// 1.75 bits a weight, from a codebook.
    public static let iq1_m = GGMLType(rawValue: 29)
    /// Brain float: the upper half of a 32-bit float.
    public static let bf16 = GGMLType(rawValue: 30)
    /// Q4_0 interleaved for NEON; removed.
    public static let q4_0_4_4 = GGMLType(rawValue: 31)
    /// Q4_0 interleaved for NEON i8mm; removed.
    public static let q4_0_4_8 = GGMLType(rawValue: 32)
    /// Q4_0 interleaved for SVE and AVX2; removed.
    public static let q4_0_8_8 = GGMLType(rawValue: 33)
    /// Ternary, 1.69 bits a weight.
    public static let tq1_0 = GGMLType(rawValue: 34)
    /// Ternary, 2.06 bits a weight.
    public static let tq2_0 = GGMLType(rawValue: 35)
    /// IQ4_NL interleaved by 4 rows of 4; removed.
    public static let iq4_nl_4_4 = GGMLType(rawValue: 36)
    /// IQ4_NL interleaved by 4 rows of 8; removed.
    public static let iq4_nl_4_8 = GGMLType(rawValue: 37)
    /// IQ4_NL interleaved by 8 rows of 8; removed.
    public static let iq4_nl_8_8 = GGMLType(rawValue: 38)
    /// 4-bit floats, a power-of-two scale per 32 values.
    public static let mxfp4 = GGMLType(rawValue: 39)
    /// 4-bit floats, an 8-bit float scale per 16 values, four of these to a block.
    public static let nvfp4 = GGMLType(rawValue: 40)
    /// 1 bit, a scale per 128 values.
    public static let q1_0 = GGMLType(rawValue: 41)
    /// 2 bits, a scale per 64 values.
    public static let q2_0 = GGMLType(rawValue: 42)
}
