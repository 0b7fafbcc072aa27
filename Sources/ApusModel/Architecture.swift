public import ApusGGUF

/// A family of decoders: reads the file's metadata into a `DecoderSpec`. One file in `Architectures/` and one line in
/// `Architectures.all` each.
public protocol Architecture: Sendable {
    /// The values of `general.architecture` that it reads.
    static var names: [String] { get }

    /// Describes the model.
    ///
    /// - Parameters:
    ///   - metadata: The file's.
    ///   - name: The value of `general.architecture`, which prefixes the fields' names.
    /// - Returns: The description, each number within the limits that the decoder relies on.
    /// - Throws: `ApusError` that names the field, the value found and the value wanted.
    static func spec(_ metadata: Metadata, name: String) throws(ApusError) -> DecoderSpec
}

/// The registry of architectures.
public enum Architectures {
    /// All that are supported.
    public static let all: [any Architecture.Type] = [
        Llama.self,
        Qwen2.self,
        Qwen3.self,
        Gemma3.self,
        Phi3.self,
        SmolLM3.self,
    ]

    /// The names of all that are supported.
    public static var names: [String] { all.flatMap { $0.names } }

    /// Describes the model of a file.
    ///
    /// - Parameter metadata: The file's.
    /// - Returns: The description by the architecture that the file names.
    /// - Throws: `ApusError` with code `unsupported` for an unknown architecture, or what the architecture throws.
    public static func spec(_ metadata: Metadata) throws(ApusError) -> DecoderSpec {
        let name = try metadata.string("general.architecture")
        guard let architecture = all.first(where: { $0.names.contains(name) }) else {
            throw ApusError(
                .unsupported,
                "general.architecture is \(ApusError.quoted(name)), supported: \(names.joined(separator: ", "))")
        }
        return try architecture.spec(metadata, name: name)
    }
}

extension DecoderSpec {
    /// The most elements that one dimension may have: keeps every product of two in 64 bits and tiles in 32.
    static let maxDimension = 1 << 24

    /// Reads the fields that all architectures share.
    ///
    /// - Parameters:
    ///   - metadata: The file's.
    ///   - prefix: The architecture's name.
    /// - Throws: `ApusError` that names the field, the value found and the value wanted.
    public init(_ metadata: Metadata, prefix: String) throws(ApusError) {
        try metadata.refuse(prefix)
        let sizes = 1...Self.maxDimension
        dim = try metadata.int("\(prefix).embedding_length", in: sizes)
        layers = try metadata.int("\(prefix).block_count", in: 1...1024)
        heads = try metadata.sameInLayers("\(prefix).attention.head_count", layers, in: 1...65536)
        kvHeads = try metadata.optionalSameInLayers("\(prefix).attention.head_count_kv", layers, in: 1...heads) ?? heads
        guard heads.isMultiple(of: kvHeads) else {
            throw ApusError(
                .format, "\(prefix).attention.head_count_kv is \(kvHeads), wanted: a divisor of the \(heads) heads")
        }
        let headSizes = 1...4096
        headDim = try metadata.optionalInt("\(prefix).attention.key_length", in: headSizes) ?? dim / heads
        valueDim = try metadata.optionalInt("\(prefix).attention.value_length", in: headSizes) ?? dim / heads
        guard headSizes.contains(headDim), headSizes.contains(valueDim) else {
            throw ApusError(
                .format,
                "\(prefix).attention.head_count is \(heads) for an embedding_length of \(dim), wanted: heads of 1 to 4096"
            )
        }
        hiddenDim = try metadata.sameInLayers("\(prefix).feed_forward_length", layers, in: sizes)
        contextLength = try metadata.int("\(prefix).context_length", in: 1...Int(Int32.max))
        let epsilon = try metadata.float("\(prefix).attention.layer_norm_rms_epsilon")
        guard epsilon >= 0, epsilon < 1 else {
            throw ApusError(
                .format, "\(prefix).attention.layer_norm_rms_epsilon is \(epsilon), wanted: at least 0 and below 1")
        }
        normEpsilon = epsilon
        let cap = try metadata.finite("\(prefix).final_logit_softcapping") ?? 0
        guard cap >= 0 else {
            throw ApusError(.format, "\(prefix).final_logit_softcapping is \(cap), wanted: at least 0")
        }
        logitCap = Float(cap)
        rope = try RopeParameters(metadata, prefix: prefix, headDim: headDim, contextLength: contextLength)
        attentionScale = 1 / Float(headDim).squareRoot()
    }
}

extension Metadata {
    /// Refuses what changes the forward pass in a way that no architecture here knows.
    fileprivate func refuse(_ prefix: String) throws(ApusError) {
        let experts = try optionalInt("\(prefix).expert_count") ?? 0
        guard experts == 0 else {
            throw ApusError(.unsupported, "\(prefix).expert_count is \(experts), supported: 0 (no mixture of experts)")
        }
        guard try optionalBool("\(prefix).attention.causal") ?? true else {
            throw ApusError(.unsupported, "\(prefix).attention.causal is false, supported: true (no embedding models)")
        }
        let cap = try finite("\(prefix).attn_logit_softcapping") ?? 0
        guard cap == 0 else {
            throw ApusError(.unsupported, "\(prefix).attn_logit_softcapping is \(cap), supported: 0 (no cap of scores)")
        }
    }

    /// An integer that files give once or, all the same, once a layer.
    func sameInLayers(_ key: String, _ layers: Int, in range: ClosedRange<Int>) throws(ApusError) -> Int {
        if let value = try optionalSameInLayers(key, layers, in: range) { return value }
        return try int(key, in: range)  // which says that it is missing
    }

    /// An integer that files give once or, all the same, once a layer; nil when the field is absent.
    func optionalSameInLayers(
        _ key: String, _ layers: Int, in range: ClosedRange<Int>
    ) throws(ApusError) -> Int? {
        guard self[key]?.elementCount != nil else { return try optionalInt(key, in: range) }
        let values = try intArray(key, count: layers)
        guard let first = values.first, range.contains(first) else {
            throw mismatch(key, wanted: "integers in \(range.lowerBound)...\(range.upperBound)")
        }
        if let layer = values.firstIndex(where: { $0 != first }) {
            throw ApusError(
                .unsupported,
                "\(key) is \(first) in layer 0 and \(values[layer]) in layer \(layer), supported: the same in all")
        }
        return first
    }

    /// Which layers have a window: files list them, or give a number of which the last layer of every so many has none.
    ///
    /// - Parameters:
    ///   - prefix: The architecture's name.
    ///   - layers: How many layers there are.
    ///   - defaultPattern: The number when the file has neither.
    /// - Returns: Whether each layer has a window, (layers).
    /// - Throws: `ApusError` that names the field, the value found and the value wanted.
    func windowedLayers(_ prefix: String, layers: Int, defaultPattern: Int) throws(ApusError) -> [Bool] {
        let key = "\(prefix).attention.sliding_window_pattern"
        switch self[key]?.elementType {
        case .bool: return try optionalBoolArray(key, count: layers) ?? []
        case .some: return try intArray(key, count: layers).map { $0 != 0 }
        case nil:
            let pattern = try optionalInt(key, in: 0...Int(Int32.max)) ?? defaultPattern
            return (0..<layers).map { pattern == 0 || $0 % pattern < pattern - 1 }
        }
    }
}
