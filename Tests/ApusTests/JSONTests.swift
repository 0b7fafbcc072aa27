import ApusGGUF
import ApusJSON
import Foundation
import Testing

import Apus

@Suite("JSON")
struct JSONTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test("reads every kind of value and keeps the order of members")
    func values() throws {
        let text = #"{"b": [1, -2.5e3, true, false, null], "a": {"x": "y"}, "a": 1e2, "big": 18446744073709551615}"#
        let value = try parse(text)
        let wanted: JSONValue = [
            "b": [1, -2500.0, true, false, nil], "a": ["x": "y"], "a": 100.0,
            "big": .double(18_446_744_073_709_551_616),
        ]
        #expect(value == wanted)
        #expect(value["a"] == 100.0)
        #expect(value["none"] == nil)
        #expect(try parse(" [ ] ") == [])
        #expect(try parse("{}") == [:])
        #expect(try parse("\u{FEFF}-0") == 0)
        #expect(try parse("9223372036854775807") == .int(.max))
    }

    @Test("strings: escapes, surrogate pairs, lone surrogates, plain UTF-8")
    func strings() throws {
        #expect(try parse(#""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE42é🙂""#) == "\"\\/\u{8}\u{C}\n\r\té🙂é🙂")
        #expect(try parse(#""\uD83D""#) == "\u{FFFD}")
        #expect(try parse(#""\uD83D\u0041""#) == "\u{FFFD}A")
        #expect(try parse(#""\uDE42x""#) == "\u{FFFD}x")
        #expect(try parse(#""\u0000""#) == "\0")
    }

    @Test(
        "broken text is an error with a place, never a trap",
        arguments: [
            "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"", "{\"a\":", "{\"a\":1,}", "{a:1}", "\"abc", "\"\\",
            "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\uD83D\\u\"", "\"\u{1}\"", "01", "-", "1.", ".5", "1e", "1e+",
            "+1",
            "1e999", "nul", "truex", "NaN", "[1] 2", "'a'", "[1 2]", "]", "{\"a\" 1}", "\"\n\"", "- 1",
        ])
    func broken(text: String) {
        #expect {
            try parse(text)
        } throws: { error in
            (error as? ApusError)?.code == .format && (error as? ApusError)?.message.contains("line ") == true
        }
    }

    @Test("invalid UTF-8 and every truncation of a document are errors")
    func bytes() throws {
        #expect(throws: ApusError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: ApusError.self) { try JSONValue(parsing: [0xFF]) }
        let document = Array(#"{"a": ["\u00e9\uD83D\uDE42", 12.5e1, {"b": null}]}"#.utf8)
        for length in 0..<document.count {
            #expect(throws: ApusError.self) { try JSONValue(parsing: Array(document[..<length])) }
        }
        #expect(throws: Never.self) { try JSONValue(parsing: document) }
    }

    @Test("depth is bounded")
    func depth() throws {
        let nested = { (depth: Int) in
            Array(String(repeating: "[", count: depth).utf8) + Array(String(repeating: "]", count: depth).utf8)
        }
        #expect(throws: Never.self) { try JSONValue(parsing: nested(128)) }
        #expect(throws: ApusError.self) { try JSONValue(parsing: nested(129)) }
        #expect(throws: ApusError.self) { try JSONValue(parsing: [UInt8](repeating: 0x5B, count: 1_000_000)) }
    }

    @Test("the place of an error")
    func place() {
        #expect {
            try JSONValue(parsing: Array("[1,\n  x]".utf8), name: "ids.json")
        } throws: { error in
            (error as? ApusError)?.message == "ids.json, line 2, column 3: found 'x', wanted: a value"
        }
    }

    @Test("what is written reads back the same, here and in Foundation")
    func roundTrip() throws {
        let value: JSONValue = [
            "text": "quote \" backslash \\ newline \n tab \t null \0 del \u{7F} é 🙂 \u{2028}",
            "numbers": .doubles([0, -0.0, 0.1, 1e-300, 1.7976931348623157e308, .leastNonzeroMagnitude, 123456789.125]),
            "ints": .ints([Int.min, -1, 0, Int.max]), "empty": [[], [:]], "nested": ["deeper": [["x": nil]]],
            "bools": [true, false],
        ]
        for indented in [false, true] {
            let bytes = value.bytes(indented: indented)
            #expect(try JSONValue(parsing: bytes) == value)
            let object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
            #expect(
                object?["text"] as? String == "quote \" backslash \\ newline \n tab \t null \0 del \u{7F} é 🙂 \u{2028}")
            #expect(object?["ints"] as? [Int] == [Int.min, -1, 0, Int.max])
        }
        #expect(JSONValue.array([.double(.nan), .double(.infinity), .double(1)]).text == "[null,null,1.0]")
        #expect(!value.text.contains("\n"))
    }
}
