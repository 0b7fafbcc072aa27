// A second computation of every sampler, as the papers write it: full sorts, double precision, the C library's exp.

import Foundation

/// One token of the naive computation.
struct NaiveToken: Equatable {
    var id: Int32
    var logit: Double
}

enum Naive {
    /// Descending logits, equal ones by ascending id; NaN counts as -infinity.
    static func sorted(_ logits: [Float]) -> [NaiveToken] {
        logits.enumerated()
            .map { NaiveToken(id: Int32($0.offset), logit: $0.element.isNaN ? -.infinity : Double($0.element)) }
            .sorted { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
    }

    static func probabilities(_ tokens: [NaiveToken]) -> [Double] {
        let highest = tokens.map(\.logit).max() ?? 0
        let weights = tokens.map { exp($0.logit - highest) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }

    static func topK(_ tokens: [NaiveToken], _ k: Int) -> [NaiveToken] { Array(tokens.prefix(k)) }

    static func topP(_ tokens: [NaiveToken], _ p: Double) -> [NaiveToken] {
        var sum = 0.0
        var kept: [NaiveToken] = []
        for (token, probability) in zip(tokens, probabilities(tokens)) {
            kept.append(token)
            sum += probability
            if sum >= p { break }
        }
        return kept
    }

    static func minP(_ tokens: [NaiveToken], _ p: Double) -> [NaiveToken] {
        let probabilities = probabilities(tokens)
        let highest = probabilities.max() ?? 0
        return zip(tokens, probabilities).filter { $0.1 >= p * highest }.map(\.0)
    }

    static func temperature(_ tokens: [NaiveToken], _ temperature: Double) -> [NaiveToken] {
        tokens.map { NaiveToken(id: $0.id, logit: $0.logit / temperature) }
    }

    /// llama.cpp's penalties over the last `lastCount` of `history`.
    static func penalties(
        _ logits: [Float], history: [Int32], repetition: Double, presence: Double, frequency: Double, lastCount: Int
    ) -> [Double] {
        var result = logits.map(Double.init)
        let window = lastCount < 0 ? history[...] : history.suffix(lastCount)
        for id in Set(window) where Int(id) < result.count {
            let count = Double(window.count { $0 == id })
            let logit = result[Int(id)]
            result[Int(id)] = (logit <= 0 ? logit * repetition : logit / repetition) - count * frequency - presence
        }
        return result
    }
}

/// Pearson's statistic over the classes with a probability above zero.
func chiSquare(_ counts: [Int], _ probabilities: [Double]) -> Double {
    let total = Double(counts.reduce(0, +))
    return zip(counts, probabilities).reduce(0) { sum, entry in
        let wanted = entry.1 * total
        return wanted > 0 ? sum + (Double(entry.0) - wanted) * (Double(entry.0) - wanted) / wanted : sum
    }
}

/// Reproducible logits: a sum of uniform numbers, nearly normal.
func randomLogits(_ count: Int, seed: UInt64, spread: Float = 3) -> [Float] {
    var generator = SystemlessGenerator(state: seed)
    return (0..<count).map { _ in
        let sum = (0..<12).reduce(Float(0)) { sum, _ in sum + Float(generator.next() >> 40) * 0x1p-24 }
        return (sum - 6) * spread
    }
}

/// A generator of the tests' own (a 64-bit linear congruential one), so that they do not lean on the one under test.
struct SystemlessGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 33)
    }
}
