// Loading and running a model through the engine's doors.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import Foundation
import Testing

@Suite struct ModelTests {
    /// A model of the synthetic shapes, loaded from a file that is gone afterwards.
    static func model(chunk: Int = 512, context: Int? = nil, _ shape: SyntheticModel = SyntheticModel()) throws -> Model
    {
        var options = LoadOptions()
        (options.threads, options.chunkTokens, options.contextLength) = (2, chunk, context)
        return try shape.withFile { file throws(ApusError) in try Model.load(path: file.paths[0], options: options) }
    }

    static let text = (0..<150).map { Int32($0 * 37 % 203) }

    @Test func `A session is the same in chunks of any size`() throws {
        func run(_ chunk: Int) throws -> LogitsHash {
            let session = try Session(model: Self.model(chunk: chunk), hashesLogits: true)
            try session.eval(Self.text)
            for id in Self.text.prefix(5) { try session.eval([id]) }
            return try #require(session.logitsHash)
        }
        let wanted = try run(512)
        #expect(wanted != LogitsHash())
        for chunk in [1, 7, 64] { #expect(try run(chunk) == wanted, "chunks of \(chunk)") }
    }

    @Test func `Logits of every token, last ones included, are those of one token at a time`() throws {
        let model = try Self.model(chunk: 100)
        let (whole, single) = (try Session(model: model), try Session(model: model))
        var all: [[Float]] = []
        try whole.evalAll(Self.text) { index, logits throws(ApusError) in
            if index == all.count { all.append(Array(logits)) }
        }
        #expect(all.count == Self.text.count)
        for (index, id) in Self.text.enumerated() {
            try single.eval([id])
            #expect(single.withLogits { Array($0) } == all[index])
        }
    }

    @Test func `What does not fit the context is refused and changes nothing`() throws {
        let session = try Session(model: Self.model(context: 120))
        #expect(throws: ApusError(.contextFull, "0 + 150 tokens do not fit the context of 120")) {
            try session.eval(Self.text)
        }
        #expect(session.position == 0)
        try session.eval(Array(Self.text.prefix(120)))
        #expect(throws: ApusError(.contextFull, "120 + 1 tokens do not fit the context of 120")) {
            try session.eval([1])
        }
        session.truncate(to: 100)
        try session.eval([1])
        #expect(session.position == 101)
    }

    @Test func `Memory is counted before anything is loaded`() throws {
        let shape = SyntheticModel { $0.context = 1 << 17 }
        try shape.withFile { file throws(ApusError) in
            let needs = try DecoderWeights.requirements(file)
            let spec = try Architectures.spec(file.metadata)
            let budget = try MemoryBudget(needs, spec: spec, options: LoadOptions(), available: nil)
            #expect(budget.contextLength == 1 << 17)
            // Keys and values of 2 heads of 32 dimensions, f16, in 2 layers.
            #expect(budget.cacheBytes == (1 << 17) * 2 * 2 * 32 * 2 * 2)
            #expect(abs(budget.weightBytes - file.fileBytes) < 16384)

            // Half the room: a shorter context. Asked for: refused, with the figures.
            let room = budget.weightBytes + budget.cacheBytes / 2
            let less = try MemoryBudget(needs, spec: spec, options: LoadOptions(), available: room)
            #expect(less.contextLength < 1 << 17 && less.totalBytes <= room)
            var options = LoadOptions()
            options.contextLength = 1 << 17
            do throws(ApusError) {
                _ = try MemoryBudget(needs, spec: spec, options: options, available: room)
                Issue.record("nothing was refused")
            } catch {
                #expect(error.code == .outOfMemory)
                #expect(error.message.contains("KV cache of 131072 positions 64 MiB"), "\(error)")
            }
        }
    }

    @Test func `Options are checked`() throws {
        for (change, wanted) in [
            ({ $0.threads = 0 }, "threads is 0, wanted: 1 to 256"),
            ({ $0.contextLength = 0 }, "context length is 0, wanted: 1 to 2147483647"),
            ({ $0.chunkTokens = 0 }, "tokens a chunk is 0, wanted: 1 to 16384"),
        ] as [((inout LoadOptions) -> Void, String)] {
            var options = LoadOptions()
            change(&options)
            #expect(throws: ApusError(.invalidArgument, wanted)) {
                try Model.load(path: "/nowhere.gguf", options: options)
            }
        }
    }

    @Test func `A vocabulary of another size than the embedding is refused`() throws {
        let names = GGUFStringArray((0..<100).map { "t\($0)" })
        let shape = SyntheticModel { $0.metadata = [("tokenizer.ggml.tokens", .strings(names))] }
        do {
            _ = try Self.model(shape)
            Issue.record("nothing was refused")
        } catch let error as ApusError {
            #expect(error.message.contains("tokenizer.ggml.tokens has 100 entries, wanted: 203"), "\(error)")
        }
    }
}
