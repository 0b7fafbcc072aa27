// Models by name: found, loaded once for all, kept for a while, and unloaded for others.

import Apus
import ApusGGUF
import ApusModel
import ApusTestSupport
import Foundation
import Testing

/// A folder of models that is gone at the end.
private final class Folder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID())").path

    init(_ files: String...) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for file in files { try add(file) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Puts a model there, in place of one that is.
    func add(_ file: String, vocabulary: Int = 203) throws {
        let target = "\(path)/\(file)"
        let parent = (target as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try? FileManager.default.removeItem(atPath: target)
        let error = try SyntheticModel { $0.vocabulary = vocabulary }.withFile { model throws(ApusError) -> String? in
            do {
                try FileManager.default.copyItem(atPath: model.paths[0], toPath: target)
                return nil
            } catch {
                return "\(error)"
            }
        }
        try #require(error == nil)
    }

    func library(_ change: (inout LibraryOptions) -> Void = { _ in }) -> ModelLibrary {
        var options = LibraryOptions()
        options.folder = path
        options.load.threads = 2
        change(&options)
        return ModelLibrary(options: options)
    }
}

@Suite struct ModelLibraryTests {
    /// Waits for something that comes by itself.
    private func eventually(_ isTrue: () async -> Bool) async -> Bool {
        for _ in 0..<1000 {
            if await isTrue() { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    /// Why a model cannot be used; nil when it can.
    private func refusal(_ library: ModelLibrary, _ name: String) async -> ApusError? {
        do throws(ApusError) {
            _ = try await library.use(name)
            return nil
        } catch {
            return error
        }
    }

    @Test func `Names are found with and without tag, in any case, and only in the folder`() throws {
        let folder = try Folder("Tiny.gguf", "other/q8.gguf", "split-00001-of-00002.gguf", "split-00002-of-00002.gguf")
        _ = FileManager.default.createFile(atPath: "\(folder.path)/notes.txt", contents: nil)
        _ = FileManager.default.createFile(atPath: "\(folder.path)/.hidden.gguf", contents: nil)
        let elsewhere = try Folder("given.gguf")
        let library = folder.library {
            $0.paths = ["\(elsewhere.path)/given.gguf"]
            $0.aliases = ["gpt-4": "tiny", "mine:v1": "other:q8"]
        }
        #expect(library.entries().map(\.name) == ["given:latest", "other:q8", "split:latest", "Tiny:latest"])
        #expect(library.entries().map(\.shortName) == ["given", "other:q8", "split", "Tiny"])
        for (name, wanted) in [
            ("tiny", "Tiny:latest"), ("TINY:latest", "Tiny:latest"), ("other:q8", "other:q8"),
            ("given", "given:latest"),
            ("gpt-4", "Tiny:latest"), ("GPT-4:latest", "Tiny:latest"), ("mine:v1", "other:q8"), ("other", nil),
            ("", nil), (":", nil), ("..", nil), ("../\((elsewhere.path as NSString).lastPathComponent)/given", nil),
            ("Tiny.gguf", nil), ("\(folder.path)/Tiny.gguf", nil), (".hidden", nil), ("notes", nil),
        ] as [(String, String?)] {
            #expect(library.entry(named: name)?.name == wanted, "\(name)")
        }
        // What is added appears; what is removed goes.
        try folder.add("new.gguf")
        try FileManager.default.removeItem(atPath: "\(folder.path)/Tiny.gguf")
        #expect(library.entries().map(\.name) == ["given:latest", "new:latest", "other:q8", "split:latest"])
    }

    @Test func `One load serves all who wait, and works`() async throws {
        let library = try Folder("a.gguf").library()
        let folder = try Folder("a.gguf")
        let shared = folder.library()
        #expect(await refusal(library, "a")?.code == .notFound)  // its folder is gone already
        let leases = try await withThrowingTaskGroup(of: ModelLease.self) { group in
            for _ in 0..<8 { group.addTask { try await shared.use("a") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(await shared.loadCount == 1)
        #expect(Set(leases.map { ObjectIdentifier($0.engine) }).count == 1)
        #expect(await shared.loaded.first?.users == 8)
        let request = EngineSupport.request([1, 2, 3], maxTokens: 5)
        #expect(try await leases[0].engine.submit(request).collect()[0].ids.count == 5)
    }

    @Test func `An unknown name, and a file that is no model, are errors for those who asked`() async throws {
        let folder = try Folder()
        _ = FileManager.default.createFile(atPath: "\(folder.path)/bad.gguf", contents: Data("no model".utf8))
        let library = folder.library()
        #expect(await refusal(library, "nobody") == ApusError(.notFound, "model 'nobody' not found"))
        for _ in 0..<2 {
            let error = await refusal(library, "bad")
            #expect(error?.message.contains("bad.gguf") == true)
        }
        // When it has been mended it loads.
        try folder.add("bad.gguf")
        #expect(try await library.use("bad").engine.model.vocabularySize == 203)
    }

    @Test func `A load goes on when the client that asked is gone`() async throws {
        let folder = try Folder("a.gguf")
        let library = folder.library()
        let task = Task { try await library.use("a") }
        task.cancel()
        let result = await task.result
        // It may have been served before it was called off.
        if case .failure(let error) = result { #expect((error as? ApusError)?.code == .cancelled) }
        #expect(await eventually { await library.loaded.count == 1 })
        #expect(await library.loadCount == 1)
        #expect(await library.loaded.first?.entry.name == "a:latest")
    }

    @Test func `A model is unloaded when its time is over, not while it is used`() async throws {
        let folder = try Folder("a.gguf", "b.gguf")
        let library = folder.library { $0.keepAlive = .forever }
        var lease: ModelLease? = try await library.use("a", keepAlive: .duration(.milliseconds(50)))
        try await Task.sleep(for: .milliseconds(200))
        #expect(await library.loaded.first?.users == 1)
        _ = lease
        lease = nil
        #expect(await eventually { await library.loaded.isEmpty })
        // No time at all: with the last user.
        lease = try await library.use("a", keepAlive: .duration(.zero))
        #expect(await library.loaded.count == 1)
        lease = nil
        #expect(await eventually { await library.loaded.isEmpty })
        // For ever, until it is unloaded by name: at once, or when the last user is gone.
        _ = try await library.use("a")
        #expect(await eventually { await library.loaded.first?.users == 0 })
        #expect(await library.loaded.first?.expiry == nil)
        #expect(await library.unload("A:latest"))
        #expect(await library.loaded.isEmpty)
        lease = try await library.use("b")
        #expect(await library.unload("b"))
        #expect(await library.loaded.count == 1)
        let request = EngineSupport.request([1, 2, 3], maxTokens: 5)
        #expect(try await lease?.engine.submit(request).collect()[0].ids.count == 5)
        lease = nil
        #expect(await eventually { await library.loaded.isEmpty })
        // What the model's engine has done is not forgotten with it; what it held is.
        #expect(await library.metrics.tokensGenerated == 5)
        #expect(await library.metrics.pages == 0)
        #expect(await library.unload("b") == false)
    }

    @Test func `The least recently used goes when another one needs its place, and users are waited for`() async throws
    {
        let folder = try Folder("a.gguf", "b.gguf", "c.gguf")
        let library = folder.library { ($0.maxLoaded, $0.keepAlive) = (2, .forever) }
        _ = try await library.use("a")
        _ = try await library.use("b")
        _ = try await library.use("a")
        #expect(await eventually { await library.loaded.allSatisfy { $0.users == 0 } })
        var lease: ModelLease? = try await library.use("c")
        #expect(await Set(library.loaded.map(\.entry.name)) == ["a:latest", "c:latest"])
        // Both in use: the third one waits.
        var other: ModelLease? = try await library.use("a")
        let waiting = Task { try await library.use("b").entry.name }
        try await Task.sleep(for: .milliseconds(100))
        #expect(await library.loadCount == 3)
        _ = (lease, other)
        lease = nil
        #expect(try await waiting.value == "b:latest")
        other = nil
    }

    @Test func `What does not fit the budget is refused with the figures; what does gets a pool that fits`()
        async throws
    {
        let folder = try Folder("a.gguf", "b.gguf")
        let tight = folder.library { $0.memoryBudget = 1000 }
        let error = await refusal(tight, "a")
        #expect(error?.code == .outOfMemory)
        #expect(error?.message.contains("the budget is 1000") == true)
        let library = folder.library { $0.memoryBudget = 256 << 20 }
        let first = try await library.use("a")
        let second = try await library.use("b")
        #expect(first.engine.byteCount + second.engine.byteCount <= 256 << 20)
    }

    @Test func `A file that was replaced is loaded anew, and who used the old one goes on`() async throws {
        let folder = try Folder("a.gguf")
        let library = folder.library()
        let old = try await library.use("a")
        try folder.add("a.gguf", vocabulary: 205)
        let new = try await library.use("a")
        #expect(new.engine.model.vocabularySize == 205)
        let request = EngineSupport.request([1, 2, 3], maxTokens: 5)
        #expect(try await old.engine.submit(request).collect()[0].ids.count == 5)
        // And one that disappears.
        try FileManager.default.removeItem(atPath: "\(folder.path)/a.gguf")
        #expect(await refusal(library, "a")?.code == .notFound)
        #expect(try await new.engine.submit(request).collect()[0].ids.count == 5)
        #expect(await library.unload("a"))
    }
}
