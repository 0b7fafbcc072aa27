internal import ApusGGUF

/// Angles a position of the pairs of dimensions that turn, as the kernels read them.
final class Rotation: Sendable {
    /// How many pairs turn.
    let pairs: Int
    /// Factor of all cosines and sines.
    let magnitude: Float
    private let pages: Pages

    /// The frequencies, (pairs), in radians a position.
    var frequencies: UnsafePointer<Double> { UnsafePointer(pages.base.assumingMemoryBound(to: Double.self)) }

    /// Computes the frequencies.
    init(_ rope: RopeParameters, factors: [Float]?) throws(ApusError) {
        let frequencies = rope.inverseFrequencies(factors: factors)
        pairs = frequencies.count
        magnitude = Float(rope.magnitude)
        pages = try Pages(byteCount: pairs * MemoryLayout<Double>.stride, for: "the rotation's angles")
        pages.base.assumingMemoryBound(to: Double.self).update(from: frequencies, count: pairs)
    }
}

extension RopeParameters {
    /// The tensors that may hold factors of the frequencies: LongRoPE's for short contexts and for long ones, or one.
    var factorsNames: [String] {
        guard case .longRope = scaling else { return ["rope_freqs.weight"] }
        return ["rope_factors_short.weight", "rope_factors_long.weight"]
    }

    /// The one of them that is used.
    func factorsName(contextLength: Int) -> String {
        guard case .longRope(let originalContext) = scaling else { return factorsNames[0] }
        return factorsNames[contextLength > originalContext ? 1 : 0]
    }
}
