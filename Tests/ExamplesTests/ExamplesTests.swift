// The Swift programs of Examples, and those of the tutorials: they compile, and give what the command gives.

import Foundation
import Testing

@Suite struct ExamplesTests {
    /// The folder of Package.swift, above this file.
    static let top = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    /// Where the build has left programs and modules: beside this one.
    static let built = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    static let model =
        (ProcessInfo.processInfo.environment["APUS_MODELS"] ?? "models") + "/smollm2-135m-instruct-q4_1.gguf"
    static let resources = top.appending(path: "Sources/Apus/Apus.docc/Resources")

    @Test(arguments: ["What are the primary colours?", "Say hello in French."])
    func `generate gives the ids of apus run`(prompt: String) async throws {
        let example = try await run(Self.built.appending(path: "ExampleGenerate"), [Self.model, prompt, "24", "7"])
        let command = try await run(
            Self.built.appending(path: "apus"),
            ["run", "-m", Self.model, "-p", prompt, "-n", "24", "--seed", "7", "--json"])
        struct Report: Decodable {
            let ids: [Int32]
            let text: String
        }
        let report = try JSONDecoder().decode(Report.self, from: Data(command.output.utf8))
        #expect(report.ids.count == 24)
        #expect(example.output == "\(report.text)\n\(report.ids)\n")
    }

    @Test func `converse answers every line, and goes on after an error`() async throws {
        let long = String(repeating: "too long ", count: 9000)
        let (status, output) = try await run(
            Self.built.appending(path: "ExampleConverse"), [Self.model], input: "My name is Ada.\n\(long)\nHi\n")
        #expect(status == 0)
        let lines = output.split(separator: "\n")
        #expect(lines.count >= 3 && lines.contains { $0.hasPrefix("context full: ") }, "\(output)")
        #expect(lines.first?.hasPrefix("context full") == false && lines.last?.hasPrefix("context full") == false)
    }

    @Test func `The tutorials' programs compile`() async throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.resources.path)
            .filter { $0.hasSuffix(".swift") }.sorted()
        #expect(files.count == 6)
        for file in files {
            let (status, output) = try await run(
                URL(filePath: "/usr/bin/env"),
                [
                    "swiftc", "-typecheck", "-swift-version", "6", "-parse-as-library", "-warnings-as-errors",
                    "-I", Self.built.appending(path: "Modules").path,
                    "-Xcc", "-fmodule-map-file=\(Self.top.path)/CKernels/include/module.modulemap",
                    Self.resources.appending(path: file).path,
                ])
            #expect(status == 0, "\(file):\n\(output)")
        }
        // What the tutorial ends with is the example.
        #expect(
            try Data(contentsOf: Self.resources.appending(path: "Converse-4.swift"))
                == Data(contentsOf: Self.top.appending(path: "Examples/swift/Sources/converse/Converse.swift")))
    }

    @Test func `The package of the examples has the targets that are tested here`() async throws {
        let (status, output) = try await run(
            URL(filePath: "/usr/bin/env"),
            ["swift", "package", "--package-path", Self.top.appending(path: "Examples/swift").path, "dump-package"])
        #expect(status == 0, "\(output)")
        struct Manifest: Decodable {
            struct Target: Decodable { let name: String }
            let targets: [Target]
        }
        let start = try #require(output.firstIndex(of: "{"))
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(output[start...].utf8))
        let folders = try FileManager.default.contentsOfDirectory(
            atPath: Self.top.appending(path: "Examples/swift/Sources").path)
        #expect(manifest.targets.map(\.name).sorted() == folders.sorted())
    }
}

/// Runs a program and returns its exit status and what it printed to standard output.
private func run(
    _ program: URL, _ arguments: [String], input: String = ""
) async throws -> (status: Int32, output: String) {
    // Files, not pipes: nobody has to read or write while the program runs.
    let folder = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (given, printed) = (folder.appending(path: "in"), folder.appending(path: "out"))
    try Data(input.utf8).write(to: given)
    try Data().write(to: printed)
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = ExamplesTests.top
    process.standardInput = try FileHandle(forReadingFrom: given)
    process.standardOutput = try FileHandle(forWritingTo: printed)
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        process.terminationHandler = { _ in continuation.resume() }
        do {
            try process.run()
        } catch {
            process.terminationHandler = nil
            continuation.resume(throwing: error)
        }
    }
    return (process.terminationStatus, try String(contentsOf: printed, encoding: .utf8))
}
