import ApusGGUF
import Foundation
import Testing

import Apus

@Suite("Samplers against a naive computation")
struct SamplerTests {
    /// Loads logits, applies samplers and gives what is left, sorted, with probabilities.
    private func apply(_ samplers: [any Sampler], to logits: [Float], after history: [Int32] = []) -> [TokenCandidate] {
        var candidates = TokenCandidates()
        candidates.load(logits.span)
        for var sampler in samplers {
            for token in history { sampler.accept(token) }
            sampler.apply(&candidates)
        }
        return (0..<candidates.count).map { candidates[$0] }
            .sorted { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
    }

    /// Compares ids exactly and probabilities within the error of single-precision weights.
    private func expect(
        _ found: [TokenCandidate], equals wanted: [NaiveToken], _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(found.map(\.id) == wanted.map(\.id), comment, sourceLocation: sourceLocation)
        for (token, probability) in zip(found, Naive.probabilities(wanted)) {
            let depth = Double(token.logit) - (wanted.first?.logit ?? 0)
            let tolerance = tolerance(probability, depth: depth)
            #expect(abs(token.probability - probability) <= tolerance, comment, sourceLocation: sourceLocation)
        }
    }

    /// A weight is e^depth. Rounding `depth`, the distance from the highest logit, moves it by |depth| · 2^-24 parts, and
    /// the exponential by 2 units in the last place (4 · 2^-24 parts); the sum adds as much again. Weights below
    /// e^-87.3 are 0.
    private func tolerance(_ probability: Double, depth: Double) -> Double {
        max(probability * (8 + abs(depth)) * 0x1p-24, 1.2e-38)
    }

    static let sizes = [1, 2, 7, 8, 9, 63, 64, 65, 1000, 49_152]

    @Test("top-k", arguments: sizes)
    func topK(size: Int) {
        let logits = randomLogits(size, seed: UInt64(size))
        for k in [1, 2, 3, 40, 511, 512, 513, size - 1, size, size + 1, Int.max] where k > 0 {
            let found = apply([TopK(k)], to: logits)
            expect(found, equals: Naive.topK(Naive.sorted(logits), k), "k = \(k)")
        }
        #expect(apply([TopK(0)], to: logits).count == size)
        #expect(apply([TopK(-1)], to: logits).count == size)
    }

    @Test("top-p", arguments: sizes)
    func topP(size: Int) {
        for spread: Float in [0.01, 1, 3, 10] {
            let logits = randomLogits(size, seed: UInt64(size), spread: spread)
            let naive = Naive.sorted(logits)
            for p: Float in [0, 0.01, 0.1, 0.5, 0.9, 0.95, 0.999, 1] {
                let wanted = p == 1 ? naive : Naive.topP(naive, Double(p))
                let found = apply([TopP(p)], to: logits)
                // Where the naive sum crosses p within a rounding of single-precision weights, one more or less is right.
                if found.count != wanted.count {
                    let sum = Naive.probabilities(naive)
                        .prefix(min(found.count, wanted.count)).reduce(0, +)
                    #expect(abs(found.count - wanted.count) == 1 && abs(sum - Double(p)) < 1e-6)
                    continue
                }
                expect(found, equals: wanted, "p = \(p), spread = \(spread)")
                // The same after a sort, which takes another way through the code.
                let sorted = Naive.topK(naive, max(size - 1, 1))
                let narrowed = p == 1 ? sorted : Naive.topP(sorted, Double(p))
                #expect(abs(apply([TopK(size - 1), TopP(p)], to: logits).count - narrowed.count) <= 1)
            }
        }
    }

    @Test("min-p", arguments: sizes)
    func minP(size: Int) {
        let logits = randomLogits(size, seed: UInt64(size))
        for p: Float in [0, 0.001, 0.05, 0.5, 1] {
            expect(apply([MinP(p)], to: logits), equals: Naive.minP(Naive.sorted(logits), Double(p)), "p = \(p)")
        }
    }

    @Test("temperature")
    func temperature() {
        let logits = randomLogits(1000, seed: 5)
        for t: Float in [0.1, 0.5, 1, 1.5, 10] {
            let wanted = Naive.temperature(Naive.sorted(logits), Double(t))
            let found = apply([Temperature(t)], to: logits)
            for (token, probability) in zip(found, Naive.probabilities(wanted)) {
                // Dividing rounds a logit by 2^-24 of itself, which moves its weight by that many parts; the highest's too.
                let depth = 2 * Double(abs(token.logit)) + 2 * abs(wanted[0].logit)
                #expect(abs(token.probability - probability) <= tolerance(probability, depth: depth))
            }
        }
        expect(apply([Temperature(0)], to: logits), equals: Naive.topK(Naive.sorted(logits), 1))
    }

    @Test("a temperature so small that logits overflow still ranks them")
    func tinyTemperature() {
        let found = apply([Temperature(.leastNormalMagnitude)], to: [10, 30, 20, 30])
        #expect(found.map(\.probability) == [0.5, 0.5, 0, 0])
        #expect(found.prefix(2).map(\.id) == [1, 3])
    }

    @Test("the default chain, and the same samplers in another order")
    func chains() {
        let logits = randomLogits(49_152, seed: 11)
        let sorted = Naive.sorted(logits)
        let forward = Naive.temperature(
            Naive.minP(Naive.topP(Naive.topK(sorted, 40), Double(Float(0.95))), Double(Float(0.05))), 2)
        let backward = Naive.topK(
            Naive.topP(Naive.minP(Naive.temperature(sorted, 2), Double(Float(0.05))), Double(Float(0.95))), 40)
        #expect(forward.count != backward.count, "the two orders must differ for this test to mean something")
        expect(apply([TopK(40), TopP(0.95), MinP(0.05), Temperature(2)], to: logits), equals: forward)
        expect(apply([Temperature(2), MinP(0.05), TopP(0.95), TopK(40)], to: logits), equals: backward)
    }

    @Test("penalties have llama.cpp's formulas", arguments: [-1, 0, 1, 5, 64, 1000])
    func penalties(lastCount: Int) {
        let logits = randomLogits(100, seed: 3)
        var generator = SystemlessGenerator(state: 17)
        let history = (0..<200).map { _ in Int32.random(in: 0..<120, using: &generator) }
        for (repetition, presence, frequency): (Float, Float, Float) in [
            (1, 0, 0), (1.3, 0, 0), (0.7, 0, 0), (1, 0.6, 0), (1, 0, 0.4), (1.2, -0.3, 0.1),
        ] {
            let sampler = Penalties(
                repetition: repetition, presence: presence, frequency: frequency, lastCount: lastCount)
            let wanted = Naive.penalties(
                logits, history: history, repetition: Double(repetition), presence: Double(presence),
                frequency: Double(frequency), lastCount: lastCount)
            // First over the whole vocabulary, then after a narrowing, which moves tokens from their places.
            for narrowing in [[], [TopK(50)]] as [[any Sampler]] {
                for token in apply(narrowing + [sampler], to: logits, after: history) {
                    #expect(abs(Double(token.logit) - wanted[Int(token.id)]) < 1e-5)
                }
            }
        }
    }

    @Test("penalties forget on reset")
    func penaltiesReset() {
        var sampler = Penalties(repetition: 2, presence: 1, frequency: 1, lastCount: 4)
        for token: Int32 in [0, 1, 2, 0, 1] { sampler.accept(token) }
        sampler.reset()
        sampler.accept(2)
        var candidates = TokenCandidates()
        candidates.load(([4, 4, 4] as [Float]).span)
        sampler.apply(&candidates)
        #expect((0..<3).map { candidates[$0].logit } == [4, 4, 0])
    }

    @Test("equal logits: the lowest ids stay")
    func ties() {
        let equal = [Float](repeating: 1.5, count: 1000)
        #expect(apply([TopK(40)], to: equal).map(\.id) == Array(0..<40))
        #expect(apply([Greedy()], to: equal).map(\.id) == [0])
        #expect(apply([TopP(0.25)], to: equal).map(\.id) == Array(0..<250))
        #expect(apply([MinP(1)], to: equal).count == 1000)
        #expect(apply([Greedy()], to: [-1, 0, -0.0, 0]).map(\.id) == [1])
        #expect(apply([TopK(2)], to: [-1, -0.0, 0, 0]).map(\.id) == [1, 2])
    }

    @Test("NaN and infinities neither trap nor are drawn")
    func nonFinite() throws {
        let nan = Float.nan
        let inf = Float.infinity
        let all: [any Sampler] = [TopK(3), TopP(0.9), MinP(0.1), Temperature(0.5), Greedy(), TopP(0), MinP(1)]
        for sampler in all {
            #expect(apply([sampler], to: [nan, 1, nan, -inf]).first?.id == 1)
            #expect(apply([sampler], to: [1, inf, nan, 2]).first?.id == 1)
            #expect(!apply([sampler], to: [nan, nan, -inf]).isEmpty)
        }
        var chain = SamplerChain([], seed: 1)
        for _ in 0..<50 {
            #expect(try chain.sample(([nan, 1, nan, -inf] as [Float]).span) == 1)
            #expect(try [1, 3].contains(chain.sample(([nan, inf, 5, inf] as [Float]).span)))
        }
        for hopeless: [Float] in [[nan, nan], [-inf], [], [-inf, nan, -inf]] {
            #expect(throws: ApusError.self) { try chain.sample(hopeless.span) }
            var full = try SamplerChain(SamplingOptions())
            #expect(throws: ApusError.self) { try full.sample(hopeless.span) }
        }
    }

    @Test("top-k over 262,144 logits equals a full sort, whatever their order")
    func hugeVocabulary() {
        let logits = randomLogits(262_144, seed: 9)
        for arranged in [logits, logits.sorted(), logits.sorted(by: >), logits.map { $0.rounded() }] {
            let wanted = Naive.sorted(arranged)
            #expect(apply([TopK(40)], to: arranged).map(\.id) == wanted.prefix(40).map(\.id))
            #expect(apply([TopK(5000)], to: arranged).map(\.id) == wanted.prefix(5000).map(\.id))
        }
    }

    @Test("buffers that go from one vocabulary to another")
    func reuse() {
        var candidates = TokenCandidates()
        for size in [100, 10, 1000, 10] {
            let logits = randomLogits(size, seed: UInt64(size))
            for _ in 0..<2 {
                candidates.load(logits.span)
                #expect(candidates.count == size)
                candidates.keepHighest(5)
                #expect((0..<5).map { candidates[$0].id } == Naive.sorted(logits).prefix(5).map(\.id))
            }
        }
    }

    @Test("the exponential is within 2 units in the last place, and never rises above 1")
    func exponential() {
        var x: Float = 0
        while x > -87.3 {
            let wanted = exp(Double(x))
            let found = SamplingMath.expOfNonPositive(x)
            #expect(abs(Double(found) - wanted) <= 2 * Double(Float(wanted).ulp))
            #expect(found <= 1)
            x = min(x - 0.0037, x.nextDown)
        }
        for zero: Float in [-87.4, -104, -1000, -.greatestFiniteMagnitude, -.infinity] {
            #expect(SamplingMath.expOfNonPositive(zero) == 0)
        }
        #expect(SamplingMath.expOfNonPositive(0) == 1)
        #expect(SamplingMath.expOfNonPositive(-.leastNonzeroMagnitude) == 1)
    }
}
