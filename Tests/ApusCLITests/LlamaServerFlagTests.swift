// llama-server's flags: what becomes of them.

import ApusCLI
import Testing

@Suite struct LlamaServerFlagTests {
    private func arguments(_ text: String) -> [String] {
        LlamaServerFlags.translate(text.split(separator: " ").map(String.init)).arguments
    }

    @Test func `Flags that mean the same keep their values`() {
        #expect(
            arguments("-m a.gguf -c 4096 --port=9000 -np 4 --temp 0.5 --n-predict 7 --ssl-cert-file c.pem")
                == [
                    "--any-model", "-m", "a.gguf", "-c", "4096", "--port", "9000", "--parallel", "4", "--temp", "0.5",
                    "-n",
                    "7", "--tls-cert", "c.pem",
                ])
        #expect(
            arguments("--api-key a,b --alias x,y") == [
                "--any-model", "--api-key", "a", "--api-key", "b", "--alias", "x", "--alias", "y",
            ])
    }

    @Test func `Flags without an effect are dropped with their values, and told`() {
        let (arguments, notes) = LlamaServerFlags.translate(
            "-ngl 99 --jinja -fa on --no-webui -fa -m a.gguf --cache_type_k q8_0".split(separator: " ").map(String.init)
        )
        #expect(arguments == ["--any-model", "-m", "a.gguf"])
        #expect(
            notes.map { $0.prefix { $0 != " " } } == ["-ngl", "--jinja", "-fa", "--no-webui", "-fa", "--cache-type-k"])
    }

    @Test func `What stands for a default there is none here`() {
        #expect(arguments("-c 0 -np -1 -n -2 -t -1 --pooling none") == ["--any-model"])
        #expect(arguments("-n -1") == ["--any-model", "-n", "-1"])
    }

    @Test func `Flags of apus serve pass, and so do unknown ones, to be refused`() {
        #expect(arguments("--ollama-port 11434 --nonsense") == ["--any-model", "--ollama-port", "11434", "--nonsense"])
        #expect(LlamaServerFlags.translate(["-m"]).arguments == ["--any-model"])
        #expect(LlamaServerFlags.translate([""]).arguments == ["--any-model", ""])
    }
}
