import ApusGGUF
import Testing

import Apus

@Suite("Stop strings")
struct SamplerStopTests {
    /// What a matcher gives out for a text that comes in pieces of `size` bytes.
    private func run(_ text: String, stops: [String], piece size: Int) throws -> (text: String, found: String?) {
        var matcher = try StopMatcher(stops)
        var out: [UInt8] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            out += matcher.append(Array(bytes[start..<min(start + size, bytes.count)]))
        }
        out += matcher.finish()
        return (String(decoding: out, as: UTF8.self), matcher.found)
    }

    @Test(
        "the text ends before the stop string that ends first, however the bytes are split", arguments: 1...12)
    func cuts(size: Int) throws {
        let cases: [(text: String, stops: [String], wanted: String, found: String?)] = [
            ("Hello world", ["wor"], "Hello ", "wor"),
            ("Hello world", ["xyz"], "Hello world", nil),
            ("Hello wo", ["world"], "Hello wo", nil),
            ("aaaaab", ["aab"], "aaa", "aab"),
            ("ababac!", ["abac"], "ab", "abac"),
            ("abc", ["abcd", "bc"], "a", "bc"),
            ("xabcd", ["abcd", "cd"], "x", "abcd"),
            ("stop", ["stop"], "", "stop"),
            ("", ["stop"], "", nil),
            ("naïve café 🙂 end", ["é 🙂"], "naïve caf", "é 🙂"),
            ("naïve café 🙃 end", ["é 🙂"], "naïve café 🙃 end", nil),
            ("one\n\nUser: two", ["\nUser:", "\n\n"], "one", "\n\n"),
            ("anything", [], "anything", nil),
        ]
        for entry in cases {
            let result = try run(entry.text, stops: entry.stops, piece: size)
            #expect(result.text == entry.wanted, "\(entry.text), \(entry.stops)")
            #expect(result.found == entry.found, "\(entry.text), \(entry.stops)")
        }
    }

    @Test("holds back a beginning of a stop string and nothing more")
    func holdsBack() throws {
        var matcher = try StopMatcher(["END"])
        #expect(matcher.append(Array("xE".utf8)) == Array("x".utf8))
        #expect(matcher.append(Array("N".utf8)).isEmpty)
        #expect(matcher.append(Array("EN".utf8)) == Array("EN".utf8))
        #expect(matcher.append(Array("Dy".utf8)).isEmpty)
        #expect(matcher.found == "END")
        #expect(matcher.append(Array("more".utf8)).isEmpty)
        #expect(matcher.finish().isEmpty)
    }

    @Test("random texts: the same as a search in the whole text")
    func random() throws {
        var generator = SystemlessGenerator(state: 4)
        func word(_ lengths: ClosedRange<Int>) -> String {
            let length = Int.random(in: lengths, using: &generator)
            return String((0..<length).map { _ in "ab".randomElement(using: &generator) ?? "a" })
        }
        for _ in 0..<500 {
            let text = word(0...30)
            let stops = (0..<3).map { _ in word(1...5) }
            let bytes = Array(text.utf8)
            var wanted = bytes
            search: for end in 0...bytes.count {
                for stop in stops.sorted(by: { $0.count > $1.count })
                where bytes[..<end].suffix(stop.count) == stop.utf8[...] {
                    wanted = Array(bytes[..<(end - stop.count)])
                    break search
                }
            }
            let found = try run(text, stops: stops, piece: Int.random(in: 1...4, using: &generator))
            #expect(found.text == String(decoding: wanted, as: UTF8.self), "\(text), \(stops)")
        }
    }

    @Test("an empty stop string is refused")
    func emptyStop() {
        #expect(throws: ApusError.self) { try StopMatcher(["a", ""]) }
    }
}

extension ArraySlice<UInt8> {
    fileprivate static func == (a: Self, b: Substring.UTF8View) -> Bool { a.elementsEqual(b) }
}
