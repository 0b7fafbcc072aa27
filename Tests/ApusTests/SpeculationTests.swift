// Guessed tokens change nothing of what is generated: the ids, the text, the logits, what the sequence holds.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import ApusTokenizer
import Testing

@Suite struct SpeculationTests {
    private static let cycle: [Int32] = (0..<40).map { $0 * 5 % 203 }

    /// Guesses do not depend on time here.
    private static let cost = DraftCost(fixed: 0.1)

    /// Ways of drawing; most leave so few tokens likely that the text repeats itself.
    static let samplings: [@Sendable (inout SamplingOptions) -> Void] = [
        { $0.temperature = 0 },
        {
            $0.temperature = 0; for id in 20..<23 { $0.logitBias[Int32(id)] = 30 }
        },
        { for id in 20..<23 { $0.logitBias[Int32(id)] = 30 } },
        {
            $0.repeatPenalty = 1.3; $0.frequencyPenalty = 0.2; for id in 20..<25 { $0.logitBias[Int32(id)] = 30 }
        },
        { $0.repeatPenalty = 0.2 },
        {
            $0.dryMultiplier = 0.8; $0.dryAllowedLength = 4; for id in 20..<23 { $0.logitBias[Int32(id)] = 30 }
        },
        {
            $0.mirostat = 2; for id in 20..<24 { $0.logitBias[Int32(id)] = 30 }
        },
        {
            $0.xtcProbability = 0.5; $0.xtcThreshold = 0.1; for id in 20..<24 { $0.logitBias[Int32(id)] = 30 }
        },
    ]

    private func generate(
        _ model: Model, _ prompt: [Int32], _ sampling: SamplingOptions, _ speculation: Speculation
    ) throws -> (result: GenerationResult, hash: LogitsHash?, position: Int) {
        let session = try Session(model: model, hashesLogits: true)
        var options = GenerationOptions()
        options.maxTokens = 60
        var generator = try Generator(
            source: session, tokenizer: model.tokenizer, chain: SamplerChain(sampling), options: options,
            speculation: speculation)
        generator.draftCost = Self.cost
        let result = try generator.run(prompt: prompt)
        return (result, session.logitsHash, session.position)
    }

    @Test func `Texts, logits and seeds are those of one token after another, on every instruction set`() throws {
        let model = try EngineSupport.model()
        let prompts = [Self.cycle + Self.cycle + Self.cycle, EngineSupport.prompt(100, seed: 3)]
        defer { try? InstructionSet.select(nil) }
        for isa in InstructionSet.available {
            try InstructionSet.select(isa)
            var accepted = 0
            // The slow ones need not say everything.
            let all = Array(Self.samplings.enumerated())
            for (index, sampling) in isa == InstructionSet.available.last ? all[...] : all[1...3] {
                for (number, prompt) in prompts.enumerated() {
                    var options = SamplingOptions()
                    options.seed = UInt64(index)
                    sampling(&options)
                    let plain = try generate(model, prompt, options, .off)
                    let guessed = try generate(model, prompt, options, .lookup)
                    let what: Comment = "\(isa), sampling \(index), prompt \(number)"
                    #expect(guessed.result.ids == plain.result.ids, what)
                    #expect(guessed.result.text == plain.result.text, what)
                    #expect(guessed.result.stopReason == plain.result.stopReason, what)
                    #expect(guessed.result.endToken == plain.result.endToken, what)
                    #expect(guessed.hash == plain.hash, what)
                    #expect(guessed.position == plain.position, what)
                    #expect(guessed.result.decodedTokens == plain.result.decodedTokens, what)
                    #expect(plain.result.speculation == SpeculationStatistics())
                    accepted += guessed.result.speculation.accepted
                }
            }
            #expect(accepted > 50, "\(isa)")
        }
    }

