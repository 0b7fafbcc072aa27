// A token's logits have the same bits however they are computed. See ARCHITECTURE.md, "The same bits".

import ApusGGUF
import ApusModel
import ApusTestSupport
import Foundation
import Testing

/// The logits of every token, as bits.
typealias Bits = [[UInt32]]

struct Runner {
    let decoder: Decoder

    init(_ weights: DecoderWeights, threads: Int = 2, maxTokens: Int = 512, positions: Int = 4096) throws {
        let cache = try KVCache(weights.spec, positions: positions)
        decoder = try Decoder(
            weights, cache: cache, maxTokens: maxTokens, maxPositions: weights.spec.contextLength, threads: threads)
    }

    func sequence() -> KVSequence { KVSequence(decoder.cache) }

    /// Appends tokens in chunks and gives the logits after each.
    func append(_ tokens: [Int32], to sequence: KVSequence, chunk: Int) throws -> Bits {
        var bits: Bits = []
        for first in stride(from: 0, to: tokens.count, by: chunk) {
            let piece = tokens[first..<min(first + chunk, tokens.count)]
            try decoder.run([.init(sequence, tokens: piece, logits: .all)]) { _, logits in
                bits.append(logits.map(\.bitPattern))
            }
        }
        return bits
    }
}

func tokens(_ count: Int, seed: Int = 1, vocabulary: Int = 203) -> [Int32] {
    (0..<count).map { Int32(($0 * 7919 + seed * 104_729 + $0 * $0 * 31) % vocabulary) }
}

@Suite struct SameBitsTests {
    static let models: [SyntheticModel] =
        [
            SyntheticModel(),
            SyntheticModel { ($0.headDim, $0.valueDim, $0.type, $0.hasBiases) = (48, 16, .q4_0, true) },
            SyntheticModel {
                ($0.dim, $0.heads, $0.kvHeads, $0.headDim, $0.valueDim, $0.hidden) = (80, 5, 1, 20, 20, 72)
                ($0.type, $0.embeddingType) = (.f32, .f32)
            },
            SyntheticModel { ($0.heads, $0.kvHeads, $0.type, $0.embeddingType) = (3, 3, .q5_0, .f32) },
            SyntheticModel {
                ($0.architecture, $0.layers, $0.kvHeads) = ("gemma3", 7, 1)
                $0.metadata = [
                    ("gemma3.attention.sliding_window", .uint32(40)), ("gemma3.final_logit_softcapping", .float32(4)),
                ]
            },
            SyntheticModel { ($0.architecture, $0.type) = ("qwen3", .q5_0) },
            SyntheticModel {
                $0.architecture = "phi3"
                $0.metadata = [("phi3.rope.scaling.original_context_length", .uint32(512))]
            },
            SyntheticModel { ($0.architecture, $0.layers, $0.type) = ("smollm3", 5, .q4_0) },
        ] + Architectures.names.map { name in SyntheticModel { $0.architecture = name } }

