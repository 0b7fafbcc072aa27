// What a reply's readers are told of, where there are several.

import Apus
import ApusAPI
import ApusModel
import Dispatch
import Testing

@Suite struct GenerationTests {
    @Test func `Who waits for the end of a reply does not keep its news from who waits for anything`() async throws {
        let engine = try Engine(model: Model.load(path: TestServer.modelPath.get()))
        var request = EngineRequest(.ids([1, 2, 3]))
        (request.generation.maxTokens, request.generation.ignoresEndOfGeneration) = (100, true)
        // Nothing is computed before both wait.
        let gate = DispatchSemaphore(value: 0)
        ComputeThread.shared.submit { gate.wait() }
        defer { gate.signal() }
        let generation = try Generation([request], use: ModelUse(name: "tiny", engine: engine), signal: CancelSignal())
        let news = await withCheckedContinuation { told in
            generation.onNews(.events) {}
            // On the compute thread: nothing more comes meanwhile.
            generation.onNews(.ends) { told.resume(returning: (try? generation.take()) ?? []) }
            gate.signal()
        }
        generation.cancel()
        #expect(!news.isEmpty)
        #expect(!news.contains { if case .finished = $0.event { true } else { false } })
    }
}
