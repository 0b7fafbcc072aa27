// What requests share, and that it stays free of them: pages, time, the queue.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import Synchronization
import Testing

@Suite struct EngineSharingTests {
    private static func options(_ change: (inout EngineOptions) -> Void) -> EngineOptions {
        var options = EngineOptions()
        change(&options)
        return options
    }

    // MARK: Pages

    @Test(arguments: [8, 16, 40]) func `A pool too small for all is shared by turns, and the bits stay`(
        pages: Int
    ) async throws {
        let model = try EngineSupport.model(context: 512)
        let engine = try Engine(model: model, options: Self.options { $0.poolPositions = pages * 64 })
        #expect(engine.contextLength == 512)
        let requests = (0..<10).map { i in
            EngineSupport.request(EngineSupport.prompt(20 + i * 23, seed: i), maxTokens: 150, seed: UInt64(i)) {
                $0.generation.ignoresEndOfGeneration = true
                if i % 4 == 0 { $0.choices = 3 }
            }
        }
        _ = try await EngineSupport.expectAsAlone(requests, engine)
        let metrics = await EngineSupport.idle(engine)
        #expect(metrics.preemptions > 0)
        #expect(metrics.pagesUsed == 0)
        #expect(metrics.requestsEnded == 10)
    }

    @Test func `A pool smaller than the context ends a text that fills it`() async throws {
        let model = try EngineSupport.model(context: 512)
        let engine = try Engine(model: model, options: Self.options { $0.poolPositions = 128 })
        #expect(engine.contextLength == 128)
        let request = EngineSupport.request(EngineSupport.prompt(100, seed: 1), maxTokens: nil) {
            $0.generation.ignoresEndOfGeneration = true
        }
        // Twice: the second one finds the pages of the first, one of which it must copy and has no room for.
        for _ in 0..<2 {
            let reply = try await engine.submit(request).collect()[0]
            #expect(reply.completion?.reason == .contextFull)
            #expect(reply.ids.count == 29)
        }
        #expect(throws: ApusError.self) { try engine.submit(EngineSupport.request([Int32](repeating: 1, count: 129))) }
    }

    @Test func `A later text that begins alike computes only what differs`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let system = EngineSupport.prompt(200, seed: 1)
        _ = try await EngineSupport.expectAsAlone([EngineSupport.request(system + [7, 8])], engine)
        let before = engine.metrics
        #expect(before.tokensReused == 0)
        let request = EngineSupport.request(system + EngineSupport.prompt(50, seed: 2))
        let reply = try await EngineSupport.expectAsAlone([request], engine)[0][0]
        let after = await EngineSupport.idle(engine)
        // Three whole pages and the beginning of the fourth.
        #expect(after.tokensReused == 200)
        #expect(reply.completion?.usage.reusedTokens == 200)
        #expect(after.tokensComputed - before.tokensComputed < 51 + reply.ids.count)

