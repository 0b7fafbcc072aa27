// Runs the Python side of these tests and reads what it wrote.

import ApusGGUF
import ApusJSON
import ApusTemplate
import Foundation
import Testing

/// Templates with arguments and the texts that jinja2 makes of them.
struct OracleCases {
    struct Case {
        let name: String
        let source: String
        /// A text for each of the arguments; nil where jinja2 reports an error.
        let texts: [String?]
    }
    let arguments: [JSONValue]
    let cases: [Case]
    /// 2026-03-04 15:06:07 of the local clock, which the Python side has as well.
    static var time: Int {
        var parts = DateComponents()
        (parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second) = (2026, 3, 4, 15, 6, 7)
        return Int(Calendar(identifier: .gregorian).date(from: parts)?.timeIntervalSince1970 ?? 0)
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs `template_oracle.py` in a folder of its own, which is removed afterwards.
    init(_ kind: String) throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let repository = tests.deletingLastPathComponent().deletingLastPathComponent()
        let standard = repository.appendingPathComponent(".venv/bin/python").path
        let named = ProcessInfo.processInfo.environment["APUS_PYTHON"].flatMap { $0.isEmpty ? nil : $0 }
        let python = named ?? standard
        guard FileManager.default.isExecutableFile(atPath: python) else {
            throw Failure(description: "no Python at \(python): `make setup` makes it, APUS_PYTHON names another")
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        let script = tests.appendingPathComponent("template_oracle.py").path
        let cache = repository.appendingPathComponent(".cache/templates").path
        process.arguments = ["-B", script, kind, folder.path, cache]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let message = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(python) \(script): \(String(decoding: message, as: UTF8.self))")
        }
        let bytes = try [UInt8](Data(contentsOf: folder.appendingPathComponent("cases.json")))
        let json = try JSONValue(parsing: bytes, name: "cases.json")
        guard case .array(let arguments) = json["arguments"], case .array(let cases) = json["cases"] else {
            throw Failure(description: "cases.json is not as expected")
        }
        self.arguments = arguments
        self.cases = try cases.map { item in
            guard case .string(let name) = item["name"], case .string(let source) = item["source"],
                case .array(let texts) = item["texts"], texts.count == arguments.count
            else { throw Failure(description: "cases.json is not as expected") }
            return Case(
                name: name, source: source,
                texts: texts.map {
                    if case .string(let text) = $0 { text } else { nil }
                })
        }
    }

    /// What differs, as lines to read; and how many renderings were texts on both sides.
    func differences(allowing isKnown: (_ source: String, _ error: String) -> Bool = { _, _ in false })
        -> (lines: [String], rendered: Int)
    {
        let time = Self.time
        var lines: [String] = []
        var rendered = 0
        for item in cases {
            for (index, wanted) in item.texts.enumerated() {
                var found: String?
                var reason = ""
                do throws(ApusError) {
                    found = try ChatTemplate(source: item.source).render(arguments[index], time: time)
                } catch {
                    reason = error.message
                }
                // Scalars, as Swift's strings are equal in different forms.
                let isSame =
                    switch (found, wanted) {
                    case (nil, nil): true
                    case (let found?, let wanted?): found.unicodeScalars.elementsEqual(wanted.unicodeScalars)
                    default: found == nil && isKnown(item.source, reason)
                    }
                if !isSame {
                    lines.append(
                        "\(item.name) [\(index)]: \(found?.debugDescription ?? "error: \(reason)"), wanted: "
                            + (wanted?.debugDescription ?? "an error"))
                } else if found != nil {
                    rendered += 1
                }
            }
        }
        return (lines, rendered)
    }
}
