internal import CKernels

extension DecoderWeights {
    /// Tells models apart: a hash over shapes, rotation, and pieces of the weights from everywhere.
    ///
    /// Equal for the same file on every machine, as packed weights are. A fine-tune differs in nearly all of its weights.
    ///
    /// - Complexity: Reads a quarter of a megabyte.
    package var fingerprint: UInt64 {
        var hash = APUS_HASH_START
        func add(_ values: UnsafeRawPointer, bytes: Int) {
            hash = apus_hash_floats(hash, values.assumingMemoryBound(to: Float.self), bytes / 4)
        }
        let shape = [
            vocabularySize, parameterCount, spec.dim, spec.layers, spec.heads, spec.kvHeads, spec.headDim,
            spec.valueDim,
            spec.hiddenDim, spec.window, KVCache.pageBytes(spec), byteCount,
        ].map(Int64.init)
        shape.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { add(base, bytes: bytes.count) }
        }
        for rotation in [rotation, windowRotation].compactMap(\.self) {
            add(rotation.frequencies, bytes: rotation.pairs * MemoryLayout<Double>.stride)
        }
        let (pieces, bytes) = (64, 4096)
        let last = max(0, byteCount - bytes)
        for piece in 0..<pieces {
            // Whole words, evenly spread; products that no size of memory makes too large.
            let offset = last / (pieces - 1) * piece / 64 * 64
            add(pages.base + offset, bytes: min(bytes, byteCount - offset) / 4 * 4)
        }
        return hash
    }
}
