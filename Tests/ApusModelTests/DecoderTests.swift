// What a decoder refuses, what it leaves behind, and what loading checks.

import ApusGGUF
import ApusModel
import ApusTestSupport
import Testing

@Suite struct DecoderTests {
    @Test func `Tokens and sizes are checked before anything changes`() throws {
        let weights = try SyntheticModel { $0.context = 100 }.load()
        let runner = try Runner(weights, maxTokens: 32)
        let sequence = runner.sequence()
        func message(_ tokens: [Int32]) -> String {
            do throws(ApusError) {
                try runner.decoder.run([.init(sequence, tokens: tokens[...], logits: .last)]) { _, _ in }
                return "none"
            } catch {
                return error.message
            }
        }
        #expect(message([1, 203]) == "token 203 is outside the vocabulary of 203")
        #expect(message([-1]) == "token -1 is outside the vocabulary of 203")
        #expect(message([]).contains("at least one"))
        #expect(message(tokens(33)).contains("1 to 32"))
        #expect(sequence.length == 0)
        _ = try runner.append(tokens(99), to: sequence, chunk: 32)
        #expect(message([1, 2]) == "99 + 2 tokens do not fit the context of 100")
        #expect(sequence.length == 99)
        #expect(message([1]) == "none")
    }

    @Test func `A full cache is an error, and room comes back`() throws {
        let weights = try SyntheticModel().load()
        let runner = try Runner(weights, positions: 128)
        let first = runner.sequence()
        _ = try runner.append(tokens(100), to: first, chunk: 100)
        var second: KVSequence? = runner.sequence()
        #expect(throws: ApusError(.contextFull, "the KV cache of 128 positions is full")) {
            try runner.append([1], to: second ?? first, chunk: 1)
        }
        first.truncate(to: 10)
        #expect(try runner.append([1], to: second ?? first, chunk: 1).count == 1)
        second = nil
        #expect(runner.decoder.cache.freePageCount == 1)
    }

    @Test func `A raised flag stops a step and nothing is appended`() throws {
        let weights = try SyntheticModel().load()
        let runner = try Runner(weights)
        let sequence = runner.sequence()
        let flag = CancellationFlag()
        flag.cancel()
        #expect(throws: ApusError(.cancelled, "the computation was cancelled")) {
            try runner.decoder.run(
                [.init(sequence, tokens: tokens(10)[...], logits: .last)], cancellation: flag
            ) { _, _ in }
        }
        #expect(sequence.length == 0)
        let wanted = try runner.append(tokens(10), to: runner.sequence(), chunk: 10)
        #expect(try runner.append(tokens(10), to: sequence, chunk: 10) == wanted)
    }

    @Test func `Missing and misshapen tensors are named`() throws {
        func message(_ model: SyntheticModel) throws -> String {
            do throws(ApusError) {
                _ = try model.withFile { file throws(ApusError) in try DecoderWeights.requirements(file) }
                return "none"
            } catch {
                return String(error.message.drop { $0 != ":" }.dropFirst(2))
            }
        }
        let missing = try message(SyntheticModel { $0.change = { $0 == "blk.1.ffn_up.weight" ? nil : $1 } })
        #expect(missing == "tensor 'blk.1.ffn_up.weight' is missing, wanted: shape [96, 160]")
        let misshapen = try message(SyntheticModel { $0.change = { $0 == "blk.0.attn_k.weight" ? [96, 32] : $1 } })
        #expect(misshapen == "tensor 'blk.0.attn_k.weight' has shape [96, 32], wanted: [96, 64]")
        let type = try message(SyntheticModel { ($0.dim, $0.hidden, $0.heads, $0.type) = (256, 256, 8, .iq2_xxs) })
        #expect(type.contains("has type IQ2_XXS, supported: F32, F16, BF16, Q8_0"))
        let heads = try message(SyntheticModel { $0.kvHeads = 4 })
        #expect(heads == "llama.attention.head_count_kv is 4, wanted: a divisor of the 6 heads")
        let scaling = try message(SyntheticModel { $0.metadata = [("llama.rope.scaling.type", .string("dynamic"))] })
        #expect(scaling == "llama.rope.scaling.type is 'dynamic', supported: none, linear, longrope, yarn")
        let architecture = try message(SyntheticModel { $0.metadata = [("general.architecture", .string("mamba"))] })
        #expect(architecture.hasPrefix("general.architecture is 'mamba', supported: llama, qwen2, "))
        let left = try message(SyntheticModel { $0.extra = [("blk.1.attn_sinks.weight", [6])] })
        #expect(left == "tensor 'blk.1.attn_sinks.weight' is none that architecture 'llama' has here")
        let half = try message(
            SyntheticModel {
                $0.architecture = "phi3"
                $0.change = { $0 == "rope_factors_long.weight" ? nil : $1 }
                $0.metadata = [("phi3.rope.scaling.original_context_length", .uint32(512))]
            })
        #expect(half == "tensor 'rope_factors_long.weight' is missing, wanted: shape [16]")
        let plain = try message(SyntheticModel { $0.extra = [("rope_factors_long.weight", [16])] })
        #expect(plain.hasPrefix("tensor 'rope_factors_long.weight' is none"))
    }

    @Test func `LongRoPE's factors are chosen by the context that the model is loaded for`() throws {
        let model = SyntheticModel {
            ($0.architecture, $0.context) = ("phi3", 2048)
            $0.metadata = [("phi3.rope.scaling.original_context_length", .uint32(512))]
        }
        func bits(_ contextLength: Int?) throws -> Bits {
            let weights = try model.withFile { file throws(ApusError) in
                try DecoderWeights(file, threads: 2, contextLength: contextLength)
            }
            let runner = try Runner(weights)
            return try runner.append(tokens(20), to: runner.sequence(), chunk: 20)
        }
        let (long, short) = (try bits(nil), try bits(512))
        #expect(long != short)
        #expect(try bits(513) == long)
        #expect(try bits(100) == short)
    }

    @Test func `A window forgets, but for the layers without one`() throws {
        func last(_ text: [Int32], interval: UInt32) throws -> [UInt32] {
            let weights = try SyntheticModel {
                ($0.architecture, $0.layers) = ("gemma3", 2)
                $0.metadata = [
                    ("gemma3.attention.sliding_window", .uint32(8)),
                    ("gemma3.attention.sliding_window_pattern", .uint32(interval)),
                ]
            }.load()
            let runner = try Runner(weights)
            return try #require(try runner.append(text, to: runner.sequence(), chunk: 200).last)
        }
        // Two layers of 8 positions see 15 back; the first token is out of reach unless a layer sees all.
        let (one, other) = (tokens(100), [5] + tokens(100).dropFirst())
        #expect(try last(one, interval: 3) == last(other, interval: 3))
        #expect(try last(one, interval: 2) != last(other, interval: 2))
    }
}
