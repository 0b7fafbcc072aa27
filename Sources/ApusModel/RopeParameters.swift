public import ApusGGUF

#if canImport(Darwin)
    internal import Darwin
#else
    internal import Glibc
#endif

/// Rotary position encoding: which dimensions turn, and how fast (Su et al. 2021, arXiv:2104.09864).
public struct RopeParameters: Sendable, Hashable {
    /// Dimensions of a head that turn, from the first on; even.
    public var dimensions: Int
    /// The base of the frequencies: pair i turns by `theta^(-2i / dimensions)` a position.
    public var theta: Double
    /// How the frequencies are stretched to contexts longer than those of training.
    public var scaling = Scaling.none

    /// A factor of the magnitude of cosines and sines.
    public var attentionFactor = 1.0

    /// How frequencies are stretched.
    public enum Scaling: Sendable, Hashable {
        /// Not at all.
        case none
        /// All by the same factor (Chen et al. 2023, arXiv:2306.15595).
        case linear(factor: Double)
        /// By factors of each frequency, of which the file has two sets: for contexts up to that of the training, and for
        /// longer ones (LongRoPE: Ding et al. 2024, arXiv:2402.13753).
        case longRope(originalContext: Int)
        /// The slow ones, and the fast ones not (YaRN: Peng et al. 2023, arXiv:2309.00071).
        case yarn(YaRN)
    }

    /// Rotation by plain frequencies.
    ///
    /// - Parameters:
    ///   - dimensions: Dimensions of a head that turn; even.
    ///   - theta: The base of the frequencies.
    public init(dimensions: Int, theta: Double) {
        self.dimensions = dimensions
        self.theta = theta
    }

    /// The parameters of YaRN.
    public struct YaRN: Sendable, Hashable {
        /// By how much the context is longer.
        public var factor: Double
        /// Positions of the training.
        public var originalContext: Int
        /// How much of the ramp between stretched and unstretched is applied, 0 to 1.
        public var extrapolation: Double
        /// Turns over the original context above which a pair is not stretched.
        public var betaFast: Double
        /// Turns below which it is stretched in full.
        public var betaSlow: Double
        /// The factor of cosines and sines, 1 + 0.1 ln(factor) when nil.
        public var magnitude: Double?
    }

    /// Reads the parameters from the fields `<prefix>.rope.…`.
    ///
    /// - Parameters:
    ///   - metadata: The file's.
    ///   - prefix: The architecture's name.
    ///   - headDim: Dimensions of a head, which turn when the file does not say how many do.
    ///   - contextLength: Positions that the model is for.
    /// - Throws: `ApusError` that names the field, the value found and the value wanted.
    public init(_ metadata: Metadata, prefix: String, headDim: Int, contextLength: Int) throws(ApusError) {
        dimensions = try metadata.optionalInt("\(prefix).rope.dimension_count", in: 2...max(headDim, 2)) ?? headDim
        guard dimensions.isMultiple(of: 2) else {
            throw ApusError(
                .format, "\(prefix).rope.dimension_count is \(dimensions), wanted: an even number up to \(headDim)")
        }
        theta = try metadata.positive("\(prefix).rope.freq_base") ?? 10000
        let type = try metadata.optionalString("\(prefix).rope.scaling.type")
        attentionFactor = try metadata.positive("\(prefix).rope.scaling.attn_factor") ?? 1
        let original = try metadata.originalContext(prefix, contextLength: contextLength)
        let factor = try metadata.scalingFactor(prefix)
        switch type ?? (factor == nil ? "none" : "linear") {
        case "none":
            scaling = .none
        case "linear":
            scaling = factor.map { .linear(factor: $0) } ?? .none
        case "longrope":
            scaling = .longRope(originalContext: original)
        case "yarn":
            scaling = .yarn(
                YaRN(
                    factor: factor ?? 1,
                    originalContext: original,
                    extrapolation: try metadata.finite("\(prefix).rope.scaling.yarn_ext_factor") ?? 1,
                    betaFast: try metadata.positive("\(prefix).rope.scaling.yarn_beta_fast") ?? 32,
                    betaSlow: try metadata.positive("\(prefix).rope.scaling.yarn_beta_slow") ?? 1,
                    magnitude: try metadata.positive("\(prefix).rope.scaling.yarn_attn_factor")))
        case let other:
            throw ApusError(
                .unsupported,
                "\(prefix).rope.scaling.type is \(ApusError.quoted(other)), supported: none, linear, longrope, yarn")
        }
    }

