// Texts as vectors: held to sums over the states of single tokens, and to the logits that states give.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import Testing

@Suite struct EngineEmbeddingTests {
    private static let shapes = [
        SyntheticModel { $0.embeddingType = .f32 },
        SyntheticModel {
            ($0.architecture, $0.layers, $0.kvHeads, $0.embeddingType) = ("gemma3", 3, 1, .f32)
            $0.metadata = [("gemma3.attention.sliding_window", .uint32(40))]
        },
    ]

    /// The states of a text's tokens, each computed in a step of its own.
    private static func states(_ ids: [Int32], _ model: Model) throws -> [[Float]] {
        let cache = try KVCache(model.weights.spec, positions: 1024)
        let decoder = try Decoder(model.weights, cache: cache, maxTokens: 4, maxPositions: 1024, threads: 2)
        let sequence = KVSequence(cache)
        var states: [[Float]] = []
        for id in ids {
            try decoder.run([.init(sequence, tokens: [id], logits: .lastState)], onLogits: { _, _ in }) { _, state in
                states.append(state)
            }
        }
        return states
    }

    @Test(arguments: 0..<2) func `A state is what the logits are computed from`(shape: Int) throws {
        // The embedding is F32 and the output too: a logit is the product of its row and the state.
        let rows = try Self.shapes[shape].withFile { file throws(ApusError) -> [Float] in
            guard let tensor = file.tensor(named: "token_embd.weight") else { return [] }
            var rows = [Float](repeating: 0, count: tensor.elementCount)
            let failure = rows.withUnsafeMutableBytes { bytes -> ApusError? in
                do throws(ApusError) {
                    try file.read(tensor, at: 0, into: bytes)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
            return rows
        }
        let model = try ModelTests.model(Self.shapes[shape])
        let ids = EngineSupport.prompt(20, seed: 1)
        let session = try Session(model: model)
        for (id, state) in zip(ids, try Self.states(ids, model)) {
            try session.eval([id])
            let logits = session.withLogits { Array($0) }
            let dim = state.count
            for token in 0..<203 {
                let terms = (0..<dim).map { Double(rows[token * dim + $0]) * Double(state[$0]) }
                // Every term and every sum is rounded to f32.
                let bound = Double(dim + 1) * 6e-8 * terms.reduce(0) { $0 + abs($1) }
                #expect(abs(terms.reduce(0, +) - Double(logits[token])) <= bound)
            }
        }
    }

    @Test(arguments: 0..<2, EmbeddingPooling.allCases) func `A vector is pooled from the states, beside other requests`(
        shape: Int, pooling: EmbeddingPooling
    ) async throws {
        let model = try ModelTests.model(chunk: 48, Self.shapes[shape])
        let engine = try Engine(model: model)
        let ids = EngineSupport.prompt(150, seed: 3)
        let states = try Self.states(ids, model).map { $0.map(Double.init) }
        let dim = states[0].count
        let wanted: [Float] =
            switch pooling {
            case .mean: (0..<dim).map { i in Float(states.reduce(0) { $0 + $1[i] } / 150) }
            case .last: states[149].map(Float.init)
            case .cls: states[0].map(Float.init)
            }
        let neighbours = try EngineSupport.mixedRequests(4).map { request throws(ApusError) in
            try engine.submit(request)
        }
        async let first = engine.embed(.ids(ids), pooling: pooling, isNormalized: false)
        async let second = engine.embed(.ids(ids), pooling: pooling)
        let (plain, normalized) = try await (first, second)
        #expect(plain.vector == wanted)
        #expect(plain.tokens == 150)
        let length = wanted.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        let error = zip(normalized.vector, wanted).map { abs(Double($0) - Double($1) / length) }.max() ?? 1
        // One rounding to f32 of the components, and one of the sums that the length was made of.
        #expect(error < 2e-7)
        for response in neighbours { _ = try await response.collect() }
        // Again, where the pages are there: only the last state can do without computing the text.
        let again = try await engine.embed(.ids(ids), pooling: pooling, isNormalized: false)
        #expect(again.vector == wanted)
        #expect(again.reusedTokens == (pooling == .last ? 149 : 0))
    }

    @Test func `A text that cannot be is refused, a cancelled one ends`() async throws {
        let engine = try Engine(model: EngineSupport.model(context: 100))
        await #expect(throws: ApusError.self) {
            try await engine.embed(.ids([Int32](repeating: 1, count: 101)), pooling: .mean)
        }
        await #expect(throws: ApusError(.cancelled, "the computation was cancelled")) {
            try await engine.embed(.ids([1, 2]), pooling: .mean, deadline: .now)
        }
        #expect(await EngineSupport.idle(engine).pagesUsed == 0)
    }
}
