// The exponential that sampling uses: plain multiplications and additions, so that every machine draws the same token.

/// Namespace of the arithmetic behind the samplers.
///
/// `exp` of the C library differs in the last bit between libraries and versions, and a probability that differs in
/// the last bit can move a draw to another token. This one is a fixed sequence of IEEE 754 single-precision operations
/// without fused multiply-add (Swift never contracts), so its bits are the same everywhere.
package enum SamplingMath {
    /// e^x for x ≤ 0, within 2 units in the last place of the result; 0 below -87.3, where the result would not be a
    /// normal number any more, and for -infinity.
    @inline(__always)
    package static func expOfNonPositive(_ x: Float) -> Float {
        // x = n·ln 2 + r with |r| ≤ ln 2 / 2. Adding 1.5·2^23 rounds to the nearest integer, without a call to libm
        // on machines that lack a rounding instruction. ln 2 is split in two so that n·high is exact (Cody and Waite).
        let clamped = max(x, -87.5)
        let shifted = clamped * 1.442_695_1 + 12_582_912
        let n = shifted - 12_582_912
        let r = (clamped - n * 0.693_359_375) + n * 2.121_944_4e-4
        // The Taylor polynomial of degree 7 in Horner's form: its truncation at |r| = 0.347 is 0.347^8 / 8! = 5e-9,
        // a tenth of a unit in the last place.
        var p: Float = 1.984_127e-4
        p = p * r + 1.388_888_9e-3
        p = p * r + 8.333_334e-3
        p = p * r + 4.166_666_8e-2
        p = p * r + 1.666_666_7e-1
        p = p * r + 0.5
        p = p * r + 1
        p = p * r + 1
        // The low bits of `shifted` hold n; moved to the exponent field they multiply p by 2^n.
        let exponent = (shifted.bitPattern &- 0x4B40_0000) << 23
        let result = Float(bitPattern: p.bitPattern &+ exponent)
        return x < -87.3 ? 0 : result
    }
}

extension SamplingMath {
    /// The sum in double precision, always added in the same order.
    static func sum(_ values: ArraySlice<Float>) -> Double {
        values.withUnsafeBufferPointer { values in
            sum(values.count) { Double(values[$0]) }
        }
    }

    /// The sum of the terms 0 ..< count, always added in the same order: four sums of every fourth term, then these.
    @inline(__always)
    static func sum(_ count: Int, _ term: (Int) -> Double) -> Double {
        var a = 0.0
        var b = 0.0
        var c = 0.0
        var d = 0.0
        var i = 0
        while i + 4 <= count {
            a += term(i)
            b += term(i + 1)
            c += term(i + 2)
            d += term(i + 3)
            i += 4
        }
        while i < count {
            a += term(i)
            i += 1
        }
        return (a + b) + (c + d)
    }
}
