// The random generator behind sampling: xoshiro256** 1.0, seeded through SplitMix64.

/// The xoshiro256** generator of David Blackman and Sebastiano Vigna.
///
/// 256 bits of state, period 2^256 - 1, integer arithmetic only: the same seed gives the same numbers on every
/// machine. It is not for cryptography. Algorithm and constants are those of https://prng.di.unimi.it
/// (`xoshiro256starstar.c` and `splitmix64.c`, both in the public domain); described in "Scrambled linear
/// pseudorandom number generators", ACM TOMS 47 (2021).
public struct Xoshiro256StarStar: RandomNumberGenerator, Sendable, Hashable {
    private var s0: UInt64
    private var s1: UInt64
    private var s2: UInt64
    private var s3: UInt64

    /// Fills the state with four outputs of SplitMix64, as the authors recommend: similar seeds then give unrelated
    /// streams, and no seed gives the forbidden all-zero state.
    ///
    /// - Parameter seed: Any value.
    public init(seed: UInt64) {
        var splitMix = SplitMix64(state: seed)
        (s0, s1, s2, s3) = (splitMix.next(), splitMix.next(), splitMix.next(), splitMix.next())
    }

    /// Continues from a given state.
    ///
    /// - Parameter state: The four state words; all zero, from which the generator could never leave, counts as seed 0.
    public init(state: (UInt64, UInt64, UInt64, UInt64)) {
        self.init(seed: 0)
        if state.0 | state.1 | state.2 | state.3 != 0 {
            (s0, s1, s2, s3) = state
        }
    }

    /// The next 64 random bits.
    public mutating func next() -> UInt64 {
        let result = rotateLeft(s1 &* 5, 7) &* 9
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = rotateLeft(s3, 45)
        return result
    }

    /// The next value in 0 ..< 1: the 53 high bits of `next()`, the most that a `Double` holds evenly spaced.
    public mutating func nextUnit() -> Double {
        Double(next() >> 11) * 0x1p-53
    }
}

/// SplitMix64, which only turns a seed into the state of the generator above.
package struct SplitMix64: Sendable {
    private var state: UInt64

    package init(state: UInt64) {
        self.state = state
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

private func rotateLeft(_ value: UInt64, _ count: UInt64) -> UInt64 {
    (value << count) | (value >> (64 - count))
}