        // The same text again: all but the last token, whose logits are wanted.
        let again = try await EngineSupport.expectAsAlone([request], engine)[0][0]
        #expect(again.completion?.usage.reusedTokens == 249)
        // And a conversation that goes on after the reply.
        let turn = EngineSupport.request(system + EngineSupport.prompt(50, seed: 2) + again.ids + [11, 12, 13])
        let next = try await EngineSupport.expectAsAlone([turn], engine)[0][0]
        #expect((next.completion?.usage.reusedTokens ?? 0) >= 250 + again.ids.count - 1)
    }

    @Test func `Nothing is shared where it is not wanted`() async throws {
        let request = EngineSupport.request(EngineSupport.prompt(200, seed: 1))
        let engine = try Engine(model: EngineSupport.model(), options: Self.options { $0.sharesPrefixes = false })
        for _ in 0..<2 { _ = try await EngineSupport.expectAsAlone([request], engine) }
        #expect(engine.metrics.tokensReused == 0)
        #expect(await EngineSupport.idle(engine).pagesCached == 0)
        let sharing = try Engine(model: engine.model)
        var alone = request
        alone.reusesPrefix = false
        for _ in 0..<2 { _ = try await EngineSupport.expectAsAlone([alone], sharing) }
        #expect(sharing.metrics.tokensReused == 0)
    }

    @Test func `Requests that begin alike and come together compute the beginning once`() async throws {
        let engine = try Engine(model: EngineSupport.model(chunk: 128))
        let system = EngineSupport.prompt(320, seed: 1)
        let requests = (0..<8).map { i in
            EngineSupport.request(system + EngineSupport.prompt(10 + i, seed: i), maxTokens: 5, seed: UInt64(i))
        }
        let replies = try await EngineSupport.expectAsAlone(requests, engine)
        let metrics = await EngineSupport.idle(engine)
        let own = (0..<8).reduce(0) { $0 + 10 + $1 } + replies.joined().reduce(0) { $0 + $1.ids.count }
        #expect(metrics.tokensComputed <= 320 + own)
        #expect(metrics.tokensReused == 7 * 320)
    }

    @Test func `What was used least recently goes first`() async throws {
        let engine = try Engine(
            model: EngineSupport.model(context: 512), options: Self.options { $0.poolPositions = 16 * 64 })
        func reused(_ seed: Int) async throws -> Int {
            let request = EngineSupport.request(EngineSupport.prompt(257, seed: seed), maxTokens: 1)
            return try await engine.submit(request).collect()[0].completion?.usage.reusedTokens ?? -1
        }
        // Texts of four pages, and a little: three fit beside the one that runs.
        for seed in 1...3 { #expect(try await reused(seed) == 0) }
        #expect(try await reused(1) == 256)
        #expect(try await reused(4) == 0)
        #expect(try await reused(1) == 256)
        #expect(try await reused(2) < 256)
    }

    // MARK: Time

    @Test func `A long prompt delays short ones by its chunks only, and they do not starve it`() async throws {
        let log = StepLog()
        let engine = try Engine(
            model: EngineSupport.model(chunk: 32, context: 2048), options: Self.options { $0.speculation = .off },
            onStep: log.note)
        // Request 0 decodes, request 1 is long, the others are short.
        let requests =
            [
                EngineSupport.request([1, 2, 3], maxTokens: 200) { $0.generation.ignoresEndOfGeneration = true },
                EngineSupport.request(EngineSupport.prompt(1500, seed: 1), maxTokens: 2),
            ] + (2..<6).map { EngineSupport.request(EngineSupport.prompt(8, seed: $0), maxTokens: 2) }
        for response in try EngineSupport.together(requests, engine) { _ = try await response.collect() }
        _ = await EngineSupport.idle(engine)
        let steps = log.steps
        let chunk = steps.flatMap { $0.map(\.tokens) }.max() ?? 0
        #expect(chunk <= 32)
        // The one that decodes gets a token with every step from its first to its last.
        let decoding = log.indices(of: 0)
        #expect(decoding.count == 200)
        #expect(decoding == Array(decoding[0]..<decoding[0] + 200))
        // Four prompts of 8 tokens come before the rest of the long one: a step or two at the chunk of 32.
        let ofLong = log.indices(of: 1)
        for request in 2..<6 {
            let indices = log.indices(of: request)
            #expect(indices.count >= 2)
            #expect((indices.first ?? .max) < ofLong[0] + 10, "request \(request) came only with step \(indices)")
            #expect((indices.last ?? .max) < (ofLong.last ?? 0), "request \(request) waited for the long one")
        }
        // The long one had a part of every step from its first on.
        #expect(ofLong.count >= 1500 / 32)
        let end = ofLong.last ?? 0
        #expect(ofLong == Array(ofLong[0]...end))
    }

    @Test func `Higher priorities come first`() async throws {
        let log = StepLog()
        let engine = try Engine(
            model: EngineSupport.model(), options: Self.options { ($0.maxRunning, $0.speculation) = (1, .off) },
            onStep: log.note)
        let requests = [0, 0, 5, 1].map { priority in
            EngineSupport.request(EngineSupport.prompt(20, seed: priority), maxTokens: 30) {
                $0.priority = priority
                $0.generation.ignoresEndOfGeneration = true
            }
        }
        for response in try EngineSupport.together(requests, engine) { _ = try await response.collect() }
        let order = log.steps.compactMap(\.first?.request)
        #expect(log.steps.allSatisfy { $0.count == 1 })
        #expect(order == [2, 3, 0, 1].flatMap { [Int](repeating: $0, count: 30) })
    }

    @Test func `Nobody waits for a slow consumer`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let slow = try engine.submit(
            EngineSupport.request([1, 2], maxTokens: 300) { $0.generation.ignoresEndOfGeneration = true })
        let metrics = await EngineSupport.idle(engine)
        #expect(metrics.requestsEnded == 1)
        #expect(metrics.pagesUsed == 0)
        #expect(try await slow.collect()[0].ids.count == 300)
    }

    @Test func `More requests than may wait are refused`() async throws {
        let engine = try Engine(
            model: EngineSupport.model(), options: Self.options { ($0.maxRunning, $0.maxWaiting) = (1, 2) })
        let taken = try ComputeThread.shared.run { () throws -> [EngineResponse] in
            let taken = try (0..<3).map { _ in try engine.submit(EngineSupport.endless) }
            #expect(throws: ApusError(.busy, "1 requests run and 2 wait, which is all that may")) {
                try engine.submit(EngineSupport.endless)
            }
            return taken
        }
        for response in taken { response.cancel() }
        _ = await EngineSupport.idle(engine)
        #expect(try await engine.submit(EngineSupport.request([5], maxTokens: 1)).collect().count == 1)
    }

    // MARK: Ends

    @Test func `Requests called off at random moments leave nothing behind and harm nobody`() async throws {
        let model = try EngineSupport.model(chunk: 64)
        let engine = try Engine(model: model, options: Self.options { ($0.poolPositions, $0.maxRunning) = (2048, 6) })
        let requests = EngineSupport.mixedRequests(48)
        let alone = try requests.map { try EngineSupport.alone($0, model) }
        try await withThrowingTaskGroup(of: (Int, [EngineReply]?).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask {
                    let response = try engine.submit(request)
                    if index % 3 == 0 { return (index, try await response.collect()) }
                    // The others hang up: after some events, by cancelling the task, or without listening at all.
                    if index % 3 == 1 {
                        var events = index % 7
                        for try await _ in response {
                            if events == 0 { break }
                            events -= 1
                        }
                        return (index, nil)
                    }
                    let task = Task { try await response.collect() }
                    try await Task.sleep(for: .microseconds(index * 300))
                    task.cancel()
                    _ = try await task.value
                    return (index, nil)
                }
            }
            for try await (index, replies) in group {
                guard let replies else { continue }
                for (choice, reply) in replies.enumerated() {
                    let difference = EngineSupport.difference(reply, alone[index][choice])
                    #expect(difference == nil, "request \(index), choice \(choice): \(difference ?? "")")
                }
            }
        }
        let metrics = await EngineSupport.idle(engine)
        #expect(metrics.requestsEnded == 48)
        #expect(metrics.pagesUsed == 0)
        #expect(metrics.pagesFree + metrics.pagesCached == 32)
    }

    @Test func `Hanging up takes effect in the queue, in a prompt and in a reply`() async throws {
        let cancelAt = Mutex<[Int: EngineResponse]>([:])
        let log = StepLog { step in
            cancelAt.withLock { due in
                for (at, response) in due where at <= step {
                    response.cancel()
                    due[at] = nil
                }
            }
        }
        let engine = try Engine(
            model: EngineSupport.model(chunk: 16, context: 30_000),
            options: Self.options { ($0.maxRunning, $0.speculation) = (1, .off) }, onStep: log.note)
        let long = EngineSupport.request(EngineSupport.prompt(1500, seed: 1))
        // A queued one, which never computes anything, and a reply, of which is told what was generated until then.
        let both = try ComputeThread.shared.run { () throws(ApusError) in
            let both = try EngineSupport.together([EngineSupport.endless, long], engine)
            both[1].cancel()
            cancelAt.withLock { $0[20] = both[0] }
            return both
        }
        let queued = try await both[1].collect()[0]
        #expect(queued.completion?.reason == .cancelled)
        #expect(queued.ids.isEmpty)
        let reply = try await both[0].collect()[0]
        #expect(reply.completion?.reason == .cancelled)
        #expect(reply.ids.count == 20)
        #expect(log.steps.count == 20 && log.indices(of: 1).isEmpty)
        _ = await EngineSupport.idle(engine)
        // A prompt, in the second of its many steps.
        let steps = log.steps.count
        let prefilling = try ComputeThread.shared.run { () throws(ApusError) in
            let response = try engine.submit(long)
            cancelAt.withLock { $0[steps + 2] = response }
            return response
        }
        let cut = try await prefilling.collect()[0]
        #expect(cut.completion?.reason == .cancelled)
        #expect(cut.ids.isEmpty)
        #expect(log.steps.count == steps + 2)
        #expect(await EngineSupport.idle(engine).pagesUsed == 0)
    }

    @Test func `A deadline ends a reply with what there is, and a request in the queue`() async throws {
        let engine = try Engine(
            model: EngineSupport.model(context: 30_000), options: Self.options { $0.maxRunning = 1 })
        // Another one keeps the only place: the deadline passes in the queue.
        var past = EngineSupport.endless
        (past.deadline, past.choices) = (.now, 2)
        let both = try EngineSupport.together([EngineSupport.request([1, 2]), past], engine)
        let queued = try await both[1].collect()
        #expect(queued.count == 2)
        #expect(queued.allSatisfy { $0.completion?.reason == .deadline && $0.ids.isEmpty })
        var late = EngineSupport.endless
        late.deadline = .now + .milliseconds(100)
        #expect(try await engine.submit(late).collect()[0].completion?.reason == .deadline)
        // Time that counts from the end of the prompt on leaves something to be said.
        late.deadline = nil
        late.maxGenerationDuration = .milliseconds(50)
        let reply = try await engine.submit(late).collect()[0]
        #expect(reply.completion?.reason == .deadline && !reply.ids.isEmpty)
        #expect(await EngineSupport.idle(engine).pagesUsed == 0)
    }

    @Test func `Metrics tell what runs, and what prompts and replies took`() async throws {
        // Looked at from within steps: from outside, on a busy machine, the request may have ended before anybody looks.
        let observed = Mutex<Engine?>(nil)
        let seen = Mutex<[EngineMetrics]>([])
        let engine = try Engine(
            model: EngineSupport.model(), options: Self.options { $0.speculation = .off },
            onStep: { _ in
                guard let metrics = observed.withLock({ $0 })?.metrics else { return }
                seen.withLock { $0.append(metrics) }
            })
        observed.withLock { $0 = engine }
        defer { observed.withLock { $0 = nil } }
        var request = EngineSupport.endless
        request.generation.maxTokens = 20
        _ = try await engine.submit(request).collect()
        let midway = try #require(
            seen.withLock { $0.first { $0.sequences.first.map { $0.completionTokens > 0 } ?? false } })
        let running = midway.sequences[0]
        #expect(midway.sequences.count == 1 && running.promptTokens == 2 && running.maxTokens == 20)
        #expect(running.computedTokens >= 2)
        let metrics = await EngineSupport.idle(engine)
        #expect(metrics.sequences.isEmpty)
        #expect(metrics.promptTokens == 2 && metrics.promptDuration > .zero && metrics.generationDuration > .zero)
        #expect(metrics.longestSequence == 2 + metrics.tokensGenerated)
        #expect(metrics.stepSequences == metrics.steps)
    }

    @Test func `A closed engine ends its requests and takes no more`() async throws {
        let engine = try Engine(model: EngineSupport.model(), options: Self.options { $0.maxRunning = 1 })
        let responses = try ComputeThread.shared.run { () throws(ApusError) in
            defer { engine.close() }
            return try EngineSupport.together([EngineSupport.endless, EngineSupport.endless], engine)
        }
        for response in responses {
            await #expect(throws: ApusError(.cancelled, "the engine was closed")) { try await response.collect() }
        }
        #expect(throws: ApusError(.cancelled, "the engine was closed")) { try engine.submit(EngineSupport.endless) }
        #expect(await EngineSupport.idle(engine).pagesUsed == 0)
    }

    @Test func `A request outlives its engine, and two engines take turns`() async throws {
        let model = try EngineSupport.model()
        let request = EngineSupport.request(EngineSupport.prompt(100, seed: 2), maxTokens: 40)
        let alone = try EngineSupport.alone(request, model)[0]
        let responses = try (0..<2).map { _ in try Engine(model: model).submit(request) }
        for response in responses {
            let reply = try await response.collect()[0]
            #expect(EngineSupport.difference(reply, alone) == nil)
        }
    }
}
