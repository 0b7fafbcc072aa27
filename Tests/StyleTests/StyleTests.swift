// The architecture's rules, checked: replaces good intentions.
import Foundation
import Testing

struct StyleTests {
    @Test(arguments: LineRule.all)
    func ruleHolds(rule: LineRule) throws {
        let files = try SourceTree.files()
        #expect(files.contains(where: rule.applies), "the rule is about no file: has a folder been renamed?")
        let breaches = files.flatMap(rule.breaches)
        #expect(breaches.isEmpty, "\(breaches.joined(separator: "\n"))")
    }

    @Test(arguments: LineRule.all)
    func ruleFindsItsExample(rule: LineRule) {
        #expect(rule.breaches(in: rule.example).count == 1)
    }

    @Test func filesAreShort() throws {
        for file in try SourceTree.files() where file.has(extension: "swift", "c", "h", "py", "sh", "def") {
            #expect(
                file.lines.count <= 700, "\(file.path): \(file.lines.count) lines; is there a second subject in it?")
        }
    }

    @Test func topLevelIsFixed() throws {
        let wanted: Set = [
            "Package.swift", "Sources", "CKernels", "Tests", "Benchmarks", "CMakeLists.txt", "README.md",
            "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", "deploy",
            "Examples", "Bindings",
        ]
        #expect(try SourceTree.topLevelNames() == wanted)
    }

    @Test func everyKernelSourceSaysWhatItIsFor() throws {
        for file in try SourceTree.files() where file.isUnder("CKernels") && file.has(extension: "c", "h") {
            #expect(file.lines.first?.hasPrefix("//") == true, "\(file.path): the first line is not a comment")
        }
    }

    /// A weight type is a file in quants/ that describes it under its own name, and a line in the registry.
    @Test func everyWeightTypeIsRegistered() throws {
        let files = try SourceTree.files().filter { $0.isUnder("CKernels/quants") }
        let defined = files.filter { file in
            file.has(extension: "c") && file.lines.contains("#define APUS_QUANT \(file.stem)")
        }
        #expect(!defined.isEmpty)
        #expect(
            Set(defined.map { String($0.stem) })
                == entries(of: "APUS_QUANT_ENTRY", in: files.filter { $0.path == "CKernels/quants/registry.h" }))
    }

    /// An op is a file in ops/ and a line in the registry.
    @Test func everyOpIsRegistered() throws {
        let files = try SourceTree.files()
        let registered = entries(of: "APUS_OP", in: files.filter { $0.path == "CKernels/include/apus_ops.h" })
        #expect(!registered.isEmpty)
        let stems = Set(files.filter { $0.isUnder("CKernels/ops") && $0.has(extension: "c") }.map { String($0.stem) })
        #expect(registered.subtracting(stems).isEmpty, "registered without a file of that name in ops/")
    }

    /// The names in lines `MACRO(name)`.
    private func entries(of macro: String, in files: [SourceFile]) -> Set<String> {
        let lines = files.flatMap(\.lines).filter { $0.hasPrefix(macro + "(") }
        return Set(
            lines.map { $0.dropFirst(macro.count + 1).prefix { $0.isLetter || $0.isNumber || $0 == "_" } }.map(
                String.init))
    }
}
