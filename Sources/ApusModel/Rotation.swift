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
    /// The tensor that holds factors of the frequencies, if the file has one.
    func factorsName(contextLength: Int) -> String {
        guard case .longRope(let originalContext) = scaling else { return "rope_freqs.weight" }
        return contextLength > originalContext ? "rope_factors_long.weight" : "rope_factors_short.weight"
    }
}
