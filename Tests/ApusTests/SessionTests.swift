// The token level: whatever way tokens came into a session, its logits have the same bits.

import Apus
import ApusTestSupport
import Foundation
import Testing

@Suite struct SessionTests {
    /// Where a session's pages are.
    enum Home: CaseIterable {
        case own, engine

        func session(_ model: Model) throws -> Session {
            switch self {
            case .own: try Session(model: model, poolPositions: 4 * model.contextLength)
            case .engine: Session(engine: try Engine(model: model))
            }
        }
    }

    static let text = EngineSupport.prompt(300, seed: 5)

    /// The logits after each token, computed one token after another in a session that does nothing else.
    static let wanted = Result {
        let session = try Session(model: EngineSupport.model())
        return try text.map { id in
            try session.eval([id])
            return session.withLogits { $0.map(\.bitPattern) }
        }
    }

    private func bits(_ session: Session, at position: Int) throws -> [UInt32] {
        try session.withLogits(at: position) { $0.map(\.bitPattern) }
    }

    private func last(_ session: Session) -> [UInt32] { session.withLogits { $0.map(\.bitPattern) } }

    @Test(arguments: Home.allCases, [1, 60, 512]) func `Kept logits have the bits of one token after another`(
        home: Home, chunk: Int
    ) throws {
        let wanted = try Self.wanted.get()
        let session = try home.session(EngineSupport.model(chunk: chunk))
        #expect(session.logitsPositions.isEmpty)
        try session.eval(Array(Self.text[..<100]))
        #expect(session.logitsPositions == 99..<100)
        #expect(last(session) == wanted[99])
        try session.eval(Array(Self.text[100..<250]), keeping: .all)
        #expect(session.logitsPositions == 100..<250)
        for position in 100..<250 { #expect(try bits(session, at: position) == wanted[position]) }
        #expect(throws: ApusError(.invalidArgument, "there are no logits at position 99, wanted: 100 to 249")) {
            try bits(session, at: 99)
        }
        var seen: [Int] = []
        try session.evalAll(Array(Self.text[250...])) { index, row throws(ApusError) in
            seen.append(index)
            #expect(row.map(\.bitPattern) == wanted[250 + index])
        }
        #expect(seen == Array(0..<50))
        #expect(session.tokens == Self.text)
        #expect(last(session) == wanted[299])
    }

