internal import CKernels

/// A hash over the bits of logits: equal hashes mean equal logits, for all that anybody will meet.
public struct LogitsHash: Sendable, Hashable, CustomStringConvertible {
    /// The hash so far.
    public private(set) var value: UInt64 = APUS_HASH_START

    /// The hash of nothing.
    public init() {}

    /// Adds logits.
    ///
    /// - Parameter logits: The next ones, in order.
    public mutating func combine(_ logits: UnsafeMutableBufferPointer<Float>) {
        value = apus_hash_floats(value, logits.baseAddress, logits.count)
    }

    /// 16 hexadecimal digits.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
