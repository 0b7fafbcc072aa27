public import ApusGGUF
internal import CKernels

/// Measures what the machine can do at this moment: the roofs that speeds are held against.
///
/// The probes run on the kernels' team, on `ComputeThread`. Not for several threads at once.
public final class MachineProbe {
    /// What the machine can do a second, as measured.
    public struct Roofs: Sendable, Hashable {
        /// Bytes that are read from memory, over the whole time of the measurement; 0 when it could not be measured.
        public var bytes: Double
        /// The same in the fastest of its samples, some milliseconds long.
        public var fastestBytes: Double
        /// Multiply-adds of int8; 0 when it was not wanted.
        public var int8MACs: Double
        /// Multiply-adds of bf16; 0 when it was not wanted, or the processor has none of its own.
        public var bf16MACs: Double
        /// Multiply-adds of f32.
        public var floatMACs: Double

        /// Roofs.
        ///
        /// - Parameters:
        ///   - bytes: Bytes that are read from memory.
        ///   - fastestBytes: The same in the fastest sample.
        ///   - int8MACs: Multiply-adds of int8.
        ///   - bf16MACs: Multiply-adds of bf16.
        ///   - floatMACs: Multiply-adds of f32.
        public init(bytes: Double, fastestBytes: Double, int8MACs: Double, bf16MACs: Double, floatMACs: Double) {
            self.bytes = bytes
            self.fastestBytes = fastestBytes
            self.int8MACs = int8MACs
            self.bf16MACs = bf16MACs
            self.floatMACs = floatMACs
        }
    }

    /// Bytes of the memory that is read, which stays taken as long as the probe lives.
    public let bufferBytes: Int

    private let buffer: OpaquePointer

    /// Takes memory that no cache holds, in huge pages where the system gives them.
    ///
    /// - Throws: `ApusError` with code `outOfMemory`.
    public init() throws(ApusError) {
        bufferBytes = max(256 << 20, 4 * apus_cache_bytes(3))
        guard let buffer = apus_probe_buffer_create(bufferBytes, true) else {
            throw ApusError(.outOfMemory, "no memory to measure the bandwidth with: \(bufferBytes) bytes")
        }
        self.buffer = buffer
    }

    deinit { apus_probe_buffer_free(buffer) }

    /// Measures: memory for 0.2 s, since what others leave of it changes from one hundredth of a second to the next,
    /// everything else for some hundredths; half a second more with a new number of threads.
    ///
    /// - Parameters:
    ///   - threads: How many threads compute and read.
    ///   - work: What is to be held against the roofs: arithmetic that it has none of is not measured.
    /// - Returns: The roofs of all threads together, with the kernels in use.
    public func measure(threads: Int, for work: DecoderCost.Work) -> Roofs {
        let isa = apus_isa_active()
        func macs(_ kind: apus_probe) -> Double { apus_probe_compute(kind, isa, Int32(threads), 0.02) }
        return ComputeThread.shared.run {
            let read = apus_probe_buffer_read(buffer, Int32(threads), 0.2)
            return Roofs(
                bytes: read.sustained, fastestBytes: read.fastest,
                int8MACs: work.int8MACs > 0 ? macs(APUS_PROBE_INT8_DOT) : 0,
                bf16MACs: work.bf16MACs > 0 ? macs(APUS_PROBE_BF16_DOT) : 0, floatMACs: macs(APUS_PROBE_F32_FMA))
        }
    }
}
