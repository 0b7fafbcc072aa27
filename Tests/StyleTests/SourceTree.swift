// The files of the repository that the house rules are about.
import Foundation

/// One text file: its path from the top of the repository, and its lines.
struct SourceFile: Sendable {
    let path: String
    let lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The path's last part without what follows its first dot: `q8_0` for `CKernels/quants/q8_0.c`.
    var stem: Substring { path.split(separator: "/").last?.split(separator: ".").first ?? "" }

    func isUnder(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }

    func has(extension wanted: String...) -> Bool { wanted.contains { path.hasSuffix("." + $0) } }
}

enum SourceTree {
    static let top = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Names at the top of the repository, without dot files and without what builds and fetches leave there.
    static func topLevelNames() throws -> Set<String> {
        let ignored: Set = ["build", "models", "Package.resolved", "__pycache__"]
        return Set(try FileManager.default.contentsOfDirectory(atPath: top.path))
            .filter { !$0.hasPrefix(".") }.subtracting(ignored)
    }

    /// Every text file of ours: sources, scripts, build files and pages. Read once for all tests.
    static func files() throws -> [SourceFile] { try loaded.get() }

    private static let loaded = Result { try load() }

    private static func load() throws -> [SourceFile] {
        let folders = ["Sources", "CKernels", "Tests", "Benchmarks", "Examples", "Bindings", ".ci"]
        var paths = try topLevelNames().filter { !folders.contains($0) }.sorted()
        for folder in folders {
            for case let path as String in FileManager.default.enumerator(atPath: top.path + "/" + folder) ?? .init() {
                paths.append(folder + "/" + path)
            }
        }
        let extensions: Set = ["swift", "c", "h", "def", "py", "sh", "cmake", "in", "txt", "md", "modulemap", ""]
        return paths.compactMap { path in
            let url = top.appending(path: path)
            guard extensions.contains(url.pathExtension), !path.contains("__pycache__"),
                let data = try? Data(contentsOf: url), let text = String(data: data, encoding: .utf8)
            else { return nil }
            return SourceFile(path: path, text: text)
        }
    }
}
