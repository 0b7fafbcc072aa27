// What a request's handler is told, beside what the response's events are.

import Apus
import ApusGGUF
import ApusModel
import Synchronization
import Testing

@Suite struct EngineHandlerTests {
    /// What a handler was told, call by call.
    private final class Record: Sendable {
        let calls = Mutex<[EngineNews]>([])

        func add(_ news: EngineNews) {
            #expect(ComputeThread.shared.isCurrent)
            calls.withLock { $0.append(news) }
        }

        var hasEnded: Bool { calls.withLock { $0.last?.end != nil } }
    }

    private static func untilEnded(_ records: [Record]) async {
        for _ in 0..<3000 where !records.allSatisfy(\.hasEnded) { try? await Task.sleep(for: .milliseconds(10)) }
    }

    @Test func `Handlers are told what the events are, once a step at the most, and the end last`() async throws {
        let model = try EngineSupport.model()
        let requests = EngineSupport.mixedRequests(12)
        let engine = try Engine(model: model)
        let records = requests.map { _ in Record() }
        for (request, record) in zip(requests, records) { _ = try engine.submit(request, handler: record.add) }
        await Self.untilEnded(records)
        for (request, record) in zip(requests, records) {
            let calls = record.calls.withLock(\.self)
            #expect(calls.dropLast().allSatisfy { $0.end == nil && !$0.events.isEmpty })
            guard case .success? = calls.last?.end else {
                Issue.record("it failed, or did not end")
                continue
            }
            let alone = try EngineSupport.alone(request, model)
            for choice in 0..<request.choices {
                var ids: [Int32] = []
                var text = ""
                for event in calls.flatMap(\.events) {
                    switch event {
                    case .token(let token) where token.choice == choice:
                        ids.append(token.id)
                        text += token.text
                    case .finished(let completion) where completion.choice == choice: text += completion.text
                    default: break
                    }
                }
                #expect(ids == alone[choice].ids && text == alone[choice].text)
            }
        }
        #expect(engine.metrics.requestsEnded == requests.count)
    }

    @Test func `A call ends a request, and its end is counted when the handler is told`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let ended = Mutex<Int?>(nil)
        let record = Record()
        let call = try engine.submit(EngineSupport.endless) { news in
            if news.end != nil { ended.withLock { $0 = engine.metrics.requestsEnded } }
            record.add(news)
        }
        #expect(call.promptIDs == [1, 2])
        call.cancel()
        await Self.untilEnded([record])
        #expect(ended.withLock(\.self) == 1)
        guard case .finished(let completion)? = record.calls.withLock({ $0.last?.events.last }) else {
            Issue.record("no end")
            return
        }
        #expect(completion.reason == .cancelled)
    }

    @Test func `A closed engine fails what runs`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        let record = Record()
        _ = try engine.submit(EngineSupport.endless, handler: record.add)
        engine.close()
        await Self.untilEnded([record])
        guard case .failure(let error)? = record.calls.withLock({ $0.last?.end }) else {
            Issue.record("it did not fail")
            return
        }
        #expect(error == ApusError(.cancelled, "the engine was closed"))
    }

    @Test func `Tokens wait for the next ones, but not the first, nor for the end or another's prompt`() async throws {
        let model = try EngineSupport.model()
        let engine = try Engine(model: model)
        let request = EngineSupport.request([1, 2, 3], maxTokens: 40) {
            ($0.generation.ignoresEndOfGeneration, $0.pace) = (true, .seconds(3600))
        }
        let patient = Record()
        _ = try engine.submit(request, handler: patient.add)
        await Self.untilEnded([patient])
        let counts = patient.calls.withLock { $0.map { $0.events.count(where: \.isToken) } }
        #expect(counts.filter { $0 > 0 } == [1, 39])

        // Another prompt comes while they wait.
        let (first, eager, other) = (Record(), Record(), Record())
        _ = try engine.submit(request, handler: first.add)
        _ = try engine.submit(EngineSupport.request([4, 5], maxTokens: 6)) { [engine] news in
            eager.add(news)
            guard news.end != nil else { return }
            #expect(throws: Never.self) {
                _ = try engine.submit(EngineSupport.request([3, 2, 1], maxTokens: 4), handler: other.add)
            }
        }
        await Self.untilEnded([first, eager, other])
        let told = first.calls.withLock { $0.map { $0.events.count(where: \.isToken) } }.filter { $0 > 0 }
        #expect(told.count == 3 && told[0] == 1 && told.reduce(0, +) == 40, "\(told)")
    }
}