    @Test func `Verified tokens have the logits they have alone, and the others leave nothing behind`() throws {
        let model = try EngineSupport.model()
        let text = EngineSupport.prompt(90, seed: 1)
        let (verified, single) = (
            try Session(model: model, hashesLogits: true), try Session(model: model, hashesLogits: true)
        )
        try verified.eval(text)
        try single.eval(text)
        for right in [0, 3, 15] {
            let next = EngineSupport.prompt(16, seed: right + 2)
            var seen: [[Float]] = []
            try verified.verify(next) { index, logits throws(ApusError) in
                #expect(index == seen.count)
                seen.append(Array(logits))
                return index < right
            }
            for index in 0...right {
                try single.eval([next[index]])
                #expect(single.withLogits { Array($0) == seen[index] })
            }
            #expect(seen.count == right + 1)
            #expect(verified.position == single.position)
            #expect(verified.logitsHash == single.logitsHash)
            #expect(verified.withLogits { Array($0) } == seen.last)
        }
        let long = [Int32](repeating: 1, count: verified.verifiableCount + 1)
        #expect(throws: ApusError.self) { try verified.verify(long) { _, _ in true } }
        #expect(throws: ApusError(.internalError, "x")) {
            try verified.verify([1, 2, 3]) { _, _ throws(ApusError) in throw ApusError(.internalError, "x") }
        }
        #expect(verified.position == single.position)
    }

    // MARK: Ends within what was guessed right

    /// A text that repeats itself, as a model's: tokens are bytes, the end is one of them.
    private final class Parrot: VerifyingLogitsSource {
        let vocabularySize = ChatVocabulary.size
        let contextLength: Int
        let verifiableCount = 16
        private(set) var held: [Int32] = []
        private(set) var steps = 0
        var onStep: (Int) -> Void = { _ in }
        private let script: [Int32]

        init(_ script: [Int32], contextLength: Int) { (self.script, self.contextLength) = (script, contextLength) }

        var position: Int { held.count }

        func eval(_ ids: [Int32], cancellation: CancellationFlag?) throws(ApusError) {
            try take(ids, cancellation)
        }

        func truncate(to length: Int) { held.removeSubrange(length...) }

        func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R {
            var logits = [Float](repeating: 0, count: vocabularySize)
            logits[Int(script[held.count % script.count])] = 50
            return logits.withUnsafeMutableBufferPointer { body($0) }
        }

        func verify(
            _ ids: [Int32], cancellation: CancellationFlag?,
            onLogits: (Int, UnsafeMutableBufferPointer<Float>) throws(ApusError) -> Bool
        ) throws(ApusError) {
            guard held.count + ids.count <= contextLength else { throw ApusError(.contextFull, "full") }
            try take([], cancellation)
            for (index, id) in ids.enumerated() {
                held.append(id)
                let goesOn = try withLogits { logits in
                    Result { () throws(ApusError) in try onLogits(index, logits) }
                }.get()
                if !goesOn { return }
            }
        }

        /// One step, whatever it computes.
        private func take(_ ids: [Int32], _ cancellation: CancellationFlag?) throws(ApusError) {
            steps += 1
            onStep(steps)
            if cancellation?.isCancelled == true { throw ApusError(.cancelled, "cancelled") }
            held += ids
        }
    }

    private struct Outcome: Equatable {
        let ids: [Int32]
        let text: String
        let reason: StopReason
        let endToken: Int32?
        let pieces: String
        let held: [Int32]
        let decodedTokens: Int
    }

    /// The prompt is the script, three times; the reply goes on with it.
    private func parrot(
        _ script: [Int32], context: Int = 1000, _ speculation: Speculation, refusesAt: Int = .max,
        _ change: (inout GenerationOptions) -> Void
    ) throws -> (outcome: Outcome, guesses: SpeculationStatistics) {
        let tokenizer = try Tokenizers.make(ChatVocabulary.metadata())
        let model = Parrot(script, contextLength: context)
        var options = GenerationOptions()
        options.maxTokens = 100
        change(&options)
        var generator = try Generator(
            source: model, tokenizer: tokenizer, chain: SamplerChain([Greedy()], seed: 1), options: options,
            speculation: speculation)
        generator.draftCost = Self.cost
        nonisolated(unsafe) var pieces = ""
        let result = try generator.run(prompt: script + script + script) { piece in
            pieces += piece
            return pieces.utf8.count < refusesAt
        }
        return (
            Outcome(
                ids: result.ids, text: result.text, reason: result.stopReason, endToken: result.endToken,
                pieces: pieces,
                held: model.held, decodedTokens: result.decodedTokens), result.speculation
        )
    }

    @Test func `A text ends where it would end, in the middle of guesses`() throws {
        let letters = Array("the quick brown fox jumps over the lazy dog. ".utf8).map(Int32.init)
        let end = Int32(257)  // <|im_end|>
        var changes: [(String, [Int32], Int, Int, (inout GenerationOptions) -> Void)] = [
            ("stop", letters, 1000, .max, { $0.stops = ["jumps"] }),
            ("stop over a cycle", letters, 1000, .max, { $0.stops = ["g. the", "nowhere"] }),
            ("end", letters + [end], 1000, .max, { _ in }),
            ("ignored end", letters + [end], 1000, .max, { $0.ignoresEndOfGeneration = true }),
            ("no limit", letters, 300, .max, { $0.maxTokens = nil }),
        ]
        for count in 0..<70 { changes.append(("\(count) tokens", letters, 1000, .max, { $0.maxTokens = count })) }
        for count in 0..<30 { changes.append(("\(count) positions", letters, 160 + count, .max, { _ in })) }
        for count in 0..<30 { changes.append(("\(count) bytes", letters, 1000, 20 + count, { _ in })) }
        var accepted = 0
        for (name, script, context, refusesAt, change) in changes {
            let plain = try parrot(script, context: context, .off, refusesAt: refusesAt, change)
            let guessed = try parrot(script, context: context, .lookup, refusesAt: refusesAt, change)
            #expect(guessed.outcome == plain.outcome, "\(name)")
            accepted += guessed.guesses.accepted
        }
        #expect(accepted > 1000)
    }

    @Test func `A raised flag ends the text within a step, and what was generated is kept`() throws {
        let script = (97..<117).map { Int32($0) }
        let tokenizer = try Tokenizers.make(ChatVocabulary.metadata())
        for step in 2..<8 {
            let model = Parrot(script, contextLength: 1000)
            let flag = CancellationFlag()
            model.onStep = { if $0 == step { flag.cancel() } }
            var generator = try Generator(
                source: model, tokenizer: tokenizer, chain: SamplerChain([Greedy()], seed: 1),
                options: GenerationOptions(), cancellation: flag)
            generator.draftCost = Self.cost
            let result = try generator.run(prompt: script + script)
            #expect(result.stopReason == .cancelled)
            #expect(model.steps == step)
            #expect(result.ids == (0..<result.ids.count).map { script[$0 % 20] })
            // All but the last token were fed.
            #expect(model.held == script + script + result.ids.dropLast())
        }
    }

    // MARK: The engine

    @Test(arguments: [1, 3, 12]) func `Requests of texts that repeat give what they give alone`(count: Int) async throws
    {
        let model = try EngineSupport.model()
        var options = EngineOptions()
        options.poolPositions = 24 * 64
        let engine = try Engine(model: model, options: options, onStep: nil, draftCost: Self.cost)
        let requests = (0..<count).map { i in
            EngineSupport.request(
                Self.cycle + Self.cycle + EngineSupport.prompt(i * 11, seed: i) + Self.cycle, maxTokens: 90 + i,
                seed: UInt64(i)
            ) {
                Self.samplings[(i + 1) % Self.samplings.count](&$0.sampling)
                if i % 3 == 1 { $0.generation.stops = ["t21t22", "t20t20t22"] }
                if i % 4 == 2 { ($0.choices, $0.contextLength) = (2, 180 + i * 11) }
                $0.logProbabilities = 1
            }
        }
        let replies = try await EngineSupport.expectAsAlone(requests, engine)
        let metrics = await EngineSupport.idle(engine)
        #expect(metrics.pagesUsed == 0)
        #expect(count > 8 || metrics.speculation.accepted > 20)
        var used = SpeculationStatistics()
        for reply in replies.joined() { used += reply.completion?.usage.speculation ?? used }
        #expect(used.drafted == metrics.speculation.drafted)
        // Log probabilities are those of a text that is given.
        let reply = replies[0][0]
        var request = EngineSupport.request(requests[0].prompt.ids(model.tokenizer) + reply.ids, maxTokens: 0)
        request.promptLogProbabilities = 1
        for try await event in try engine.submit(request) {
            guard case .promptLogProbabilities(let entries) = event else { continue }
            #expect(Array(entries.suffix(reply.ids.count)) == reply.logProbabilities)
        }
    }

    @Test func `Guesses need no pages that others have`() async throws {
        // A pool that is just big enough: nobody makes room for a guess.
        let model = try EngineSupport.model(context: 128)
        var options = EngineOptions()
        options.poolPositions = 128
        let engine = try Engine(model: model, options: options, onStep: nil, draftCost: Self.cost)
        let request = EngineSupport.request(Self.cycle + Self.cycle, maxTokens: nil) {
            Self.samplings[1](&$0.sampling)
            $0.generation.ignoresEndOfGeneration = true
        }
        for _ in 0..<2 {
            let reply = try await EngineSupport.expectAsAlone([request], engine)[0][0]
            #expect(reply.completion?.reason == .contextFull)
            #expect(reply.ids.count == 49)
        }
        #expect(await EngineSupport.idle(engine).preemptions == 0)
    }
}

private func += (sum: inout SpeculationStatistics, other: SpeculationStatistics) {
    sum.drafted += other.drafted
    sum.accepted += other.accepted
}
