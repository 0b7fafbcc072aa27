/// Everything that differs between decoders, as data: an architecture fills it in, one decoder reads it.
///
/// Numbers are counts of elements. Tensors of layer `i` are called `blk.i.…` in every architecture.
public struct DecoderSpec: Sendable {
    /// Width of the residual stream.
    public var dim: Int
    /// Number of layers.
    public var layers: Int
    /// Query heads.
    public var heads: Int
    /// Key and value heads; a divisor of `heads`.
    public var kvHeads: Int
    /// Dimensions of a query or key head.
    public var headDim: Int
    /// Dimensions of a value head.
    public var valueDim: Int
    /// Width of the feed-forward's inner layer.
    public var hiddenDim: Int
    /// Positions that the model was trained for.
    public var contextLength: Int
    /// Added to the mean square in every RMSNorm.
    public var normEpsilon: Float
    /// How queries and keys are rotated.
    public var rope: RopeParameters
    /// How the rotated dimensions pair up.
    public var ropeLayout = RopeLayout.pairs
    /// Whether each layer rotates queries and keys, (layers); all do when empty. In the others only the causal mask tells
    /// positions apart (NoPE).
    public var rotatedLayers: [Bool] = []
    /// Factor of the scores: 1 / sqrt(headDim) unless the architecture says otherwise.
    public var attentionScale: Float
    /// The feed-forward's activation.
    public var activation = Activation.silu
    /// Factor of the embeddings.
    public var embeddingScale: Float = 1
    /// What the logits stay within, by cap · tanh(logit / cap); 0 when nothing bounds them.
    public var logitCap: Float = 0
    /// Whether every query and key head has an RMSNorm before the rotation.
    public var hasHeadNorms = false
    /// Whether the outputs of attention and feed-forward have an RMSNorm before they are added.
    public var hasPostNorms = false
    /// Whether gate and up stand in one tensor, `ffn_up`. (Whether q, k and v do, in `attn_qkv`, the file says itself.)
    public var hasFusedGate = false
    /// How many positions a token sees in layers with a window, its own included; 0 when no layer has one.
    public var window = 0
    /// With a window: whether each layer has it, (layers); all have it when empty.
    public var windowedLayers: [Bool] = []
    /// How queries and keys are rotated in layers with a window; as in the others when nil.
    public var windowRope: RopeParameters?

    /// Whether a layer sees only the last `window` positions.
    ///
    /// - Parameter layer: The layer's index.
    /// - Returns: False for the layers that see all positions.
    public func hasWindow(layer: Int) -> Bool {
        window > 0 && (windowedLayers.isEmpty || windowedLayers[layer])
    }

    /// Whether a layer rotates queries and keys.
    ///
    /// - Parameter layer: The layer's index.
    /// - Returns: False for the layers that leave them as they are.
    public func hasRotation(layer: Int) -> Bool { rotatedLayers.isEmpty || rotatedLayers[layer] }

    /// How the rotated dimensions pair up.
    public enum RopeLayout: Sendable, Hashable {
        /// Dimension 2i turns with 2i + 1.
        case pairs
        /// Dimension i turns with i + half of the rotated dimensions.
        case halves
    }

    /// The activation of a gated feed-forward.
    public enum Activation: Sendable, Hashable {
        /// x / (1 + exp(-x))
        case silu
        /// The tanh form of GELU.
        case geluTanh
    }
}
