import ApusGGUF
import Testing

import Apus

@Suite("Drawing tokens")
struct SamplerDrawTests {
    @Test("xoshiro256** and SplitMix64 give their authors' numbers")
    func publishedVectors() {
        // The reference programs' first outputs, for the state {1, 2, 3, 4} and for the seed 1234567.
        var generator = Xoshiro256StarStar(state: (1, 2, 3, 4))
        let wanted: [UInt64] = [
            11520, 0, 1_509_978_240, 1_215_971_899_390_074_240, 1_216_172_134_540_287_360, 607_988_272_756_665_600,
            16_172_922_978_634_559_625, 8_476_171_486_693_032_832, 10_595_114_339_597_558_777,
            2_904_607_092_377_533_576,
        ]
        #expect(wanted.map { _ in generator.next() } == wanted)
        var splitMix = SplitMix64(state: 1_234_567)
        let seeds: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ]
        #expect(seeds.map { _ in splitMix.next() } == seeds)
    }

    @Test("a seed expands to the state through SplitMix64; the zero state is not used")
    func seeding() {
        var splitMix = SplitMix64(state: 42)
        let state = (splitMix.next(), splitMix.next(), splitMix.next(), splitMix.next())
        #expect(Xoshiro256StarStar(seed: 42) == Xoshiro256StarStar(state: state))
        #expect(Xoshiro256StarStar(state: (0, 0, 0, 0)) == Xoshiro256StarStar(seed: 0))
    }

    @Test("unit numbers lie in 0 ..< 1 and fill it evenly")
    func unitNumbers() {
        var generator = Xoshiro256StarStar(seed: 3)
        var counts = [Int](repeating: 0, count: 16)
        for _ in 0..<16_000 {
            let unit = generator.nextUnit()
            #expect(unit >= 0 && unit < 1)
            counts[Int(unit * 16)] += 1
        }
        #expect(chiSquare(counts, [Double](repeating: 1 / 16, count: 16)) < 37.7)  // 15 degrees, p = 0.001
    }

    @Test("tokens are drawn with their probabilities", arguments: [1, 2, 3] as [UInt64])
    func distribution(seed: UInt64) throws {
        let logits: [Float] = [0, 1, 2, 3, 1.5, -.infinity, .nan, -2, 2.5, 0.5]
        let probabilities = Naive.probabilities(
            logits.map { NaiveToken(id: 0, logit: $0.isNaN ? -.infinity : Double($0)) })
        var chain = SamplerChain([], seed: seed)
        var counts = [Int](repeating: 0, count: logits.count)
        for _ in 0..<20_000 { counts[Int(try chain.sample(logits.span))] += 1 }
        #expect(counts[5] == 0 && counts[6] == 0)
        #expect(chiSquare(counts, probabilities) < 24.3)  // 7 degrees of freedom, p = 0.001
    }

    @Test("the whole default chain draws with the narrowed probabilities")
    func chainDistribution() throws {
        let logits = randomLogits(500, seed: 77)
        let kept = Naive.temperature(
            Naive.minP(Naive.topP(Naive.topK(Naive.sorted(logits), 40), 0.95), 0.05), Double(Float(0.8)))
        #expect(kept.count > 3 && kept.count < 40)
        var options = SamplingOptions()
        options.seed = 5
        var chain = try SamplerChain(options)
        var counts = [Int32: Int]()
        for _ in 0..<6000 { counts[try chain.sample(logits.span), default: 0] += 1 }
        #expect(Set(counts.keys).isSubset(of: kept.map(\.id)))
        let statistic = chiSquare(kept.map { counts[$0.id] ?? 0 }, Naive.probabilities(kept))
        // The statistic has mean n and variance 2n for n degrees of freedom: five deviations above the mean.
        let degrees = Double(kept.count - 1)
        #expect(statistic < degrees + 5 * (2 * degrees).squareRoot())
    }

    @Test("the same seed draws the same tokens, another seed others")
    func reproducible() throws {
        let steps = (0..<50).map { randomLogits(1000, seed: UInt64($0)) }
        func draw(_ seed: UInt64?) throws -> ([Int32], UInt64) {
            var options = SamplingOptions()
            options.seed = seed
            options.temperature = 2
            options.repeatPenalty = 1.1
            var chain = try SamplerChain(options)
            let tokens = try steps.map { logits in
                let token = try chain.sample(logits.span)
                chain.accept(token)
                return token
            }
            return (tokens, chain.seed)
        }
        let first = try draw(7)
        #expect(try draw(7) == first)
        #expect(try draw(8).0 != first.0)
        // Without a seed one is taken and reported: drawing with it repeats the run.
        let unseeded = try draw(nil)
        #expect(try draw(unseeded.1) == unseeded)
    }

    @Test("a reset chain starts again, a copy goes on alike")
    func resetAndCopy() throws {
        let logits = randomLogits(1000, seed: 1)
        var options = SamplingOptions()
        options.seed = 3
        options.presencePenalty = 1
        options.temperature = 3
        var chain = try SamplerChain(options)
        func draw(_ chain: inout SamplerChain) throws -> [Int32] {
            try (0..<20).map { _ in
                let token = try chain.sample(logits.span)
                chain.accept(token)
                return token
            }
        }
        let first = try draw(&chain)
        var copy = chain
        let second = try draw(&chain)
        #expect(try draw(&copy) == second)
        #expect(second != first)
        chain.reset()
        #expect(try draw(&chain) == first)
    }

    @Test("suppressed tokens are never drawn")
    func suppressed() throws {
        var chain = SamplerChain([Temperature(0)], seed: 1)
        let logits: [Float] = [1, 5, 9, 3]
        #expect(try chain.sample(logits.span) == 2)
        #expect(try chain.sample(logits.span, suppressing: [2, 1, -1, 99, .max, .min]) == 3)
        #expect(throws: ApusError.self) { try chain.sample(logits.span, suppressing: [0, 1, 2, 3]) }
    }

    @Test("options are checked, and the message names parameter, value and range")
    func validation() throws {
        func message(_ change: (inout SamplingOptions) -> Void) -> String? {
            var options = SamplingOptions()
            change(&options)
            do throws(ApusError) {
                _ = try SamplerChain(options)
                return nil
            } catch {
                #expect(error.code == .invalidArgument)
                return error.message
            }
        }
        #expect(message { _ in } == nil)
        #expect(message { $0.temperature = -1 } == "temperature is -1.0, wanted: a finite number of 0 or above")
        #expect(message { $0.temperature = .nan }?.hasPrefix("temperature is nan") == true)
        #expect(message { $0.topP = 1.5 } == "top_p is 1.5, wanted: 0 to 1")
        #expect(message { $0.minP = -0.1 } == "min_p is -0.1, wanted: 0 to 1")
        #expect(message { $0.repeatPenalty = 0 } == "repeat_penalty is 0.0, wanted: a finite number above 0")
        #expect(message { $0.presencePenalty = .infinity }?.hasPrefix("presence_penalty is inf") == true)
        #expect(message { $0.frequencyPenalty = .nan }?.hasPrefix("frequency_penalty is nan") == true)
        #expect(message { $0.repeatLastN = -2 }?.hasPrefix("repeat_last_n is -2") == true)
        #expect(message { $0.samplers = ["top_k", "magic"] }?.contains("'magic'") == true)
        #expect(message { $0.typicalP = 1.5 } == "typical_p is 1.5, wanted: 0 to 1")
        #expect(message { $0.topNSigma = .nan }?.hasPrefix("top_n_sigma is nan") == true)
        #expect(message { $0.xtcProbability = -1 } == "xtc_probability is -1.0, wanted: 0 to 1")
        #expect(message { $0.xtcThreshold = .infinity }?.hasPrefix("xtc_threshold is inf") == true)
        #expect(message { $0.dynatempRange = -1 }?.hasPrefix("dynatemp_range is -1.0") == true)
        #expect(message { $0.dynatempExponent = -1 }?.hasPrefix("dynatemp_exponent is -1.0") == true)
        #expect(message { $0.dryMultiplier = -1 }?.hasPrefix("dry_multiplier is -1.0") == true)
        #expect(message { $0.dryBase = 0.5 } == "dry_base is 0.5, wanted: a finite number of 1 or above")
        #expect(message { $0.dryAllowedLength = -1 } == "dry_allowed_length is -1, wanted: 0 or more")
        #expect(message { $0.dryPenaltyLastN = -2 }?.hasPrefix("dry_penalty_last_n is -2") == true)
        #expect(message { $0.mirostat = 1 } == "mirostat is 1, wanted: 0 (off) or 2")
        #expect(message { $0.mirostatTau = -1 }?.hasPrefix("mirostat_tau is -1.0") == true)
        #expect(message { $0.mirostatEta = .nan }?.hasPrefix("mirostat_eta is nan") == true)
        #expect(message { $0.logitBias = [7: .nan] }?.hasPrefix("logit_bias of token 7 is nan") == true)
        #expect(message { $0.logitBias = [7: .infinity] }?.hasPrefix("logit_bias of token 7 is inf") == true)
        #expect(message { $0.logitBias = [7: -.infinity, -5: 1] } == nil)
        #expect(message { $0.samplers = ["top-k", "typical", "temp", "nucleus", "top-n-sigma"] } == nil)
        #expect(message { $0.topK = -1 } == nil)
        #expect(message { $0.repeatLastN = -1 } == nil)
        #expect(message { $0.repeatLastN = .max } == nil)
        #expect(message { $0.samplers = [] } == nil)
    }

    @Test("the defaults are llama.cpp's")
    func defaults() {
        let options = SamplingOptions()
        #expect(options.temperature == 0.8 && options.topK == 40 && options.topP == 0.95 && options.minP == 0.05)
        #expect(options.repeatPenalty == 1 && options.repeatLastN == 64)
        #expect(options.presencePenalty == 0 && options.frequencyPenalty == 0)
        #expect(options.typicalP == 1 && options.topNSigma == -1)
        #expect(options.xtcProbability == 0 && options.xtcThreshold == 0.1)
        #expect(options.dynatempRange == 0 && options.dynatempExponent == 1)
        #expect(options.dryMultiplier == 0 && options.dryBase == 1.75 && options.dryAllowedLength == 2)
        #expect(options.dryPenaltyLastN == 64 && DRYBreakers.standard == ["\n", ":", "\"", "*"])
        #expect(options.mirostat == 0 && options.mirostatTau == 5 && options.mirostatEta == 0.1)
        #expect(
            options.samplers == [
                "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature",
            ])
    }
}
