// House rules as data: where each holds, what breaks it, and an example that must be found to break it.
import Testing

/// A rule about single lines.
struct LineRule: Sendable, CustomTestStringConvertible {
    let name: String
    /// Files that it holds for.
    let applies: @Sendable (SourceFile) -> Bool
    /// Whether the line at an index breaks it.
    let breaks: @Sendable (SourceFile, Int) -> Bool
    /// A file that breaks it once, on its last line.
    let example: SourceFile

    var testDescription: String { name }

    /// `path:line: text` of every breach.
    func breaches(in file: SourceFile) -> [String] {
        guard applies(file) else { return [] }
        return file.lines.indices.filter { breaks(file, $0) }.map { "\(file.path):\($0 + 1): \(file.lines[$0])" }
    }
}

extension LineRule {
    /// A rule against certain words.
    init(
        _ name: String, forbids words: [String], where applies: @escaping @Sendable (SourceFile) -> Bool,
        example: (path: String, line: String)
    ) {
        self.init(
            name: name, applies: applies,
            breaks: { file, index in
                let code = file.lines[index]
                return words.contains { code.contains($0) }
            },
            example: SourceFile(path: example.path, text: "// A line that breaks no rule.\n" + example.line))
    }

    private static func isKernel(_ file: SourceFile) -> Bool {
        file.isUnder("CKernels") && file.has(extension: "c", "h")
    }
    /// Part of a target: the programs in its documentation are a reader's.
    private static func isSwiftSource(_ file: SourceFile) -> Bool {
        file.isUnder("Sources") && file.has(extension: "swift") && !file.path.contains(".docc/")
    }
    private static func isOurs(_ file: SourceFile) -> Bool { !file.isUnder("Tests/StyleTests") }

    static let all: [LineRule] = [
        LineRule(
            "OpenMP is known to one file", forbids: ["#pragma omp", "omp_get_", "omp_set_", "<omp.h>"],
            where: { isKernel($0) && $0.path != "CKernels/core/parallel.c" },
            example: ("CKernels/ops/rmsnorm.c", "#pragma omp parallel for")),
        LineRule(
            "threads are known to one file", forbids: ["<pthread.h>", "<threads.h>", "pthread_create"],
            where: { isKernel($0) && !$0.isUnder("CKernels/core") },
            example: ("CKernels/ops/embed.c", "#include <pthread.h>")),
        // Not defined inside a target region: such a test is always false there.
        LineRule(
            "no macro of an instruction set outside isa/",
            forbids: ["__AVX", "__FMA__", "__F16C__", "__SSE", "__ARM_FEATURE_", "__ARM_NEON"],
            where: { isKernel($0) && !$0.isUnder("CKernels/isa") },
            example: ("CKernels/quants/q4_0.c", "#if defined(__AVX2__)")),
        LineRule(
            "target attributes are spelled in isa/", forbids: ["__attribute__((target", "attribute push"],
            where: { isKernel($0) && !$0.isUnder("CKernels/isa") },
            example: ("CKernels/ops/rope.c", "__attribute__((target(\"avx2\"))) static void turn(void);")),
        LineRule(
            "kernels do not print, exit or allocate",
            forbids: ["printf(stderr", " printf(", "abort()", "exit(", " malloc(", " calloc(", " realloc("],
            where: { $0.isUnder("CKernels/ops") || $0.isUnder("CKernels/quants") },
            example: ("CKernels/ops/embed.c", "    float *row = malloc(n);")),
        LineRule(
            "no global float flags", forbids: ["-ffast-math", "-Ofast", "-funsafe-math", "-march=", "-mavx", "-mcpu="],
            where: isOurs, example: ("Package.swift", "    .unsafeFlags([\"-ffast-math\"]),")),
        LineRule(
            "no code that traps on what may happen", forbids: ["fatalError(", "try!", "as!"],
            where: isSwiftSource, example: ("Sources/Apus/Model.swift", "    let file = try! GGUFFile(path)")),
        LineRule(
            "no switch over architectures or weight types outside their registries",
            forbids: ["case \"llama\"", "== \"llama\"", "case GGML_TYPE_", "case APUS_QUANT_"],
            where: {
                (isKernel($0) || isSwiftSource($0)) && !$0.isUnder("Sources/ApusModel/Architectures")
            },
            example: ("Sources/ApusModel/Decoder.swift", "    case \"llama\": return 1")),
        LineRule(
            "no path of somebody's machine", forbids: ["/home/", "/Users/", "/root/", "/opt/", "/work/"],
            where: isOurs, example: ("Makefile", "models := /home/me/models")),
        LineRule(
            "no package registry's host", forbids: ["pypi.", "pythonhosted", "debian.org", "npmjs", "crates.io"],
            where: isOurs, example: ("README.md", "see https://pypi.invalid/project/gguf")),
        // The comment says why it is safe.
        LineRule(
            name: "unchecked concurrency says why", applies: isSwiftSource,
            breaks: { file, index in
                let code = file.lines[index].prefix { $0 != "/" }
                guard code.contains("@unchecked") || code.contains("nonisolated(unsafe)") else { return false }
                // On the line or in the three before it: a comment may speak for a few declarations.
                return !file.lines[max(0, index - 3)...index].contains { $0.contains("//") }
            },
            example: SourceFile(
                path: "Sources/Apus/Model.swift", text: "import ApusGGUF\n\nfinal class Box: @unchecked Sendable {")),
        LineRule(
            name: "a target imports only what stands below it", applies: isSwiftSource,
            breaks: { file, index in
                let folders = file.path.split(separator: "/")
                let words = file.lines[index].split(separator: " ")
                guard folders.count > 2, let position = words.firstIndex(of: "import"), position < 2,
                    words.count > position + 1, let allowed = ours[String(folders[1])]
                else { return false }
                let module = words.last.map(String.init) ?? ""
                let isKnown = ours.keys.contains(module) || ["CKernels", "CEdit", "ArgumentParser"].contains(module)
                if module.hasPrefix("Foundation") { return folders[1] != "ApusCLI" }
                return isKnown && !allowed.contains(module)
            },
            example: SourceFile(
                path: "Sources/ApusTokenizer/Encoder.swift", text: "import ApusGGUF\npublic import Apus")),
    ]

    /// Every target of ours, with what it may import. The engine starts fast and links statically: no Foundation in it.
    private static let ours: [String: Set<String>] = [
        "ApusGGUF": [],
        "ApusJSON": ["ApusGGUF"],
        "ApusTemplate": ["ApusJSON", "ApusGGUF"],
        "ApusTokenizer": ["ApusGGUF"],
        "ApusModel": ["ApusGGUF", "CKernels"],
        "Apus": ["ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF", "CKernels"],
        "ApusServer": ["Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF"],
        "ApusCLI": [
            "Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF", "ApusServer",
            "ArgumentParser", "CEdit",
        ],
    ]
}
