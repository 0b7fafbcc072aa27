// What is computed for a text, saved to a file and brought back.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import Foundation
import Testing

@Suite struct EngineSessionTests {
    /// The path of a file that is gone at the end.
    private func withFile(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID()).session").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    private func message(_ engine: Engine, _ path: String) async -> String {
        do throws(ApusError) {
            _ = try await engine.restoreSession(from: path)
            return "none"
        } catch {
            return "\(error.code): \(error.message.replacingOccurrences(of: path, with: "FILE"))"
        }
    }

    @Test(arguments: [64, 150, 330]) func `A saved text goes on in another process's engine, with the same bits`(
        length: Int
    ) async throws {
        try await withFile { path in
            let model = try EngineSupport.model()
            let engine = try Engine(model: model)
            let prompt = EngineSupport.prompt(length, seed: 1)
            let ids = try await engine.submit(EngineSupport.request(prompt)).collect()[0].ids
            let text = prompt + ids
            let saved = try await engine.saveSession(text, to: path)
            #expect(saved >= text.count - 1 - PrefixLimit.least && saved <= text.count)

            let other = try Engine(model: EngineSupport.model(chunk: 100))
            #expect(try await other.restoreSession(from: path) == Array(text.prefix(saved)))
            #expect(other.metrics.pagesUsed == 0)
            let request = EngineSupport.request(text + [5, 6, 7])
            let reply = try await EngineSupport.expectAsAlone([request], other)[0][0]
            #expect(reply.completion?.usage.reusedTokens == saved)
            #expect(await EngineSupport.idle(other).pagesUsed == 0)
            #expect(await EngineSupport.idle(engine).pagesUsed == 0)
        }
    }

    @Test func `What is not the session of this model is refused and changes nothing`() async throws {
        try await withFile { path in
            let engine = try Engine(model: EngineSupport.model())
            let prompt = EngineSupport.prompt(130, seed: 1)
            _ = try await engine.submit(EngineSupport.request(prompt, maxTokens: 0)).collect()
            #expect(try await engine.saveSession(prompt, to: path) == 128)
            let good = try Data(contentsOf: URL(fileURLWithPath: path))

            // Another model of the same shape: other weights.
            let elsewhere = try Engine(model: ModelTests.model(SyntheticModel { $0.type = .q4_0 }))
            #expect(await message(elsewhere, path) == "invalid argument: FILE: was saved with another model")
            let short = try Engine(model: EngineSupport.model(context: 100))
            #expect(await message(short, path) == "context full: FILE: has 128 tokens, wanted: 1 to 100")

            let target = try Engine(model: engine.model)
            for (change, wanted) in [
                ({ $0.removeAll() }, "format: FILE: is no saved session"),
                ({ $0[0] = 0 }, "format: FILE: is no saved session"),
                ({ $0[8] = 2 }, "unsupported: FILE: has version 2, wanted: 1"),
                ({ $0[24] ^= 1 }, "invalid argument: FILE: was saved with another model"),
                ({ $0[32] = 0 }, "format: FILE: has 0 tokens, wanted: 1 to 1024"),
                ({ $0[35] = 0xFF }, "context full: FILE: has 4278190208 tokens, wanted: 1 to 1024"),
                ({ $0[32] = 1 }, "bytes, wanted:"),
                ({ $0[43] = 0x7F }, "format: FILE: has a token outside the vocabulary of 203"),
                ({ $0[40] ^= 1 }, "format: FILE: is damaged, its checksum is another one"),
                ({ $0[$0.count / 2] ^= 1 }, "format: FILE: is damaged, its checksum is another one"),
                ({ $0[$0.count - 1] ^= 1 }, "format: FILE: is damaged, its checksum is another one"),
                ({ $0.removeLast() }, "bytes, wanted:"),
                ({ $0.append(0) }, "bytes, wanted:"),
            ] as [((inout Data) -> Void, String)] {
                var bad = good
                change(&bad)
                try bad.write(to: URL(fileURLWithPath: path))
                let found = await message(target, path)
                #expect(found == wanted || wanted.hasPrefix("bytes") && found.contains(wanted), "\(found)")
                #expect(target.metrics.pagesCached == 0 && target.metrics.pagesUsed == 0)
            }
            #expect(await message(target, path + "-missing").hasPrefix("io: "))
            try good.write(to: URL(fileURLWithPath: path))
            #expect(await message(target, path) == "none")
            #expect(target.metrics.pagesCached == 2)
        }
    }

    @Test func `What is not there cannot be saved, and a place that cannot be written to says so`() async throws {
        let engine = try Engine(model: EngineSupport.model())
        await #expect(throws: ApusError(.notFound, "nothing is computed of the 3 tokens that are to be saved")) {
            _ = try await engine.saveSession([1, 2, 3], to: "/nowhere/file")
        }
        let prompt = EngineSupport.prompt(130, seed: 1)
        _ = try await engine.submit(EngineSupport.request(prompt, maxTokens: 0)).collect()
        await #expect(throws: ApusError.self) { _ = try await engine.saveSession(prompt, to: "/nowhere/file") }
        #expect(await EngineSupport.idle(engine).pagesUsed == 0)
    }
}

private enum PrefixLimit {
    /// Fewer tokens of a page are not kept when a text ends.
    static let least = 8
}
