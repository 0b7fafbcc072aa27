// From a token's text to its id: a hash table over the bytes of the vocabulary, without a String for each token.

import ApusGGUF

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// The hash of a token's text, byte by byte, so that the hash of a text that comes in parts needs no copy (FNV-1a).
struct TextHash {
    private var state: UInt64

    /// Begins a hash.
    ///
    /// - Parameter seed: A random number, one for a table, so that no file can hold texts that all fall on one place.
    init(seed: UInt64) { state = 0xCBF2_9CE4_8422_2325 ^ seed }

    /// Takes the next bytes of the text.
    @inline(__always)
    mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    }

    /// The hash of the bytes so far. FNV's low bits are weak for short texts; the multiplication mixes them upwards.
    @inline(__always)
    var value: UInt32 { UInt32(truncatingIfNeeded: (state &* 0x9E37_79B9_7F4A_7C15) >> 32) }
}

/// The place of a text in the memory of the tokens, which is below 4 GB.
struct TextRange: Sendable {
    let start: UInt32
    let count: UInt32

    init(_ tokens: GGUFStringArray, _ index: Int) {
        let range = tokens.range(at: index)
        start = UInt32(range.lowerBound)
        count = UInt32(range.count)
    }

    /// The bytes of the text.
    @inline(__always)
    func bytes(_ blob: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: blob[Int(start)..<Int(start) + Int(count)])
    }
}

/// A hash table with open addressing from texts to ids; of tokens with the same text it holds the first.
struct TokenIndex: Sendable {
    /// The hash in the upper half, id + 1 in the lower; 0 is free. At most two thirds are taken.
    private let slots: [UInt64]
    /// Where each text lies in the memory of the tokens; a copy, so that a look-up calls no other module.
    private let ranges: [TextRange]
    private let seed = UInt64.random(in: .min ... .max)
    /// The second of the first two tokens with the same text, if there are such.
    let firstDuplicate: Int32?

    /// Makes the table.
    ///
    /// - Complexity: O(n) in the bytes of all tokens.
    init(_ tokens: GGUFStringArray) {
        let ranges = tokens.indices.map { TextRange(tokens, $0) }
        var slots = [UInt64](repeating: 0, count: tableCapacity(for: tokens.count))
        var firstDuplicate: Int32?
        let seed = seed
        slots.withUnsafeMutableBufferPointer { slots in
            tokens.withUnsafeBytes { blob in
                let mask = slots.count - 1
                for id in ranges.indices {
                    let text = ranges[id].bytes(blob)
                    var hash = TextHash(seed: seed)
                    hash.combine(text)
                    let tag = UInt64(hash.value) << 32
                    var index = Int(hash.value) & mask
                    while slots[index] != 0 {
                        let other = Int(slots[index] & 0xFFFF_FFFF) - 1
                        if slots[index] & ~0xFFFF_FFFF == tag, equal(text, ranges[other].bytes(blob)) { break }
                        index = (index + 1) & mask
                    }
                    if slots[index] == 0 {
                        slots[index] = tag | UInt64(id + 1)
                    } else if firstDuplicate == nil {
                        firstDuplicate = Int32(id)
                    }
                }
            }
        }
        self.slots = slots
        self.ranges = ranges
        self.firstDuplicate = firstDuplicate
    }

    /// Calls `body` with a way to look up many texts fast.
    ///
    /// - Parameter tokens: The tokens that the table was made of.
    func withLookup<Result>(_ tokens: GGUFStringArray, _ body: (Lookup) -> Result) -> Result {
        slots.withUnsafeBufferPointer { slots in
            ranges.withUnsafeBufferPointer { ranges in
                tokens.withUnsafeBytes { blob in body(Lookup(slots: slots, ranges: ranges, blob: blob, seed: seed)) }
            }
        }
    }

    /// The table while its memory is pinned.
    struct Lookup {
        fileprivate let slots: UnsafeBufferPointer<UInt64>
        fileprivate let ranges: UnsafeBufferPointer<TextRange>
        fileprivate let blob: UnsafeRawBufferPointer
        /// What hashes for `id(of:_:hash:)` begin with.
        let seed: UInt64

        /// The id of the token whose text is `first` followed by `second`, or -1.
        @inline(__always)
        func id(of first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, hash: UInt32) -> Int32 {
            let mask = slots.count - 1
            var index = Int(hash) & mask
            while slots[index] != 0 {
                if UInt32(truncatingIfNeeded: slots[index] >> 32) == hash {
                    let id = Int(slots[index] & 0xFFFF_FFFF) - 1
                    let text = ranges[id].bytes(blob)
                    if text.count == first.count + second.count,
                        equal(first, UnsafeRawBufferPointer(rebasing: text[..<first.count])),
                        equal(second, UnsafeRawBufferPointer(rebasing: text[first.count...]))
                    {
                        return Int32(truncatingIfNeeded: id)
                    }
                }
                index = (index + 1) & mask
            }
            return -1
        }

        /// The id of the token of a text, or -1.
        func id(of text: UnsafeRawBufferPointer) -> Int32 {
            var hash = TextHash(seed: seed)
            hash.combine(text)
            return id(of: text, UnsafeRawBufferPointer(start: nil, count: 0), hash: hash.value)
        }
    }
}

/// A power of two of which `count` entries take at most two thirds.
func tableCapacity(for count: Int) -> Int {
    var capacity = 4
    while capacity < count + count / 2 + 1 { capacity *= 2 }
    return capacity
}

@inline(__always)
private func equal(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Bool {
    guard first.count == second.count else { return false }
    guard let one = first.baseAddress, let other = second.baseAddress else { return true }
    return memcmp(one, other, first.count) == 0
}
