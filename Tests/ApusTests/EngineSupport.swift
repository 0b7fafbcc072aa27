// What the tests of the engine share: requests of many kinds, and the same requests run alone.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import Synchronization
import Testing

enum EngineSupport {
    /// A small model; token 9 ends a text.
    static func model(chunk: Int = 512, context: Int = 1024) throws -> Model {
        try ModelTests.model(
            chunk: chunk, context: context,
            SyntheticModel { $0.metadata = [("tokenizer.ggml.eos_token_id", .uint32(9))] })
    }

    /// Tokens that a seed gives.
    static func prompt(_ count: Int, seed: Int) -> [Int32] {
        (0..<count).map { Int32(($0 * 7919 + seed * 104_729 + $0 * $0 * (31 + seed)) % 203) }
    }

    static func request(
        _ ids: [Int32], maxTokens: Int? = 20, seed: UInt64? = 1, _ change: (inout EngineRequest) -> Void = { _ in }
    ) -> EngineRequest {
        var request = EngineRequest(.ids(ids))
        request.generation.maxTokens = maxTokens
        request.sampling.seed = seed
        change(&request)
        return request
    }

    /// Requests that differ in all that a reply depends on; some begin alike.
    static func mixedRequests(_ count: Int) -> [EngineRequest] {
        let system = prompt(150, seed: 99)
        return (0..<count).map { i in
            let own = prompt([1, 3, 63, 64, 65, 129, 300, 20][i % 8], seed: i)
            return request(i % 3 == 0 ? system + own : own, maxTokens: 5 + i * 7 % 40, seed: UInt64(i)) {
                if i % 4 == 1 { $0.sampling.temperature = 0 }
                if i % 4 == 2 { ($0.sampling.repeatPenalty, $0.sampling.dryMultiplier) = (1.3, 0.8) }
                if i % 4 == 3 { $0.sampling.mirostat = 2 }
                if i % 5 == 2 { $0.choices = 3 }
                if i % 5 == 3 { $0.generation.stops = ["1t", "7t2"] }
                if i % 5 == 4 { $0.generation.ignoresEndOfGeneration = true }
                if i % 6 == 5 { $0.generation.maxTokens = nil; $0.contextLength = own.count + 200 }
                $0.logProbabilities = i % 2 == 0 ? 203 : nil
            }
        }
    }

    /// What a request gives when nothing else runs: one `Generator` for each choice.
    static func alone(_ request: EngineRequest, _ model: Model) throws -> [GenerationResult] {
        let ids = request.prompt.ids(model.tokenizer)
        return try (0..<request.choices).map { choice in
            var sampling = request.sampling
            sampling.seed = sampling.seed.map { $0 &+ UInt64(choice) }
            let session = try Session(model: model)
            // This one cannot guess: one token after another.
            let source = LimitedSource(session, contextLength: request.contextLength ?? .max)
            var generator = try Generator(
                source: source, tokenizer: model.tokenizer, chain: SamplerChain(sampling),
                options: request.generation)
            return try generator.run(prompt: ids)
        }
    }

    /// What differs between an engine's reply and that of a generator; nil when nothing does.
    static func difference(_ reply: EngineReply, _ alone: GenerationResult) -> String? {
        if reply.ids != alone.ids { return "ids \(reply.ids) instead of \(alone.ids)" }
        if reply.text != alone.text { return "text \(reply.text) instead of \(alone.text)" }
        guard let completion = reply.completion else { return "no end" }
        if completion.reason != alone.stopReason { return "\(completion.reason) instead of \(alone.stopReason)" }
        if completion.endToken != alone.endToken { return "another end token" }
        if completion.usage.completionTokens != alone.ids.count { return "tokens are counted wrong" }
        return nil
    }

    /// A request that ends only when it is called off, or after a very long time.
    static let endless = request([1, 2], maxTokens: nil) { $0.generation.ignoresEndOfGeneration = true }

    /// Submits requests that all arrive before the next step: steps run on the same thread.
    static func together(_ requests: [EngineRequest], _ engine: Engine) throws(ApusError) -> [EngineResponse] {
        try ComputeThread.shared.run { () throws(ApusError) in
            try requests.map { request throws(ApusError) in try engine.submit(request) }
        }
    }

    /// Runs requests at the same time and holds each to what it gives alone.
    static func expectAsAlone(_ requests: [EngineRequest], _ engine: Engine) async throws -> [[EngineReply]] {
        let responses = try together(requests, engine)
        var replies: [[EngineReply]] = []
        for (index, response) in responses.enumerated() {
            let reply = try await response.collect()
            replies.append(reply)
            for (choice, alone) in try alone(requests[index], engine.model).enumerated() {
                let difference = difference(reply[choice], alone)
                #expect(difference == nil, "request \(index), choice \(choice): \(difference ?? "")")
            }
        }
        return replies
    }

    /// Waits until an engine has nothing to do.
    static func idle(_ engine: Engine) async -> EngineMetrics {
        for _ in 0..<3000 {
            let metrics = engine.metrics
            if metrics.running == 0 && metrics.waiting == 0 { return metrics }
            try? await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the engine is still busy after 30 s")
        return engine.metrics
    }
}

/// A session that holds fewer tokens than it could.
private final class LimitedSource: LogitsSource {
    private let session: Session
    let contextLength: Int
    var vocabularySize: Int { session.vocabularySize }
    var position: Int { session.position }

    init(_ session: Session, contextLength: Int) {
        self.session = session
        self.contextLength = min(contextLength, session.contextLength)
    }

    func eval(_ ids: [Int32], cancellation: CancellationFlag?) throws(ApusError) {
        try session.eval(ids, cancellation: cancellation)
    }

    func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R { session.withLogits(body) }
}

/// What an engine's steps have computed, in order.
final class StepLog: Sendable {
    typealias Step = [(request: Int, choice: Int, tokens: Int)]

    private let log = Mutex<[Step]>([])
    /// Is called before a step is noted.
    private let onStep: @Sendable (Int) -> Void

    init(onStep: @escaping @Sendable (Int) -> Void = { _ in }) { self.onStep = onStep }

    var steps: [Step] { log.withLock { $0 } }

    func note(_ step: Step) {
        onStep(
            log.withLock {
                $0.append(step); return $0.count
            })
    }

    /// The indices of the steps that computed something of a request.
    func indices(of request: Int) -> [Int] {
        steps.indices.filter { steps[$0].contains { $0.request == request } }
    }
}