    @Test(arguments: models.indices)
    func `Threads and chunks change nothing`(model: Int) throws {
        let weights = try Self.models[model].load()
        let text = tokens(130)
        let runner = try Runner(weights, threads: 1)
        let wanted = try runner.append(text, to: runner.sequence(), chunk: 130)
        #expect(Set(wanted.map { $0.hashValue }).count > 100, "the logits say something")
        for (threads, chunk) in [(1, 1), (2, 7), (3, 64), (2, 13), (3, 130)] {
            let other = try Runner(weights, threads: threads)
            #expect(
                try other.append(text, to: other.sequence(), chunk: chunk) == wanted,
                "\(threads) threads, chunks of \(chunk)")
        }
    }

    @Test func `A long context is the same in pieces of any size`() throws {
        // Past 512 positions attention folds several pieces, in small steps on several threads.
        let weights = try SyntheticModel().load()
        let text = tokens(1100)
        let whole = try Runner(weights)
        let wanted = try whole.append(text, to: whole.sequence(), chunk: 512)
        let sequence = whole.sequence()
        _ = try whole.append(Array(text.prefix(1000)), to: sequence, chunk: 300)
        #expect(try whole.append(Array(text.suffix(100)), to: sequence, chunk: 1) == Array(wanted.suffix(100)))
    }

    @Test func `Instruction sets agree`() throws {
        let weights = try Self.models.map { try $0.load() }
        let text = tokens(40)
        var wanted: [Bits] = []
        let all = InstructionSet.available
        #expect(all.contains("portable"))
        for name in all {
            try InstructionSet.select(name)
            let bits = try weights.map { weights in
                let runner = try Runner(weights)
                return try runner.append(Array(text), to: runner.sequence(), chunk: 33)
            }
            if wanted.isEmpty { wanted = bits }
            let isSame = bits == wanted  // not inside #expect, which would print all the bits
            #expect(isSame, "\(name)")
        }
        try InstructionSet.select(nil)
    }

    @Test func `Sequences together are as apart`() throws {
        let weights = try SyntheticModel().load()
        let runner = try Runner(weights)
        let (a, b) = (tokens(90), tokens(70, seed: 5))
        let wantedA = try runner.append(a, to: runner.sequence(), chunk: 90)
        let wantedB = try runner.append(b, to: runner.sequence(), chunk: 70)
        // One decodes while the other's prompt comes in chunks, then both decode, in either order.
        let (first, second) = (runner.sequence(), runner.sequence())
        var (gotA, gotB): (Bits, Bits) = ([], [])
        func step(_ na: Int, _ nb: Int, swap: Bool = false) throws {
            var chunks: [Decoder.Chunk] = []
            if na > 0 { chunks.append(.init(first, tokens: a[gotA.count..<gotA.count + na], logits: .all)) }
            if nb > 0 { chunks.append(.init(second, tokens: b[gotB.count..<gotB.count + nb], logits: .all)) }
            let lead = swap ? nb : na
            var rows: Bits = []
            try runner.decoder.run(swap ? chunks.reversed() : chunks) { _, logits in
                rows.append(logits.map(\.bitPattern))
            }
            let (x, y) = (Array(rows.prefix(lead)), Array(rows.dropFirst(lead)))
            gotA += swap ? y : x
            gotB += swap ? x : y
        }
        try step(40, 0)
        try step(1, 33)
        try step(1, 20, swap: true)
        for index in 0..<17 { try step(1, 1, swap: index % 2 == 0) }
        try step(31, 0)
        #expect(gotA == wantedA)
        #expect(gotB == wantedB)
    }

    @Test func `A forked prefix is as a computed one`() throws {
        let weights = try SyntheticModel().load()
        let runner = try Runner(weights)
        let (prefix, tailA, tailB) = (tokens(100), tokens(40, seed: 2), tokens(40, seed: 3))
        let alone = runner.sequence()
        let wantedA = try runner.append(prefix + tailA, to: alone, chunk: 140).suffix(40)
        let wantedB = try runner.append(prefix + tailB, to: runner.sequence(), chunk: 140).suffix(40)
        let base = runner.sequence()
        _ = try runner.append(prefix, to: base, chunk: 64)
        let fork = base.fork()
        let free = runner.decoder.cache.freePageCount
        let cut = alone.fork(length: 100)
        #expect(runner.decoder.cache.freePageCount == free, "a fork takes no page")
        // Both write to the page they share.
        #expect(try runner.append(tailA, to: fork, chunk: 3) == Array(wantedA))
        #expect(try runner.append(tailB, to: base, chunk: 40) == Array(wantedB))
        #expect(try runner.append(tailB, to: cut, chunk: 11) == Array(wantedB))
        base.truncate(to: 100)
        #expect(try runner.append(tailA, to: base, chunk: 40) == Array(wantedA))
    }
}
