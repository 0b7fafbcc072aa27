public import ApusGGUF
internal import CKernels

/// The kernels' variants: which ones the machine has and which one is in use.
public enum InstructionSet {
    /// The names of those that this machine can run, slowest first.
    public static var available: [String] {
        (0..<APUS_ISA_COUNT.rawValue).map { apus_isa($0) }.filter { apus_isa_available($0) }
            .map { String(cString: apus_isa_name($0)) }
    }

    /// The name of the one in use.
    public static var active: String { String(cString: apus_isa_name(apus_isa_active())) }

    /// Selects one, before any model is loaded.
    ///
    /// - Parameter name: One of `available`; nil for what the environment variable `APUS_ISA` says, or the best one.
    /// - Throws: `ApusError` with code `unsupported` that lists what the machine has.
    public static func select(_ name: String? = nil) throws(ApusError) {
        var message = [CChar](repeating: 0, count: 256)
        let found = message.withUnsafeMutableBufferPointer { apus_isa_select(name, $0.baseAddress, $0.count) }
        guard found else {
            let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw ApusError(.unsupported, String(decoding: bytes, as: UTF8.self))
        }
    }

    /// Processors that this process may use: by its affinity mask and the CPU quota of its control groups.
    public static var processorCount: Int { Int(apus_cpu_count()) }

    /// What the team of threads runs on: "openmp" or "pthreads".
    public static var teamBackend: String { String(cString: apus_team_backend()) }
}

/// The most threads that a model can run on.
public let maxThreads = Int(APUS_MAX_THREADS)
