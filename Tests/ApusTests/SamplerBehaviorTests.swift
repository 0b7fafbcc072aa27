import ApusGGUF
import ApusTokenizer
import Foundation
import Testing

import Apus

@Suite("What samplers do beyond one step")
struct SamplerBehaviorTests {
    private func options(_ change: (inout SamplingOptions) -> Void) -> SamplingOptions {
        var options = SamplingOptions()
        (options.topK, options.topP, options.minP, options.temperature, options.seed) = (0, 1, 0, 1, 1)
        change(&options)
        return options
    }

    @Test("the samplers stand in the order named, bias first and Mirostat alone but for the temperature")
    func order() throws {
        func names(_ change: (inout SamplingOptions) -> Void) throws -> [String] {
            try SamplerChain(options(change)).samplers.map { String(describing: type(of: $0)) }
        }
        let everything: (inout SamplingOptions) -> Void = {
            ($0.topK, $0.topP, $0.minP, $0.temperature, $0.typicalP, $0.topNSigma) = (40, 0.9, 0.1, 0.5, 0.9, 2)
            ($0.xtcProbability, $0.dryMultiplier, $0.repeatPenalty, $0.logitBias) = (0.5, 1, 1.1, [1: 1])
        }
        let standard = [
            "LogitBias", "Penalties", "DRY", "TopNSigma", "TopK", "TypicalP", "TopP", "MinP", "XTC", "Temperature",
        ]
        #expect(try names(everything) == standard)
        #expect(try names { _ in } == [])
        #expect(
            try names {
                everything(&$0); $0.samplers = []
            } == ["LogitBias"])
        #expect(
            try names {
                everything(&$0); $0.samplers = ["temp", "xtc", "top-k"]
            } == ["LogitBias", "Temperature", "XTC", "TopK"])
        #expect(
            try names {
                everything(&$0); $0.dynatempRange = 0.1
            } == standard.dropLast() + ["DynamicTemperature"])
        #expect(
            try names {
                everything(&$0); $0.mirostat = 2
            } == ["LogitBias", "Temperature", "Mirostat"])
    }

    @Test("Mirostat brings the mean surprise of what is drawn to the target", arguments: [1.5, 3, 5] as [Float])
    func mirostatConverges(tau: Float) throws {
        let logits = randomLogits(400, seed: 2, spread: 2)
        var chain = try SamplerChain(options { ($0.mirostat, $0.mirostatTau, $0.mirostatEta) = (2, tau, 0.05) })
        let all = Naive.probabilities(logits.map { NaiveToken(id: 0, logit: Double($0)) })
        var sum = 0.0
        for step in 0..<1200 {
            let limit = try #require(chain.samplers.last as? Mirostat).mu
            let token = Int(try chain.sample(logits.span))
            // The surprise among the tokens that the limit leaves.
            let left = all.filter { -log2($0) <= Double(limit) }.reduce(0, +)
            if step >= 200 { sum += -log2(min(all[token] / max(left, all[token]), 1)) }
        }
        #expect(abs(sum / 1000 - Double(tau)) < 0.1, "\(sum / 1000)")
        chain.reset()
        #expect(try #require(chain.samplers.last as? Mirostat).mu == 2 * tau)
    }

    @Test("typical-p over 65,536 logits, sorted or not, is that of a full sort")
    func hugeVocabulary() {
        let logits = randomLogits(65_536, seed: 21, spread: 2)
        let tokens = Naive.sorted(logits)
        let probabilities = Naive.probabilities(tokens)
        let highest = tokens[0].logit
        let center = zip(tokens, probabilities).reduce(0) { $0 + ($1.0.logit - highest) * $1.1 } + highest
        let distances = tokens.map { abs($0.logit - center) }
        let order = tokens.indices.sorted { distances[$0] < distances[$1] }
        for p in [0.2, 0.9] {
            var sum = 0.0
            let kept = order.prefix { place in
                defer { sum += probabilities[place] }
                return sum <= p
            }
            for arranged in [logits, logits.sorted(by: >)] {
                var candidates = TokenCandidates()
                candidates.load(arranged.span)
                TypicalP(Float(p)).apply(&candidates)
                // Distances that single precision cannot tell apart may be exchanged at the end.
                #expect(abs(candidates.count - kept.count) <= 2)
                let limit = kept.last.map { distances[$0] } ?? 0
                let farthest = (0..<candidates.count).map { abs(Double(candidates[$0].logit) - center) }.max() ?? 0
                #expect(abs(farthest - limit) < 1e-4)
            }
        }
    }

    @Test("chance has XTC drop as often as told, from the chain's own generator")
    func xtcChance() throws {
        let logits: [Float] = [3, 2.9, 2.8, 0, 0, 0]
        for (probability, range) in [(0, 0...0), (0.25, 420...580), (1, 2000...2000)] as [(Float, ClosedRange<Int>)] {
            let sampling = options { ($0.xtcProbability, $0.seed) = (probability, 11) }
            func dropped() throws -> [Bool] {
                // What XTC leaves is seen by what the likeliest of it is.
                var chain = SamplerChain(try SamplerChain(sampling).samplers + [Greedy()], seed: 11)
                return try (0..<2000).map { _ in try chain.sample(logits.span) == 2 }
            }
            let first = try dropped()
            #expect(range.contains(first.count { $0 }), "\(probability)")
            #expect(try dropped() == first)
        }
    }

    @Test("a text that repeats itself is left under DRY, and goes on without")
    func dryBreaksLoops() throws {
        // After each token its successor is likeliest, round and round.
        func text(_ multiplier: Float) throws -> [Int32] {
            var chain = try SamplerChain(
                options { ($0.dryMultiplier, $0.dryPenaltyLastN, $0.temperature) = (multiplier, -1, 0) })
            var tokens: [Int32] = [0]
            chain.accept(0)
            for _ in 0..<60 {
                let last = tokens[tokens.count - 1]
                let logits = (0..<20 as Range<Int32>).map { $0 == (last + 1) % 5 ? 8 : Float($0) * 0.1 }
                tokens.append(try chain.sample(logits.span))
                chain.accept(tokens[tokens.count - 1])
            }
            return tokens
        }
        #expect(try text(0) == (0...60).map { Int32($0 % 5) })
        let left = try text(1)
        #expect(left.prefix(8) == [0, 1, 2, 3, 4, 0, 1, 2] && Set(left).count > 6, "\(left)")
    }

    @Test("no sampler traps or leaves nothing on NaN, infinities and equal logits")
    func nonFinite() throws {
        let nan = Float.nan
        let inf = Float.infinity
        let samplers: [any Sampler] = [
            TypicalP(0), TypicalP(0.5), TopNSigma(0.5), XTC(probability: 1, threshold: 0),
            XTC(probability: 1, threshold: 0.2), DynamicTemperature(temperature: 1, range: 1, exponent: 1),
            DynamicTemperature(temperature: .greatestFiniteMagnitude, range: .greatestFiniteMagnitude, exponent: 0),
            Mirostat(tau: 0, eta: 1), Mirostat(tau: .greatestFiniteMagnitude, eta: .greatestFiniteMagnitude),
            LogitBias([0: -inf, -3: 1, .max: 1]),
            DRY(
                multiplier: .greatestFiniteMagnitude, base: 1e30, allowedLength: 0, lastCount: -1, breakers: [[], [1]]),
        ]
        for sampler in samplers {
            for logits in [
                [nan, 1, nan, -inf], [1, inf, nan, 2], [5, 5, 5, 5], [-inf, 2, 2, -inf], [3e38, -3e38, 3e38, 0],
                [-inf, 7],
            ] as [[Float]] {
                var chain = SamplerChain([sampler], seed: 1)
                for token in [1, 2, 1, 2, 1, 0, -1, .max] as [Int32] { chain.accept(token) }
                for _ in 0..<20 {
                    let token = Int(try chain.sample(logits.span))
                    #expect(logits[token] > -inf, "\(sampler) \(logits)")
                }
            }
            for hopeless: [Float] in [[nan, nan], [-inf], []] {
                var chain = SamplerChain([sampler], seed: 1)
                #expect(throws: ApusError.self) { try chain.sample(hopeless.span) }
            }
        }
        var banned = SamplerChain([LogitBias([0: -inf, 1: -inf])], seed: 1)
        #expect(throws: ApusError.self) { try banned.sample(([1, 2] as [Float]).span) }
    }

    @Test("breakers: tokens with the text, and tokens that begin it with those of the rest")
    func breakers() {
        let words = ["a", "b", ":", "x:y", "\n", "ab", "xa", "aab", "b:", ""]
        let tokenizer = WordTokenizer(words: words)
        #expect(DRYBreakers.sequences(of: [":"], in: tokenizer) == [[2], [3], [8]])
        #expect(DRYBreakers.sequences(of: ["\n", ":"], in: tokenizer) == [[2], [3], [4], [8]])
        // "ab" lies in tokens 5 and 7; tokens 0 and 6 end with "a", which "b" completes.
        #expect(DRYBreakers.sequences(of: ["ab"], in: tokenizer) == [[0, 1], [5], [6, 1], [7]])
        // "aab": token 0 may be its first byte ("ab" follows); token 6 ends alike.
        #expect(DRYBreakers.sequences(of: ["aab"], in: tokenizer) == [[0, 5], [6, 5], [7]])
        #expect(DRYBreakers.sequences(of: ["", "zz"], in: tokenizer) == [])
        #expect(DRYBreakers.sequences(of: [], in: tokenizer) == [])
    }
}

