// Runs the built command as a process of its own, as a person or a script would.

import Foundation
import Testing

/// What a process left behind.
struct Outcome {
    /// The exit code; nil when a signal ended it.
    let status: Int32?
    let output: Data
    let error: String

    var text: String { String(decoding: output, as: UTF8.self) }
    var errorLines: [Substring] { error.split(separator: "\n") }

    /// Standard output as a JSON object.
    func object() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: output) as? [String: Any])
    }

    /// Standard output as a JSON array of integers.
    func integers() throws -> [Int] {
        try #require(try JSONSerialization.jsonObject(with: output) as? [Int])
    }
}

/// The command `apus`.
enum Command {
    /// The binary: APUS_BIN, or what was built beside the test runner.
    static let path: String = {
        if let named = ProcessInfo.processInfo.environment["APUS_BIN"] { return named }
        let runner = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return runner.deletingLastPathComponent().appendingPathComponent("apus").path
    }()

    /// A hang guard, far above what any of these commands takes.
    private static let seconds = 60.0

    /// Runs `apus`.
    ///
    /// - Parameters:
    ///   - input: Standard input; nothing by default.
    ///   - environment: Added to the present one.
    ///   - interruptAfter: Sends SIGINT as soon as standard output has this many bytes.
    static func run(
        _ arguments: [String], input: Data = Data(), environment: [String: String] = [:], interruptAfter: Int? = nil
    ) throws -> Outcome {
        try run(executable: path, arguments, input: input, environment: environment, interruptAfter: interruptAfter)
    }

    /// Runs a line of shell in which $APUS is the command.
    static func shell(_ line: String, environment: [String: String] = [:]) throws -> Outcome {
        var environment = environment
        environment["APUS"] = path
        return try run(executable: "/bin/sh", ["-c", line], environment: environment)
    }

    private static func run(
        executable: String, _ arguments: [String], input: Data = Data(), environment: [String: String],
        interruptAfter: Int? = nil
    ) throws -> Outcome {
        // Files, not pipes: they hold any amount without anybody reading at the same time.
        let folder = try Folder()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .filter { !["APUS_ISA", "APUS_MODELS", "NO_COLOR"].contains($0.key) }
            .merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: folder.file("input", input))
        process.standardOutput = try FileHandle(forWritingTo: folder.file("output", Data()))
        process.standardError = try FileHandle(forWritingTo: folder.file("error", Data()))
        try withSignalsUnblocked { try process.run() }
        let start = Date()
        var isInterrupted = false
        while process.isRunning {
            if Date().timeIntervalSince(start) > seconds {
                Issue.record("hangs: \(arguments)")
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
            }
            if let interruptAfter, !isInterrupted, try folder.read("output").count >= interruptAfter {
                isInterrupted = true
                process.interrupt()
            }
            Thread.sleep(forTimeInterval: 0.002)
        }
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : nil,
            output: try folder.read("output"), error: String(decoding: try folder.read("error"), as: UTF8.self))
    }
}

/// Test runners block signals in their threads, and a process inherits that: it would never see an interrupt.
private func withSignalsUnblocked(_ body: () throws -> Void) rethrows {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_UNBLOCK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
}

/// A folder that is removed with this object.
final class Folder {
    let url: URL
    var path: String { url.path }

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("apus-cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Writes a file and gives its place.
    @discardableResult
    func file(_ name: String, _ content: Data) throws -> URL {
        let file = url.appendingPathComponent(name)
        try content.write(to: file)
        return file
    }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func read(_ name: String) throws -> Data { try Data(contentsOf: url.appendingPathComponent(name)) }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// Expects exit code 1, nothing on standard output and one line on standard error that has certain words in it.
func expectFailure(
    _ outcome: Outcome, saying words: String..., sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(outcome.status == 1, "\(outcome.error)", sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    #expect(
        outcome.errorLines.count == 1 && outcome.error.last == "\n", "\(outcome.error)", sourceLocation: sourceLocation)
    for word in words {
        #expect(outcome.error.contains(word), "\(outcome.error)", sourceLocation: sourceLocation)
    }
}
