internal import ApusGGUF

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Computes log probabilities from logits; keeps its working memory.
struct LogProbabilities {
    private var ids: [Int32] = []
    private var selection = PartialSelection()

    /// The log probability of a token, and the likeliest tokens.
    ///
    /// - Parameters:
    ///   - token: The token.
    ///   - top: How many of the likeliest ones.
    ///   - logits: The model's, (vocabularySize), as they are.
    /// - Returns: The same numbers for a token wherever it stands. Where the logits give no probabilities, -infinity.
    mutating func entry(of token: Int32, top: Int, logits: Span<Float>) -> TokenLogProbability {
        var highest = -Float.infinity
        for i in 0..<logits.count where logits[unchecked: i] > highest { highest = logits[unchecked: i] }
        var total = 0.0
        if highest.isFinite {
            for i in 0..<logits.count { total += exp(Double(logits[unchecked: i]) - Double(highest)) }
        }
        let offset = log(total) + Double(highest)
        func value(_ id: Int32) -> Double {
            let value = Double(logits[Int(id)]) - offset
            return value.isNaN ? -.infinity : value
        }
        var entries: [TokenLogProbability.Entry] = []
        if top > 0 {
            if ids.count != logits.count { ids = (0..<Int32(clamping: logits.count)).map(\.self) }
            var selection = PartialSelection()
            swap(&selection, &self.selection)
            selection.select(top, ids: ids.span, logits: logits)
            swap(&selection, &self.selection)
            entries = self.selection.keys.map { .init(id: $0.id, value: value($0.id)) }
        }
        return TokenLogProbability(token: .init(id: token, value: value(token)), top: entries)
    }
}
