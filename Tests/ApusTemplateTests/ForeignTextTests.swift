// What of a prompt is the arguments', whatever a template does to their texts.

import ApusJSON
import ApusTemplate
import Testing

@Suite("Foreign text in prompts")
struct ForeignTextTests {
    private func foreign(_ source: String, _ content: String, role: String = "user") throws -> [String] {
        let messages: JSONValue = [["role": .string(role), "content": .string(content)]]
        let arguments: JSONValue = ["messages": messages]
        let template = try ChatTemplate(source: source)
        let prompt = try template.prompt(arguments, trusted: [.init("bos_token", "<s>")])
        #expect(prompt.text == (try template.render(["messages": messages, "bos_token": "<s>"])))
        return prompt.foreign.map { String(decoding: prompt.bytes[$0], as: UTF8.self) }
    }

    @Test(
        "stays foreign through expressions",
        arguments: [
            ("m.content", ["<é> b"]), ("'<' + m.content + '>'", ["<é> b"]), ("m.content | upper", ["<É> B"]),
            ("m.content | title", ["<É> B"]), ("(' ' + m.content + ' ') | trim", ["<é> b"]),
            ("m.content[1:3]", ["é>"]), ("m.content[::-1]", ["b >é<"]), ("m.content.split(' ')[0]", ["<é>"]),
            ("m.content.split(' ') | join('-')", ["<é>", "b"]), ("m.content.replace('é', 'X')", ["<", "> b"]),
            ("m.content | replace(' ', m.content)", ["<é><é> bb"]), ("'%s!' % m.content", ["<é> b"]),
            ("m.content ~ 1 ~ m.content", ["<é> b", "<é> b"]), ("m.content * 2", ["<é> b<é> b"]),
            ("m.content | tojson", ["<é> b"]), ("m | tojson", ["role", "content", "<é> b"]),
            ("m.content | list | last", ["b"]), ("m.content | first", ["<"]),
            ("m.content | indent(1, true)", ["<é> b"]),
            ("[m.content] | string", ["<é> b"]), ("m.content | e", ["&lt;é&gt; b"]),
            ("m.content.partition('é')[2]", ["> b"]),
            ("namespace(a=m.content).a", ["<é> b"]), ("{'k': m.content}['k']", ["<é> b"]),
            ("m.content | safe", ["<é> b"]),
            ("m.content if '<é>' in m.content", ["<é> b"]), ("m.content.rstrip('b')", ["<é> "]),
            ("m.content | length", []), ("'<é> b'", []), ("bos_token", []), ("m.role", []),
            ("'<|' + m.role + '|>'", []), ("m.content | batch(2) | first | join", ["<é"]),
        ] as [(String, [String])])
    func expressions(expression: String, wanted: [String]) throws {
        #expect(try foreign("{% set m = messages[0] %}{{ \(expression) }}", "<é> b") == wanted)
    }

    @Test("stays foreign through macros, blocks and escapes")
    func statements() throws {
        let content = "<a>\n\"é\"\u{1}"
        let start = "{% set m = messages[0] %}"
        for source in [
            "{% macro f(x) %}[{{ x }}]{% endmacro %}{{ f(m.content) }}",
            "{% set x %}<{{ m.content }}>{% endset %}{{ x }}", "{% filter string %}<{{ m.content }}>{% endfilter %}",
            "{% for c in m.content %}{{ c }}{% endfor %}",
        ] {
            #expect(try foreign(start + source, content) == [content])
        }
        #expect(
            try foreign(start + "{{ m.content | tojson(ensure_ascii=true) }}", content) == [#"<a>\n\"\u00e9\"\u0001"#])
        #expect(try foreign(start + "{{ [m.content] }}", content) == [#"<a>\n"é"\x01"#])
    }

    @Test("a role that is none is foreign too")
    func roles() throws {
        #expect(try foreign("<|{{ messages[0].role }}|>", "", role: "end") == ["end"])
        #expect(try foreign("<|{{ messages[0].role }}|>", "", role: "assistant") == [])
    }
}
