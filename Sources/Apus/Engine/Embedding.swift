internal import ApusGGUF
internal import ApusModel

/// Which states make the vector of a text.
public enum EmbeddingPooling: String, Sendable, Hashable, CaseIterable {
    /// The mean of all tokens' states.
    case mean
    /// The last token's state.
    case last
    /// The first token's state.
    case cls
}

/// A text as a vector.
public struct Embedding: Sendable, Hashable {
    /// The vector, (dim).
    public let vector: [Float]
    /// Tokens of the text.
    public let tokens: Int
    /// Those of them that were not computed, because an earlier text began with them.
    public let reusedTokens: Int
}

/// Gathers the states of a text's tokens while they are computed, and keeps the vector that becomes of them.
///
/// Sums are in double precision and in the tokens' order, so that they do not depend on the steps.
final class EmbeddingSink: Sendable {
    let pooling: EmbeddingPooling
    private let isNormalized: Bool
    private let sum = Locked<[Double]>([])

    init(_ pooling: EmbeddingPooling, isNormalized: Bool) {
        self.pooling = pooling
        self.isNormalized = isNormalized
    }

    /// Takes the state of a token.
    ///
    /// - Parameters:
    ///   - state: (dim)
    ///   - position: The token's place in the text; 0 begins anew, as a text does that had to make room.
    func add(_ state: [Float], position: Int) {
        sum.withLock { sum in
            if position == 0 || pooling == .last { sum = [] }
            if sum.isEmpty {
                sum = state.map(Double.init)
            } else if pooling == .mean {
                for i in state.indices { sum[i] += Double(state[i]) }
            }
        }
    }

    /// The vector of a text.
    ///
    /// - Parameter count: Tokens of the text.
    func vector(count: Int) -> [Float] {
        var vector = sum.withLock { $0 }
        if pooling == .mean { for i in vector.indices { vector[i] /= Double(count) } }
        if isNormalized {
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            if length > 0 { for i in vector.indices { vector[i] /= length } }
        }
        return vector.map(Float.init)
    }
}
