import Apus
import ApusGGUF
import Foundation
import Testing

@Suite("Likelihoods")
struct LikelihoodScoreTests {
    @Test("ln Σ e^logit - logit, whatever the size of the logits")
    func values() throws {
        let logits = randomLogits(1000, seed: 8)
        for shift: Float in [0, 500, -5000] {
            // Shifting rounds the logits: the reference is computed from the shifted ones, relative to their highest.
            let shifted = logits.map { $0 + shift }
            let highest = Double(shifted.max() ?? 0)
            let total = shifted.reduce(0) { $0 + exp(Double($1) - highest) }
            for token: Int32 in [0, 1, 500, 999] {
                let wanted = highest + log(total) - Double(shifted[Int(token)])
                let found = try LikelihoodScore.negativeLogLikelihood(of: token, logits: shifted.span)
                // A thousand additions in double precision, and logits of up to 5,000.
                #expect(abs(found - wanted) < 1e-11)
            }
        }
        let uniform = [Float](repeating: 3, count: 8)
        #expect(abs(try LikelihoodScore.negativeLogLikelihood(of: 2, logits: uniform.span) - log(8)) < 1e-15)
    }

    @Test("mean and perplexity of what was added")
    func mean() throws {
        var score = LikelihoodScore()
        #expect(score.mean == nil && score.perplexity == nil)
        let logits: [Float] = [0, 1, 2]
        for token: Int32 in [0, 2, 1] { try score.add(token, logits: logits.span) }
        let entries = score.negativeLogLikelihoods
        #expect(entries.count == 3)
        #expect(abs(entries[0] - entries[1] - 2) < 1e-12)
        let mean = entries.reduce(0, +) / 3
        #expect(abs((score.mean ?? 0) - mean) < 1e-12)
        #expect(abs((score.perplexity ?? 0) - exp(mean)) < 1e-9)
    }

    @Test("logits that give no probabilities, and tokens that are none, are errors")
    func errors() throws {
        let inf = Float.infinity
        for logits: [Float] in [[.nan, 1], [1, .nan], [inf, 1], [-inf, -inf], [.nan]] {
            #expect(throws: ApusError.self) {
                try LikelihoodScore.negativeLogLikelihood(of: 0, logits: logits.span)
            }
        }
        let two: [Float] = [1, 2]
        for token: Int32 in [-1, 2, .max, .min] {
            #expect(throws: ApusError.self) {
                try LikelihoodScore.negativeLogLikelihood(of: token, logits: two.span)
            }
        }
        let none: [Float] = []
        #expect(throws: ApusError.self) { try LikelihoodScore.negativeLogLikelihood(of: 0, logits: none.span) }
        let impossible: [Float] = [-inf, 1]
        #expect(try LikelihoodScore.negativeLogLikelihood(of: 0, logits: impossible.span) == .infinity)
    }
}
