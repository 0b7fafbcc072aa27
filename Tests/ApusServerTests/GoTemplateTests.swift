// Go's template language said in Jinja, and a model's own template said in Go's.

import Apus
import ApusGGUF
import ApusServer
import ApusTemplate
import Testing

@Suite struct GoTemplateTests {
    /// Templates as Ollama's library has them, and what Ollama makes of them.
    @Test(arguments: [
        ("{{ .Prompt }}", "", "Hi"), ("{{.System}} {{.Prompt}}", "S", "S Hi"),
        ("no field at all", "", "no field at all"),
        (
            """
            {{ if .System }}<|im_start|>system
            {{ .System }}<|im_end|>
            {{ end }}{{ if .Prompt }}<|im_start|>user
            {{ .Prompt }}<|im_end|>
            {{ end }}<|im_start|>assistant
            {{ .Response }}<|im_end|>

            """, "S",
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        ),
        (
            """
            {{- range $i, $_ := .Messages }}
            {{- $last := eq (len (slice $.Messages $i)) 1 }}
            {{- if or (eq .Role "user") (eq .Role "system") }}<start_of_turn>user
            {{ .Content }}<end_of_turn>
            {{ if $last }}<start_of_turn>model
            {{ end }}
            {{- else if eq .Role "assistant" }}<start_of_turn>model
            {{ .Content }}{{ if not $last }}<end_of_turn>
            {{ end }}
            {{- end }}
            {{- end }}
            """, "S",
            "<start_of_turn>user\nS<end_of_turn>\n<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"
        ),
        ("{{ range .Messages }}[{{ .Role }}:{{ .Content }}]{{ end }}", "S", "[system:S][user:Hi]"),
        ("a {{- /* gone */ -}}  b {{- \"  }}c\" }}", "", "ab  }}c"),
        ("{{ with .System }}<{{ . }}>{{ else }}none{{ end }}{{ .Prompt }}", "", "noneHi"),
        ("{{ with .System }}<{{ . }}>{{ else }}none{{ end }}{{ .Prompt }}", "S", "<S>Hi"),
        ("{{ if and (ne .System \"\") .Prompt }}both{{ else }}one{{ end }}", "S", "both"),
        ("{{ if and (ne .System \"\") .Prompt }}both{{ else }}one{{ end }}", "", "one"),
        ("{{ $x := 1 }}{{ range .Messages }}{{ $x = 2 }}{{ end }}{{ $x }}", "", "2"),
        (
            "{{ range $m := .Messages }}{{ if eq $m.Role \"system\" }}{{ continue }}{{ end }}{{ $m.Content }}{{ end }}",
            "S", "Hi"
        ),
        ("{{ (index .Messages 0).Content }}", "S", "S"), ("{{ .Prompt | json }}", "", "\"Hi\""),
        ("`{% raw %}` {{ `{{` }} {# {{ .Prompt }}", "", "`{% raw %}` {{ {# Hi"),
        ("{{ if .Response }}{{ .Prompt }}|{{ .Response }}|end{{ end }}", "", "Hi|"),
    ])
    func prompts(source: String, system: String, wanted: String) throws {
        #expect(try GoTemplate(source).prompt("Hi", system: system).text == wanted)
    }

    @Test func `What is said is marked as foreign, whatever it says`() throws {
        let prompt = try GoTemplate("<a>{{ .System }}</a>{{ .Prompt }}{{ .Response }}<b>").prompt(
            "</a>{{", system: "S<a>")
        #expect(prompt.text == "<a>S<a></a></a>{{")
        #expect(prompt.foreign == [3..<7, 11..<17])
        // Not even the mark of the answer's place is found in it.
        #expect(try GoTemplate("{{ .Prompt }}.{{ .Response }}").prompt("\u{F8F0}x", system: "").text == "\u{F8F0}x.")
    }

    @Test(arguments: [
        "{{ if }}", "{{ if .System }}", "{{ end }}", "{{ else }}", "{{ .Prompt", "{{ . }}",
        "{{ define \"x\" }}{{ end }}",
        "{{ template \"x\" }}", "{{ html .Prompt }}", "{{ \"open }}", "{{ .Prompt | }}", "{{ ((((.Prompt }}",
        "{{ break }}",
        "{{ printf \"%s\" .Prompt }}", "{{ $ }}", "{{ 1.2.3 }}", "{{ # }}", "{{ \"\\q\" }}", "{{ range .Messages }}",
        "{{ eq .Prompt }}", "{{ not }}", "{{ .Prompt .System }}", "{{ if .System }}{{ else with .X }}{{ end }}",
    ])
    func faults(source: String) {
        let error = #expect(throws: ApusError.self) { _ = try GoTemplate(source).prompt("x", system: "") }
        #expect(error?.message.isEmpty == false)
    }

    @Test func `Deep and endless templates end in an error`() {
        let deep = String(repeating: "(", count: 10_000)
        let loops = String(repeating: "{{ range .Messages }}", count: 300)
        for source in ["{{ \(deep)", "{{ if \(deep) }}{{ end }}", loops + String(repeating: "{{ end }}", count: 300)] {
            #expect(throws: ApusError.self) { _ = try GoTemplate(source).prompt("x", system: "") }
        }
    }

    @Test(arguments: ["chatml", "gemma", "llama3", "phi3"], ["", "Be brief."])
    func `A model's own template, said in Go's language, gives the same prompts`(name: String, system: String) throws {
        let metadata = Metadata([
            ("tokenizer.ggml.tokens", .strings(GGUFStringArray(["<bos>"]))),
            ("tokenizer.ggml.bos_token_id", .uint32(0)),
        ])
        let format = try #require(try ChatFormat(named: name, metadata: metadata))
        let shown = ShownTemplate.text(format)
        #expect(shown.contains("{{ .System }}") && shown.contains("{{ .Response }}"))
        let messages =
            (system.isEmpty ? [] : [ChatMessage(role: "system", content: system)])
            + [ChatMessage(role: "user", content: "Hi {{")]
        let own = try format.prompt(messages)
        let again = try GoTemplate(shown).prompt("Hi {{", system: system)
        #expect(again.text == own.text)
        #expect(again.foreign == own.foreign)
    }

    @Test func `A template with a system text of its own, with braces, and none at all`() throws {
        let own = try ChatFormat(
            source: "{% if messages[0].role != 'system' %}<s>You are {{ '{{' }}it}}.</s>{% endif %}"
                + "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}"
                + "{% if add_generation_prompt %}<assistant>{% endif %}",
            metadata: Metadata())
        let template = try GoTemplate(ShownTemplate.text(own))
        for system in ["", "Be brief."] {
            let messages =
                (system.isEmpty ? [] : [ChatMessage(role: "system", content: system)])
                + [ChatMessage(role: "user", content: "Hi")]
            #expect(try template.prompt("Hi", system: system).text == own.prompt(messages).text)
        }
        #expect(ShownTemplate.text(nil) == "{{ .Prompt }}")
        let refusing = try ChatFormat(source: "{{ raise_exception('no') }}", metadata: Metadata())
        #expect(ShownTemplate.text(refusing) == "{{ .Prompt }}")
    }
}
