// Templates that mean harm, and what is not supported: errors in time, with the construct and its line.

import ApusGGUF
import ApusJSON
import ApusTemplate
import Testing

@Suite struct HostileTests {
    private func error(
        _ source: String, _ arguments: JSONValue = [:], limits: TemplateLimits = TemplateLimits(steps: 300_000)
    ) -> ApusError? {
        do throws(ApusError) {
            _ = try ChatTemplate(source: source).render(arguments, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    /// Each would take minutes, gigabytes or the whole stack; the limit is ten times what one may take.
    @Test(
        "ends in an error, in time", .timeLimit(.minutes(1)),
        arguments: [
            "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
            "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
            "{{ 'a' * 9999999999 }}", "{{ [1] * 9999999999 }}", "{{ 'a' | center(9223372036854775807) }}",
            "{% set ns = namespace(s='aaaa') %}{% for a in range(99999) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "{% set ns = namespace(s=[1]) %}{% for a in range(99999) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
            "{% set ns = namespace(s=[1]) %}{% for a in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
            "{% set ns = namespace(s=[1]) %}{% for a in range(60) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ ns.s == [ns.s] or ns.s | tojson }}",
            "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
            "{% set ns = namespace(s=1) %}{% for a in range(99999) %}{% set ns.s = namespace(s=ns.s) %}{% endfor %}{{ ns }}",
            "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
            "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
            "{% macro m() %}{{ caller() }}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{% call m() %}x{% endcall %}",
            "{% for x in [[[1]]] recursive %}{{ loop([x]) }}{% endfor %}",
            "{{ 9 ** 9 ** 9 ** 9 }}", "{{ range(100001) }}",
            "{{ range(0, 9223372036854775807, -9223372036854775807 - 1) | list | tojson }}{{ 1/0 }}",
            "{{ ('%099999d' * 999) % (1,) }}", "{{ ('a' * 999999).replace('', 'a' * 999999) }}",
            "{{ ('a' * 99999).split('a' * 9999 + 'b') }}{% for x in range(99999) %}{{ ('a' * 99999).count('a' * 50000 + 'b') }}{% endfor %}",
            "{{ -9223372036854775807 - 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}",
            "{{ 'x'[9223372036854775807:-9223372036854775807:0] }}",
            "{% for x in range(99999) %}{{ range(99999) | list | sort | reverse | list | join }}{% endfor %}",
            "{% for x in range(99999) %}{{ x }}{{ ('ab' * 50000) | upper | title }}{% endfor %}",
            "{{ {'a': 1} | tojson(indent=999999999999) }}", "{{ [[[1]]] | tojson(indent='x' * 99999999) }}",
            "{{ strftime_now('%99999999c' * 99) }}{{ 1/0 }}",
        ])
    func hostile(source: String) {
        let found = error(source)
        #expect(found?.message.hasPrefix("chat template, line 1: ") == true, "\(found?.message ?? "no error")")
        #expect(found?.message.contains("\n") == false)
    }

    @Test("deep nesting of the text itself", .timeLimit(.minutes(1)))
    func deepSource() {
        for (open, close) in [
            ("(", ")"), ("[", "]"), ("{'a':", "}"), ("not ", ""), ("-", ""), ("a if ", ""), ("a[", "]"),
        ] {
            for count in [300, 10_000] {
                let text = String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
                #expect(error("{{ " + text + " }}") != nil, "\(open)")
            }
        }
        for chain in [" + 1", " ~ 1", ".a", "[0]", "|e", " or 1", " if 1", "()", " is defined", " == 1", " ** 1"] {
            // Long chains are either refused or run; neither overflows the stack.
            _ = error("{{ a" + String(repeating: chain, count: 5_000) + " }}")
            _ = error("{{ 1" + String(repeating: chain, count: 250) + " }}")
        }
        #expect(error(String(repeating: "{% if 1 %}", count: 50_000)) != nil)
        #expect(error(String(repeating: "{% for x in y %}", count: 1000)) != nil)
        #expect(error(String(repeating: " ", count: 1 << 21)) != nil)
        #expect(error(String(repeating: "{{", count: 100_000)) != nil)
        #expect(error(String(repeating: "{%raw", count: 20_000)) != nil)
    }

    @Test("values that hold each other leave nothing behind and overflow nothing")
    func chains() throws {
        let sources = [
            "{% set ns = namespace(f=none) %}{% macro make(f) %}{% macro g() %}{{ f }}{% endmacro %}{% set ns.f = g %}"
                + "{% endmacro %}{% for x in range(20000) %}{{ make(ns.f) }}{% endfor %}",
            "{% set ns = namespace(l=none) %}{% for x in range(20000) %}{% for y in [ns.l] %}{% set ns.l = loop %}"
                + "{% endfor %}{% endfor %}",
            "{% set ns = namespace(n=none) %}{% for x in range(20000) %}{% set ns.n = namespace(n=ns.n) %}{% endfor %}",
        ]
        for source in sources { #expect(try ChatTemplate(source: source).render([:]) == "") }
    }

    @Test("a template reaches nothing but its arguments")
    func sandbox() throws {
        for source in [
            "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages.__init__.__globals__ }}",
            "{{ raise_exception.__globals__['os'].system('id') }}", "{{ namespace.__init__ }}",
            "{{ self._TemplateReference__context }}",
            "{{ range.__base__ }}", "{{ messages.append(1) }}", "{{ messages.pop() }}", "{{ tools.update({}) }}",
            "{{ messages | attr('__class__') }}", "{{ messages | map(attribute='__class__') | join }}",
            "{{ messages['__class__'] }}", "{% include '/etc/passwd' %}", "{% import 'os' as os %}",
        ] {
            let arguments: JSONValue = ["messages": [["role": "user"]], "tools": ["a": 1]]
            let prompt = try? ChatTemplate(source: source).render(arguments)
            #expect(prompt == nil || prompt == "", "\(source)")
        }
        let plain = try ChatTemplate(source: "{{ os }}{{ environ }}{{ request }}{{ config }}").render([:])
        #expect(plain == "")
    }

    @Test("what is not supported is named with its line")
    func unsupported() {
        for (source, name) in [
            ("{% extends 'a' %}", "extends"), ("{% block a %}{% endblock %}", "block"), ("{% trans %}", "trans"),
            ("{% do x %}", "do"), ("{% other %}", "other"), ("{{ 1 | xmlattr }}", "xmlattr"),
            ("{{ 1 is other }}", "other"),
            ("{{ 'a'.encode() }}", "encode"), ("{{ lipsum() }}", "lipsum"), ("{{ '%g' % 1 }}", "%g"),
        ] {
            let found = error("a\n{# b\n #}\n" + source)
            #expect(found?.code == .unsupported, "\(source)")
            #expect(found?.message.contains("line 4") == true && found?.message.contains(name) == true, "\(source)")
        }
        let raised = error("\n{{ raise_exception('no \\n tools') }}")
        #expect(raised?.message == "chat template, line 2: raise_exception: no \\u{a} tools")
    }

    @Test("limits are the caller's, and the standard ones end", .timeLimit(.minutes(1)))
    func limits() throws {
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a ~ b }}{% endfor %}{% endfor %}"
        #expect(error(endless, limits: TemplateLimits())?.message.contains("steps") == true)
        let template = try ChatTemplate(source: "{% for x in range(100) %}abc{% endfor %}")
        #expect(try template.render([:]) == String(repeating: "abc", count: 100))
        for limits in [
            TemplateLimits(steps: 100), TemplateLimits(outputBytes: 299), TemplateLimits(depth: 1),
            TemplateLimits(memoryBytes: 100),
        ] {
            #expect(throws: ApusError.self) { try template.render([:], limits: limits) }
        }
        #expect(throws: ApusError.self) { try template.render([1]) }
    }
}
