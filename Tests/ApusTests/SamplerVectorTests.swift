import Foundation
import Testing

import Apus

@Suite("Samplers against numpy")
struct SamplerVectorTests {
    /// Logits without the nulls that stand for -infinity.
    private func floats(_ values: [Float?]) -> [Float] { values.map { $0 ?? -.infinity } }

    @Test("one sampler keeps the same tokens and leaves the same logits")
    func cases() throws {
        let cases = try SamplerVectors.loaded.get().cases
        // Every new sampler is among them, and does something in most of its cases.
        for name in ["typ_p", "top_n_sigma", "xtc", "temperature", "logit_bias", "dry"] {
            let own = cases.filter { $0.sampler == name }
            let effective = own.filter { $0.ids.count < $0.logits.count || Set($0.left) != Set($0.logits) }
            #expect(own.count >= 24 && effective.count >= 16, "\(name): \(effective.count) of \(own.count)")
        }
        for entry in cases {
            var options = entry.options.sampling
            options.samplers = entry.sampler == "logit_bias" ? [] : [entry.sampler]
            var candidates = TokenCandidates()
            candidates.load(floats(entry.logits).span)
            for var sampler in try SamplerChain(options).samplers {
                for token in entry.history { sampler.accept(token) }
                sampler.apply(&candidates)
            }
            let found = (0..<candidates.count).map { candidates[$0] }
                .sorted { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
            let left = floats(entry.left)
            #expect(found.map(\.id) == entry.ids, "\(entry.description), \(entry.options)")
            for (token, wanted) in zip(found, left) where token.logit != wanted {
                // Every sampler computes a logit with a handful of roundings.
                let tolerance = 1e-5 * max(1, abs(wanted))
                #expect(abs(token.logit - wanted) <= tolerance, "\(entry.description), \(entry.options)")
            }
        }
    }

    @Test("a whole chain draws the same tokens in any order of samplers, and Mirostat's limit moves alike")
    func chains() throws {
        let chains = try SamplerVectors.loaded.get().chains
        #expect(
            chains.contains { $0.options.samplers?.first == "temperature" && ($0.options.samplers?.count ?? 0) > 8 })
        for entry in chains {
            let pool = floats(entry.pool)
            var chain = try SamplerChain(entry.options.sampling)
            let tokens = try entry.tokens.indices.map { step in
                let token = try chain.sample(pool.span.extracting(step..<step + entry.size))
                chain.accept(token)
                return token
            }
            #expect(tokens == entry.tokens, "\(entry.options)")
            if let mirostat = chain.samplers.last as? Mirostat {
                #expect(abs(mirostat.mu - entry.mu) < 1e-3, "\(entry.options)")
            }
        }
    }

    @Test("tokens are drawn with the probabilities that the samplers leave")
    func distributions() throws {
        let draws = 2000
        for (number, entry) in try SamplerVectors.loaded.get().distributions.enumerated() {
            var options = entry.options.sampling
            options.seed = UInt64(number + 1)
            var chain = try SamplerChain(options)
            for token in entry.history { chain.accept(token) }
            var counts = [Int](repeating: 0, count: entry.logits.count)
            for _ in 0..<draws { counts[Int(try chain.sample(entry.logits.span))] += 1 }
            for (count, probability) in zip(counts, entry.probabilities) where probability == 0 { #expect(count == 0) }
            // Rare tokens make one class: the statistic wants some five draws in each.
            let common = entry.probabilities.indices.filter { entry.probabilities[$0] * Double(draws) >= 5 }
            let rest = 1 - common.reduce(0) { $0 + entry.probabilities[$1] }
            let classes = common.map { entry.probabilities[$0] } + [max(rest, 0)]
            let found = common.map { counts[$0] }
            let statistic = chiSquare(found + [draws - found.reduce(0, +)], classes)
            #expect(common.count > 3 && common.count < 25)
            let degrees = Double(common.count)
            #expect(statistic < degrees + 4 * (2 * degrees).squareRoot(), "\(entry.options): \(statistic), \(degrees)")
        }
    }
}