/// A tokenizer with a few words, which takes the longest that fits.
private struct WordTokenizer: Tokenizer {
    static let names = ["words-for-tests"]
    let words: [[UInt8]]
    var summary: String { "words" }
    var vocabularySize: Int { words.count }
    var bosID: Int32? { nil }
    var eosID: Int32? { nil }
    var endOfGenerationIDs: Set<Int32> { [] }
    var addsBOS: Bool { false }
    var addsEOS: Bool { false }
    var warnings: [String] { [] }

    init(words: [String]) { self.words = words.map { Array($0.utf8) } }
    init(_ metadata: Metadata) throws(ApusError) { words = [] }

    func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool, literal: [Range<Int>]) -> [Int32] {
        var result: [Int32] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let fitting = words.indices.filter { !words[$0].isEmpty && rest.starts(with: words[$0]) }
            guard let best = fitting.max(by: { words[$0].count < words[$1].count }) else { return result }
            result.append(Int32(best))
            rest = rest.dropFirst(words[best].count)
        }
        return result
    }

    func bytes(of id: Int32, renderSpecial: Bool) -> [UInt8] {
        words.indices.contains(Int(id)) ? words[Int(id)] : []
    }

    func isSpecial(_ id: Int32) -> Bool { false }
    func tokenText(_ id: Int32) -> String { String(decoding: bytes(of: id, renderSpecial: true), as: UTF8.self) }
}
