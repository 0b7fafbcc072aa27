// Runs the C programs of this folder, by way of CMake and ctest, in each of the ways the kernels are built.
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
}

private let packageFolder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

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
