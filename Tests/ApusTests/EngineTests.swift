// Many requests at once: the same bits as alone, nothing left behind, nobody held up.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import ApusTokenizer
import Testing

@Suite struct EngineTests {
    @Test func `Sixteen mixed requests at once give what each gives alone`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let requests = EngineSupport.mixedRequests(16)
        let replies = try await EngineSupport.expectAsAlone(requests, engine)
        let metrics = await EngineSupport.idle(engine)
        #expect(metrics.pagesUsed == 0)
        #expect(metrics.requestsEnded == 16)
        let reasons = Set(replies.joined().compactMap(\.completion?.reason))
        #expect(reasons.isSuperset(of: [.endOfGeneration, .stopString, .maxTokens]), "\(reasons)")
    }

    @Test func `Log probabilities are those of the logits alone, to the bit`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let requests = EngineSupport.mixedRequests(8).filter { $0.choices == 1 && $0.logProbabilities != nil }
        let replies = try await EngineSupport.expectAsAlone(requests, engine)
        for (request, reply) in zip(requests, replies) {
            let session = try Session(model: engine.model)
            try session.eval(request.prompt.ids(engine.model.tokenizer))
            #expect(reply[0].logProbabilities.count == reply[0].ids.count)
            for (id, entry) in zip(reply[0].ids, reply[0].logProbabilities) {
                let wanted = session.withLogits { logits in
                    (0..<Int32(203)).map { id in
                        try? -LikelihoodScore.negativeLogLikelihood(of: id, logits: logits.span)
                    }
                }
                #expect(entry.token.id == id && entry.token.value == wanted[Int(id)])
                #expect(entry.top.count == 203)
                #expect(entry.top.allSatisfy { $0.value == wanted[Int($0.id)] })
                #expect(entry.top == entry.top.sorted { ($1.value, $0.id) < ($0.value, $1.id) })
                try session.eval([id])
            }
        }
    }

    @Test func `Choices fork the prompt, which is computed once`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let request = EngineSupport.request(EngineSupport.prompt(200, seed: 3)) { $0.choices = 8 }
        let replies = try await EngineSupport.expectAsAlone([request], engine)[0]
        #expect(Set(replies.map(\.ids)).count > 4)
        let metrics = await EngineSupport.idle(engine)
        let drawn = replies.reduce(0) { $0 + $1.ids.count }
        #expect(metrics.tokensComputed <= 200 + drawn)
    }

    @Test func `A stop string over token borders ends the text before it, and nothing is cut`() async throws {
        let model = try EngineSupport.model()
        let engine = try Engine(model: model)
        let prompt = EngineSupport.prompt(30, seed: 5)
        let free = try EngineSupport.alone(EngineSupport.request(prompt, seed: 7), model)[0]
        // From the middle of the third token to the middle of the fifth.
        let pieces = free.ids.map {
            String(decoding: model.tokenizer.bytes(of: $0, renderSpecial: false), as: UTF8.self)
        }
        let stop = String((pieces[2].dropFirst() + pieces[3] + pieces[4].dropLast()))
        try #require(pieces.count > 5 && !(pieces[0] + pieces[1]).contains(stop))
        let request = EngineSupport.request(prompt, seed: 7) { $0.generation.stops = ["nowhere", stop] }
        var texts: [String] = []
        var completion: EngineCompletion?
        for try await event in try engine.submit(request) {
            if case .token(let token) = event { texts.append(token.text) }
            if case .finished(let end) = event { completion = end }
        }
        #expect(texts.joined() + (completion?.text ?? "") == pieces[0] + pieces[1] + pieces[2].prefix(1))
        #expect(completion?.reason == .stopString)
        #expect(completion?.stopString == stop)
        // The beginning of a stop string is held back, and given out at the end when it was none.
        let other = EngineSupport.request(prompt, maxTokens: 4, seed: 7) { $0.generation.stops = [stop] }
        let reply = try await engine.submit(other).collect()[0]
        #expect(reply.text == pieces[..<4].joined())
        #expect(reply.completion?.text == String(pieces[2].dropFirst() + pieces[3]))
    }

    @Test func `No tokens asked for: the prompt is computed, and that is all`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let request = EngineSupport.request(EngineSupport.prompt(70, seed: 1), maxTokens: 0) { $0.choices = 2 }
        let replies = try await engine.submit(request).collect()
        #expect(replies.count == 2)
        #expect(replies.allSatisfy { $0.ids.isEmpty && $0.completion?.reason == .maxTokens })
        #expect(engine.metrics.tokensComputed == 70)
    }

    @Test func `Events come in order, with the progress of the prompt`() async throws {
        let engine = try Engine(model: EngineSupport.model(chunk: 64))
        var progress: [PromptProgress] = []
        var kinds: [String] = []
        for try await event in try engine.submit(EngineSupport.request(EngineSupport.prompt(200, seed: 4))) {
            switch event {
            case .prompt(let step):
                progress.append(step)
                kinds.append("prompt")
            case .token: kinds.append("token")
            case .finished: kinds.append("finished")
            case .promptLogProbabilities: kinds.append("other")
            }
        }
        #expect(progress.first?.processed == 0)
        #expect(progress.last?.processed == 200)
        #expect(progress.allSatisfy { $0.total == 200 && $0.reused == 0 })
        #expect(zip(progress, progress.dropFirst()).allSatisfy { $0.processed < $1.processed })
        #expect(
            kinds
                == kinds.sorted {
                    ["prompt", "token", "finished"].firstIndex(of: $0) ?? 9
                        < ["prompt", "token", "finished"].firstIndex(of: $1) ?? 9
                })
        #expect(kinds.last == "finished")
    }

    @Test func `Log probabilities of a prompt are those of its tokens, at any chunk`() async throws {
        let prompt = EngineSupport.prompt(150, seed: 8)
        for chunk in [7, 512] {
            let model = try EngineSupport.model(chunk: chunk)
            var score = LikelihoodScore()
            try Session(model: model).evalAll(prompt) { index, logits throws(ApusError) in
                if index + 1 < prompt.count { try score.add(prompt[index + 1], logits: logits.span) }
            }
            let engine = try Engine(model: model)
            // Others have left pages of the same prompt: they give no logits.
            _ = try await engine.submit(EngineSupport.request(prompt)).collect()
            let request = EngineSupport.request(prompt, maxTokens: 1) {
                ($0.promptLogProbabilities, $0.logProbabilities) = (2, 2)
            }
            var found: [TokenLogProbability] = []
            for try await event in try engine.submit(request) {
                if case .promptLogProbabilities(let entries) = event { found = entries }
            }
            #expect(found.map(\.token.id) == Array(prompt.dropFirst()))
            #expect(found.map { -$0.token.value } == score.negativeLogLikelihoods)
            #expect(found.allSatisfy { $0.top.count == 2 && $0.top[0].value >= $0.token.value })
        }
    }

    @Test func `What cannot be done is refused at once, by name`() throws {
        let engine = try Engine(model: EngineSupport.model(context: 100))
        func message(_ ids: [Int32] = [1], _ change: (inout EngineRequest) -> Void = { _ in }) -> ApusError? {
            do throws(ApusError) {
                _ = try engine.submit(EngineSupport.request(ids, change))
                return nil
            } catch {
                return error
            }
        }
        #expect(message() == nil)
        #expect(message([])?.code == .invalidArgument)
        #expect(message([1, 203])?.message == "token 203 at position 1 of the prompt is outside the vocabulary of 203")
        #expect(message([-1])?.code == .invalidArgument)
        #expect(message([Int32](repeating: 1, count: 101))?.code == .contextFull)
        #expect(message([1, 2, 3]) { $0.contextLength = 2 }?.code == .contextFull)
        #expect(message { $0.contextLength = 0 }?.code == .invalidArgument)
        #expect(message { $0.choices = 0 }?.message == "n is 0, wanted: 1 to 128")
        #expect(message { $0.choices = .max }?.code == .invalidArgument)
        #expect(message { $0.logProbabilities = 204 }?.message == "logprobs is 204, wanted: 0 to 203")
        #expect(message { $0.promptLogProbabilities = -1 }?.code == .invalidArgument)
        #expect(message { $0.generation.maxTokens = -1 }?.code == .invalidArgument)
        #expect(message { $0.generation.stops = [""] }?.code == .invalidArgument)
        #expect(message { $0.sampling.topP = 2 }?.code == .invalidArgument)
        for change in [
            { $0.maxRunning = 0 }, { $0.poolPositions = 0 }, { $0.stepDuration = .zero }, { $0.maxWaiting = -1 },
        ] as [(inout EngineOptions) -> Void] {
            var options = EngineOptions()
            change(&options)
            #expect(throws: ApusError.self) { try Engine(model: engine.model, options: options) }
        }
    }

    @Test func `An empty text is the token that begins one`() async throws {
        let model = try ModelTests.model(
            SyntheticModel { $0.metadata = [("tokenizer.ggml.bos_token_id", .uint32(3))] })
        var request = EngineSupport.request([], maxTokens: 3)
        request.prompt = .text([], parseSpecial: false)
        let engine = try Engine(model: model)
        let response = try engine.submit(request)
        #expect(response.promptIDs == [3])
        #expect(try await response.collect()[0].ids == EngineSupport.alone(request, model)[0].ids)
    }

    @Test func `Tokens weigh more the more they see, and as many fit as weigh no more`() throws {
        let model = try EngineSupport.model()
        let weights = TokenWeights(DecoderCost(model.weights))
        #expect(weights.weight(of: 1, at: 0, logits: 0) == 1)
        #expect(weights.weight(of: 1, at: 1000, logits: 0) > weights.weight(of: 1, at: 500, logits: 0) + 0.1)
        #expect(weights.weight(of: 10, at: 0, logits: 10) > weights.weight(of: 10, at: 0, logits: 1))
        for (count, position) in [(1, 0), (17, 3), (300, 1000)] {
            for wantsLogits in [false, true] {
                let weight = weights.weight(of: count, at: position, logits: wantsLogits ? count : 0)
                func fitting(_ weight: Double, atMost limit: Int = 512) -> Int {
                    weights.count(within: weight, at: position, wantsLogits: wantsLogits, atMost: limit)
                }
                #expect(fitting(weight) == count)
                #expect(fitting(weight * 0.999) == count - 1)
                #expect(fitting(weight, atMost: count / 2) == count / 2)
            }
        }
    }

    @Test func `A step's tokens follow the time that steps take`() {
        var sizer = StepSizer(parameters: 1 << 30, target: .milliseconds(150), limit: 512)
        #expect(sizer.tokens == StepSizer.least)
        // 800 tokens are due after 100 steps: 8 that come less than 99 steps later are due before them, others after.
        func due(_ count: Double, after seconds: Double) -> ContinuousClock.Instant {
            sizer.dueTime(of: count, since: start + .seconds(seconds), target: .milliseconds(150))
        }
        let start = ContinuousClock.now
        #expect(due(800, after: 0) == start + .seconds(15))
        #expect(due(8, after: 14.8) < due(800, after: 0) && due(8, after: 14.9) > due(800, after: 0))
        // A token takes a millisecond, and a step ten more.
        for _ in 0..<20 {
            sizer.record(sizer.tokens, took: .milliseconds(10 + sizer.tokens), target: .milliseconds(150))
        }
        #expect((135...145).contains(sizer.tokens))
        // A step that was not full says nothing of what would fit.
        sizer.record(8, took: .milliseconds(1), target: .milliseconds(150))
        #expect((135...145).contains(sizer.tokens))
        // Twice as slow: half at once.
        sizer.record(140, took: .milliseconds(300), target: .milliseconds(150))
        #expect((67...75).contains(sizer.tokens))
        // Not below what costs no more than one token, nor above the limit.
        for _ in 0..<20 { sizer.record(sizer.tokens, took: .seconds(10), target: .milliseconds(150)) }
        #expect(sizer.tokens == StepSizer.least)
        for _ in 0..<20 { sizer.record(sizer.tokens, took: .microseconds(1), target: .milliseconds(150)) }
        #expect(sizer.tokens == 512)
    }
}