    @Test(arguments: Home.allCases) func `A session goes back, with the logits that were kept`(home: Home) throws {
        let wanted = try Self.wanted.get()
        let session = try home.session(EngineSupport.model())
        try session.eval(Array(Self.text[..<130]), keeping: .all)
        session.truncate(to: 500)
        #expect(session.position == 130)
        session.truncate(to: 70)
        #expect(session.tokens == Array(Self.text[..<70]))
        #expect(session.logitsPositions == 0..<70)
        #expect(last(session) == wanted[69])
        try session.eval(Array(Self.text[70..<80]))
        #expect(last(session) == wanted[79])
        session.truncate(to: 79)
        #expect(session.logitsPositions.isEmpty && last(session).isEmpty)
        #expect(throws: ApusError(.invalidArgument, "there are no logits at position 78, wanted: computed tokens")) {
            try bits(session, at: 78)
        }
        try session.eval([Self.text[79]])
        #expect(last(session) == wanted[79])
        session.truncate(to: -1)
        #expect(session.position == 0)
        try session.eval(Array(Self.text[..<10]))
        #expect(last(session) == wanted[9])
    }

    @Test(arguments: Home.allCases) func `Forks go on by themselves, on threads of their own`(home: Home) async throws {
        let wanted = try Self.wanted.get()
        let session = try home.session(EngineSupport.model())
        try session.eval(Array(Self.text[..<100]))
        let whole = try session.fork()
        #expect(last(whole) == wanted[99])
        let short = try session.fork(at: 70)
        #expect(short.logitsPositions.isEmpty && short.tokens == Array(Self.text[..<70]))
        #expect(throws: ApusError(.invalidArgument, "the length of a fork is 101, wanted: 0 to 100")) {
            _ = try session.fork(at: 101)
        }
        let others = (0..<6).map { [Int32](EngineSupport.prompt(40, seed: $0)) }
        try await withThrowingTaskGroup { group in
            for other in others {
                // A fork belongs to whom it is given to, and is gone when that one is done.
                let fork = try session.fork(at: 90)
                group.addTask {
                    for id in other { try fork.eval([id]) }
                    let alone = try Session(model: fork.model)
                    try alone.eval(Array(Self.text[..<90]) + other)
                    let same = fork.withLogits { a in alone.withLogits { b in a.elementsEqual(b) } }
                    #expect(same, "\(other)")
                }
            }
            for id in Self.text[100..<140] { try session.eval([id]) }
            try await group.waitForAll()
        }
        try short.eval(Array(Self.text[70..<300]))
        #expect(last(short) == wanted[299])
        #expect(last(session) == wanted[139] && last(whole) == wanted[99])
        try whole.eval([Self.text[100]], keeping: .all)
        let next = try whole.fork()
        #expect(last(next) == wanted[100])
    }

    @Test(arguments: Home.allCases) func `Logits that were asked for stay while forks go on`(home: Home) throws {
        let wanted = try Self.wanted.get()
        let session = try home.session(EngineSupport.model())
        try session.eval(Array(Self.text[..<100]))
        let row = try session.logits(at: 99)
        #expect(try session.logits(at: 99).baseAddress == row.baseAddress)
        let fork = try session.fork()
        try fork.eval(Array(Self.text[100..<140]))
        #expect(row.map(\.bitPattern) == wanted[99])
        #expect(try fork.logits(at: 139).map(\.bitPattern) == wanted[139])
        #expect(try session.logits(at: 99).baseAddress == row.baseAddress)
        try session.eval([Self.text[100]])
        #expect(try session.logits(at: 100).map(\.bitPattern) == wanted[100])
    }

    @Test(arguments: Home.allCases, Home.allCases) func `A saved session goes on elsewhere`(
        home: Home, elsewhere: Home
    ) throws {
        let wanted = try Self.wanted.get()
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID()).session").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let session = try home.session(EngineSupport.model())
        #expect(throws: ApusError(.invalidArgument, "the session has no tokens to save, wanted: at least one")) {
            try session.save(to: path)
        }
        try session.eval(Array(Self.text[..<150]))
        try session.save(to: path)
        #expect(last(session) == wanted[149])

        let other = try elsewhere.session(EngineSupport.model(chunk: 33))
        try other.eval([1, 2, 3])
        #expect(throws: ApusError.self) { try other.load(from: path + "-missing") }
        #expect(other.tokens == [1, 2, 3])
        try other.load(from: path)
        #expect(other.tokens == Array(Self.text[..<150]))
        #expect(other.logitsPositions.isEmpty)
        try other.eval([Self.text[150]])
        #expect(last(other) == wanted[150])
        other.truncate(to: 149)
        try other.eval([Self.text[149]])
        #expect(last(other) == wanted[149])

        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(throws: ApusError(.format, "\(path): is damaged, its checksum is another one")) {
            try other.load(from: path)
        }
        #expect(other.tokens == [] && other.logitsPositions.isEmpty)
        try other.eval(Array(Self.text[..<20]))
        #expect(last(other) == wanted[19])
    }

    @Test(arguments: Home.allCases) func `Drawn tokens are those of a generator`(home: Home) throws {
        let model = try EngineSupport.model()
        let request = EngineSupport.request(EngineSupport.prompt(60, seed: 3), maxTokens: 40, seed: 11) {
            ($0.sampling.repeatPenalty, $0.sampling.dryMultiplier, $0.sampling.mirostat) = (1.3, 0.8, 0)
            $0.generation.ignoresEndOfGeneration = false
        }
        let alone = try EngineSupport.alone(request, model)[0]
        let session = try home.session(model)
        #expect(throws: ApusError.self) { _ = try session.sample(request.sampling) }
        try session.eval(request.prompt.ids(model.tokenizer))
        var bad = request.sampling
        bad.topP = 2
        #expect(throws: ApusError(.invalidArgument, "top_p is 2.0, wanted: 0 to 1")) { _ = try session.sample(bad) }
        var ids: [Int32] = []
        var fork: Session?
        while ids.count < 40 {
            let id = try session.sample(request.sampling)
            if model.tokenizer.endOfGenerationIDs.contains(id) { break }
            ids.append(id)
            try session.eval([id])
            if ids.count == 5 { fork = try session.fork() }
        }
        #expect(ids == alone.ids)
        // The fork has the sampler's state of its beginning.
        let twin = try #require(fork)
        for id in ids.dropFirst(5) {
            #expect(try twin.sample(request.sampling) == id)
            try twin.eval([id])
        }
        // After tokens were taken back the penalties know no more of them.
        var greedy = SamplingOptions()
        (greedy.temperature, greedy.repeatPenalty, greedy.repeatLastN) = (0, 2, -1)
        _ = try session.sample(greedy)
        session.truncate(to: 59)
        try session.eval([7])
        let found = try session.sample(greedy)
        let fresh = try Session(model: model)
        try fresh.eval(session.tokens)
        #expect(try fresh.sample(greedy) == found)
    }

    @Test(arguments: Home.allCases) func `What is wrong is refused, and what was called off leaves whole chunks`(
        home: Home
    ) throws {
        let session = try home.session(EngineSupport.model(context: 128))
        #expect(throws: ApusError(.invalidArgument, "no tokens to compute, wanted: at least one")) {
            try session.eval([], keeping: .all)
        }
        #expect(throws: ApusError(.contextFull, "0 + 300 tokens do not fit the context of 128")) {
            try session.eval(Self.text, keeping: .all)
        }
        #expect(throws: ApusError(.invalidArgument, "token 203 is outside the vocabulary of 203")) {
            try session.eval([1, 203])
        }
        #expect(session.tokens == [])
        try session.eval([1, 2])
        let flag = CancellationFlag()
        flag.cancel()
        #expect(throws: ApusError.self) { try session.eval([3], cancellation: flag) }
        #expect(session.tokens == [1, 2] && session.logitsPositions.isEmpty)
        #expect(throws: ApusError(.contextFull, "stopped")) {
            try session.evalAll([3, 4, 5]) { index, _ throws(ApusError) in
                if index == 1 { throw ApusError(.contextFull, "stopped") }
            }
        }
        #expect(session.tokens == [1, 2])
        try session.eval([3])
        let same = try Session(model: session.model)
        try same.eval([1, 2, 3])
        #expect(last(same) == last(session))
    }

    @Test func `Sessions have their pages of the engine's pool, and give them back`() async throws {
        var options = EngineOptions()
        options.poolPositions = 256
        let engine = try Engine(model: EngineSupport.model(context: 256), options: options)
        #expect(engine.metrics.pagesFree == 4)
        do {
            let session = Session(engine: engine)
            try session.eval(Array(Self.text[..<130]))
            #expect(engine.metrics.pagesFree == 1)
            let fork = try session.fork()
            // It goes on in a copy of the third page, the last one.
            try fork.eval([1])
            #expect(engine.metrics.pagesFree == 0)
            #expect(
                throws: ApusError(.contextFull, "the engine's KV cache has no room for 1 more positions of a session")
            ) { try session.fork().eval([2]) }
            // A request that finds no room fails; it does not wait for ever.
            await #expect(throws: ApusError.self) {
                _ = try await engine.submit(EngineSupport.request([1, 2, 3])).collect()
            }
        }
        let reply = try await EngineSupport.expectAsAlone([EngineSupport.request([1, 2, 3])], engine)
        #expect(reply.count == 1)
        #expect(await EngineSupport.idle(engine).pagesUsed == 0)
    }

    @Test func `A pool of one's own has the room that was asked for`() throws {
        let model = try EngineSupport.model(context: 128)
        #expect(throws: ApusError(.invalidArgument, "pool positions is 0, wanted: at least 1")) {
            _ = try Session(model: model, poolPositions: 0)
        }
        let session = try Session(model: model, poolPositions: 128)
        try session.eval(Array(Self.text[..<100]))
        #expect(throws: ApusError(.contextFull, "the KV cache of 128 positions is full")) {
            try session.fork().eval([1])
        }
    }
}