    /// Angles a position, for each pair, in radians: (dimensions / 2).
    ///
    /// - Parameter factors: What to divide each frequency by, (dimensions / 2), or nil.
    /// - Returns: The frequencies after scaling.
    public func inverseFrequencies(factors: [Float]? = nil) -> [Double] {
        let base = (0..<dimensions / 2).map { pair in
            pow(theta, -2 * Double(pair) / Double(dimensions)) / Double(factors?[pair] ?? 1)
        }
        switch scaling {
        case .none, .longRope: return base
        case .linear(let factor): return base.map { $0 / factor }
        case .yarn(let yarn):
            let ramp = ramp(yarn)
            return zip(base, ramp).map { frequency, weight in
                let unstretched = weight * yarn.extrapolation
                return frequency / yarn.factor * (1 - unstretched) + frequency * unstretched
            }
        }
    }

    /// The factor of all cosines and sines: the attention factor, times YaRN's.
    public var magnitude: Double {
        guard case .yarn(let yarn) = scaling, yarn.extrapolation != 0 else { return attentionFactor }
        return attentionFactor * (yarn.magnitude ?? (1 + 0.1 * log(max(1, yarn.factor))))
    }

    /// How much of each pair's frequency stays as it was: 1 for fast pairs, 0 for slow ones, a ramp between.
    private func ramp(_ yarn: YaRN) -> [Double] {
        /// The pair that turns `turns` times over the original context.
        func pair(turning turns: Double) -> Double {
            Double(dimensions) * log(Double(yarn.originalContext) / (turns * 2 * .pi)) / (2 * log(theta))
        }
        let low = max(0, pair(turning: yarn.betaFast).rounded(.down))
        let high = min(Double(dimensions - 1), pair(turning: yarn.betaSlow).rounded(.up))
        return (0..<dimensions / 2).map { index in
            1 - min(1, max(0, (Double(index) - low) / max(0.001, high - low)))
        }
    }
}

extension Metadata {
    /// Positions of the training before the context was stretched; the context of the file when it does not say.
    func originalContext(_ prefix: String, contextLength: Int) throws(ApusError) -> Int {
        try optionalInt("\(prefix).rope.scaling.original_context_length", in: 1...Int(Int32.max)) ?? contextLength
    }

    /// How much longer the context is than in training, or nil; published files have 0 for "not at all".
    fileprivate func scalingFactor(_ prefix: String) throws(ApusError) -> Double? {
        for key in ["\(prefix).rope.scaling.factor", "\(prefix).rope.scale_linear"] {
            if try finite(key) == 0 { return nil }
            if let factor = try positive(key) { return factor }
        }
        return nil
    }

    /// A finite number, or nil when the field is absent.
    func finite(_ key: String) throws(ApusError) -> Double? {
        guard let value = try optionalFloat(key) else { return nil }
        guard value.isFinite else { throw ApusError(.format, "\(key) is \(value), wanted: a finite number") }
        return Double(value)
    }

    /// A finite number above 0, or nil when the field is absent.
    func positive(_ key: String) throws(ApusError) -> Double? {
        guard let value = try finite(key) else { return nil }
        guard value > 0 else { throw ApusError(.format, "\(key) is \(value), wanted: a number above 0") }
        return value
    }
}
