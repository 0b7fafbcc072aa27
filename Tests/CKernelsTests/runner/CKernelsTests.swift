// Runs the C programs of this folder, by way of CMake and ctest, in each of the ways the kernels are built; and the
// command on an emulated processor without any extension.
import Foundation
import Testing

@Suite(.serialized)
struct CKernelsTests {
    /// The configurations of Tests/tools/kernels.sh: this machine on OpenMP and on pthreads, the latter under
    /// AddressSanitizer and UBSan too, and aarch64 under an emulator.
    @Test(arguments: ["host", "pthreads", "sanitize", "aarch64"])
    func kernelPrograms(configuration: String) async throws {
        let script = packageFolder.appending(path: "Tests/tools/kernels.sh")
        let (status, output) = try await run(script, [configuration])
        #expect(status == 0, "kernels.sh \(configuration) (`make setup` installs what it needs):\n\(output)")
        #expect(output.contains("100% tests passed"), "ctest did not report:\n\(output)")
    }

    #if arch(x86_64)
        /// The command starts on a processor that has SSE2 and nothing newer, computes there, and gets the same bits.
        /// (cmpxchg16b is what Swift's own runtime asks for.)
        @Test func sameBitsOnSSE2Only() async throws {
            let runner = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            let apus = runner.deletingLastPathComponent().appending(path: "apus").path
            let models = ProcessInfo.processInfo.environment["APUS_MODELS"] ?? "models"
            let arguments = [
                apus, "run", "-m", "\(models)/smollm2-135m-instruct-q4_1.gguf", "-p", "Once", "-n", "1", "--temp", "0",
                "-c", "64", "--json",
            ]
            let env = URL(filePath: "/usr/bin/env")
            let here = try await run(env, arguments)
            let emulated = try await run(env, ["qemu-x86_64", "-cpu", "Opteron_G1,+cx16"] + arguments)
            let hash = try #require(logitsHash(here.output), "\(here.output)")
            #expect(logitsHash(emulated.output) == hash, "\(emulated.output)")
        }

        private func logitsHash(_ output: String) -> Substring? {
            output.firstRange(of: "\"logits_hash\":\"").map { output[$0.upperBound...].prefix { $0 != "\"" } }
        }
    #endif
}

/// The folder of Package.swift, above this file.
private let packageFolder = {
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path != "/", !FileManager.default.fileExists(atPath: folder.appending(path: "Package.swift").path) {
        folder.deleteLastPathComponent()
    }
    return folder
}()

/// Runs a program and returns its exit status and all that it printed.
private func run(_ program: URL, _ arguments: [String]) async throws -> (status: Int32, output: String) {
    // A file, not a pipe: nobody has to read while the program runs.
    let log = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).log")
    try Data().write(to: log)
    defer { try? FileManager.default.removeItem(at: log) }
    let handle = try FileHandle(forWritingTo: log)
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = packageFolder
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handle
    process.standardError = handle
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        process.terminationHandler = { _ in continuation.resume() }
        do {
            try process.run()
        } catch {
            process.terminationHandler = nil
            continuation.resume(throwing: error)
        }
    }
    try handle.close()
    return (process.terminationStatus, try String(contentsOf: log, encoding: .utf8))
}
