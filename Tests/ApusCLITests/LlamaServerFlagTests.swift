// llama-server's flags: what becomes of them.

import ApusCLI
import ApusGGUF
import Testing

@Suite struct LlamaServerFlagTests {
    /// What stands before all: llama-server serves any name, and continues a last answer.
    private let first = ["--any-model", "--prefill-assistant"]

    private func arguments(_ text: String) throws -> [String] {
        let all = try LlamaServerFlags.translate(text.split(separator: " ").map(String.init)).arguments
        #expect(all.starts(with: first))
        return Array(all.dropFirst(first.count))
    }

    @Test func `Flags that mean the same keep their values`() throws {
        #expect(
            try arguments("-m a.gguf -c 4096 --port=9000 -np 4 --temp 0.5 --n-predict 7 --ssl-cert-file c.pem")
                == [
                    "-m", "a.gguf", "-c", "4096", "--port", "9000", "--parallel", "4", "--temp", "0.5", "-n", "7",
                    "--tls-cert", "c.pem",
                ])
        #expect(
            try arguments("--api-key a,b --alias x,y") == [
                "--api-key", "a", "--api-key", "b", "--alias", "x", "--alias", "y",
            ])
    }

    @Test(arguments: [
        (#"--chat-template-kwargs {"enable_thinking":false}"#, #"--chat-template-kwargs {"enable_thinking":false}"#),
        ("--special", "--special"), ("-sp", "--special"), ("--reasoning-format none", "--reasoning-format none"),
        ("--reasoning-budget -1", ""), ("--no-prefill-assistant", "--no-prefill-assistant"),
        ("--log-file a.log", "--log-file a.log"), ("-lv 1", "--log-level error"),
        ("--verbosity 9", "--log-level trace"),
        ("-lv -1", "--log-level critical"), ("--sleep-idle-seconds 60", "--keep-alive 60"), ("--models-max 0", ""),
        ("--sampling-seq kpt", "--samplers top_k;top_p;temperature"), ("--sampler_seq e", "--samplers penalties"),
    ])
    func `What replies, routes and the log depend on has its effect`(theirs: String, ours: String) throws {
        #expect(try arguments(theirs) == ours.split(separator: " ").map(String.init))
    }

    @Test func `A budget of no thoughts tells the template`() throws {
        #expect(
            try arguments("--reasoning-budget 0") == ["--chat-template-kwargs", #"{"enable_thinking": false}"#])
    }

    @Test(arguments: [
        ("--api-prefix /x", "--api-prefix"), ("--path www", "--path"), ("--media-path .", "--media-path"),
        ("--reasoning-budget 100", "--reasoning-budget is '100'"), ("--sampling-seq kz", "--sampling-seq is 'kz'"),
        ("-lv loud", "-lv is 'loud'"),
    ])
    func `What there is not is refused by name`(text: String, start: String) {
        let error = #expect(throws: ApusError.self) { try arguments(text) }
        #expect(error?.code == .invalidArgument && error?.message.hasPrefix(start) == true, "\(error?.message ?? "")")
    }

    @Test func `Flags without an effect are dropped with their values, and told`() throws {
        let (arguments, notes) = try LlamaServerFlags.translate(
            "-ngl 99 --jinja -fa on --no-webui -fa -m a.gguf --cache_type_k q8_0 --context-shift --slot-save-path x"
                .split(separator: " ").map(String.init))
        #expect(arguments == first + ["-m", "a.gguf"])
        #expect(
            notes.map { $0.prefix { $0 != " " } } == [
                "-ngl", "--jinja", "-fa", "--no-webui", "-fa", "--cache-type-k", "--context-shift", "--slot-save-path",
            ])
        #expect(notes.allSatisfy { $0.contains("has no effect here: ") })
    }

    @Test func `What stands for a default there is none here`() throws {
        #expect(try arguments("-c 0 -np -1 -n -2 -t -1 --pooling none") == [])
        #expect(try arguments("-n -1") == ["-n", "-1"])
    }

    @Test func `Flags of apus serve pass, and so do unknown ones, to be refused`() throws {
        #expect(try arguments("--ollama-port 11434 --nonsense") == ["--ollama-port", "11434", "--nonsense"])
        #expect(try LlamaServerFlags.translate(["-m"]).arguments == first)
        #expect(try LlamaServerFlags.translate([""]).arguments == first + [""])
    }
}
