import Foundation
import Testing

@Suite("apus run")
struct RunTests {
    private let tiny: TinyFolder

    init() throws { tiny = try TinyFolder() }

    private func run(_ arguments: String..., input: String = "") throws -> Outcome {
        try Command.run(["run", "--raw", "-m", tiny.model] + arguments, input: Data(input.utf8))
    }

    @Test("the JSON object has every member, and its figures agree")
    func object() throws {
        let outcome = try run("-p", "hello", "-n", "10", "--ignore-eos", "--seed", "7", "--json")
        #expect(outcome.status == 0)
        let object = try outcome.object()
        #expect(object["prompt_ids"] as? [Int] == [TinyModel.he, TinyModel.llo])
        let ids = try #require(object["ids"] as? [Int])
        #expect(ids.count == 10 && ids.allSatisfy { (0..<TinyModel.vocabularySize).contains($0) })
        #expect(object["stop_reason"] as? String == "length")
        #expect(object["seed"] as? Int == 7)
        let hash = try #require(object["logits_hash"] as? String)
        #expect(hash.count == 16 && UInt64(hash, radix: 16) != nil)
        let timings = try #require(object["timings"] as? [String: Any])
        #expect(timings["prompt_tokens"] as? Int == 2)
        #expect(timings["generated_tokens"] as? Int == 10)
        for name in [
            "load_seconds", "prompt_seconds", "prompt_per_second", "generation_seconds", "generated_per_second",
            "time_to_first_token_seconds", "gigabytes_per_second",
        ] {
            #expect(try #require(timings[name] as? Double) > 0, "\(name)")
        }
        let memory = try #require(object["memory"] as? [String: Any])
        #expect(try #require(memory["peak_bytes"] as? Int) > 1 << 20)
        // The text is that of the ids.
        let encoded = try JSONSerialization.data(withJSONObject: ids)
        let decoded = try Command.run(["detokenize", "-m", tiny.model], input: encoded)
        #expect(decoded.text == object["text"] as? String)
    }

    @Test("the text on standard output is that of --json; statistics are one line on standard error")
    func plain() throws {
        let options = ["-p", "hello", "-n", "20", "--ignore-eos", "--seed", "7"]
        let plain = try Command.run(["run", "--raw", "-m", tiny.model] + options)
        let object = try Command.run(["run", "--raw", "-m", tiny.model] + options + ["--json"]).object()
        #expect(plain.status == 0)
        #expect(plain.text == object["text"] as? String)
        #expect(String(validating: plain.output, as: UTF8.self) != nil)
        #expect(plain.errorLines.count == 1)
        let pattern =
            #/prompt 2 tokens, [0-9.]+ tokens/s \| generated 20 tokens, [0-9.]+ tokens/s, [0-9.]+ GB/s \| /#
        #expect(plain.error.contains(pattern), "\(plain.error)")
        #expect(plain.error.contains(#/peak memory [0-9.]+ MB \| seed 7/#), "\(plain.error)")
        #expect(!plain.error.contains("\u{1B}") && !plain.error.contains("\r"))
    }

    @Test("guessing tokens changes nothing but the statistics")
    func speculation() throws {
        let options = ["-p", "hello hello hello", "-n", "60", "--ignore-eos", "--temp", "0", "--json"]
        var objects: [[String: Any]] = []
        for more in [["--speculate", "off"], ["--speculate", "lookup"], []] {
            objects.append(try Command.run(["run", "--raw", "-m", tiny.model] + options + more).object())
        }
        for object in objects {
            for key in ["text", "logits_hash"] { #expect(object[key] as? String == objects[0][key] as? String) }
            let counts = try #require(object["speculation"] as? [String: Int])
            #expect(Set(counts.keys) == ["drafted", "accepted"])
        }
        #expect(objects[0]["speculation"] as? [String: Int] == ["drafted": 0, "accepted": 0])
        let wrong = try run("-p", "x", "--speculate", "maybe")
        #expect(wrong.status == 64)
        #expect(wrong.error.contains("'maybe'") && wrong.error.contains("lookup"), "\(wrong.error)")
    }

    @Test("greedy and seeded texts do not depend on threads and chunks; seeds matter")
    func reproducible() throws {
        func generate(_ options: String...) throws -> [String: Any] {
            let prompt = String(repeating: "hello world ", count: 3)
            let fixed = ["run", "--raw", "-m", tiny.model, "-p", prompt, "-n", "12", "--ignore-eos", "--json"]
            return try Command.run(fixed + options).object()
        }
        for sampling in [["--temp", "0"], ["--seed", "5", "--temp", "1.5"]] {
            let wanted = try generate(sampling[0], sampling[1], sampling.count > 2 ? sampling[2] : "--top-k", "40")
            for (threads, chunk) in [("1", "1"), ("2", "7"), ("3", "64")] {
                let found = try generate(
                    sampling[0], sampling[1], sampling.count > 2 ? sampling[2] : "--top-k", "40", "-t", threads, "-b",
                    chunk)
                #expect(found["ids"] as? [Int] == wanted["ids"] as? [Int])
                #expect(found["logits_hash"] as? String == wanted["logits_hash"] as? String)
            }
        }
        let first = try generate("--seed", "5", "--temp", "2")
        let second = try generate("--seed", "6", "--temp", "2")
        #expect(first["ids"] as? [Int] != second["ids"] as? [Int])
        // Without a seed one is drawn, and reported; -1 means the same.
        let unseeded = try generate("--temp", "2", "--seed", "-1")
        let seed = try #require(unseeded["seed"] as? Int)
        #expect(try generate("--temp", "2", "--seed", "\(seed)")["ids"] as? [Int] == unseeded["ids"] as? [Int])
    }

    @Test("the prompt from -p, -f and standard input, byte for byte")
    func sources() throws {
        let text = "hello\n"
        try tiny.folder.file("prompt", Data(text.utf8))
        let options = ["-n", "0", "--json"]
        let wanted = [TinyModel.he, TinyModel.llo, 10]
        for outcome in [
            try Command.run(["run", "--raw", "-m", tiny.model, "-p", text] + options),
            try Command.run(["run", "--raw", "-m", tiny.model, "-f", tiny.folder.path("prompt")] + options),
            try Command.run(["run", "--raw", "-m", tiny.model, "-f", "-"] + options, input: Data(text.utf8)),
            try Command.run(["run", "--raw", "-m", tiny.model] + options, input: Data(text.utf8)),
        ] {
            #expect(try outcome.object()["prompt_ids"] as? [Int] == wanted)
        }
    }

    @Test("an empty prompt is the begin token, or an error when there is none")
    func emptyPrompt() throws {
        #expect(try run("-p", "", "-n", "0", "--json").object()["prompt_ids"] as? [Int] == [TinyModel.bos])
        let without = try TinyFolder(hasBOS: false)
        expectFailure(try Command.run(["run", "--raw", "-m", without.model, "-p", ""]), saying: "prompt is empty")
    }

    @Test("a prompt longer than the context is an error with the figures")
    func longPrompt() throws {
        let long = String(repeating: "x", count: TinyModel.contextLength + 1)
        expectFailure(try run("-p", long), saying: "97 tokens", "context of 96")
        expectFailure(try run("-p", "xxxxx", "-c", "4"), saying: "5 tokens", "context of 4")
    }

    @Test("a full context ends the text")
    func fullContext() throws {
        let object = try run("-p", "xxxx", "-c", "10", "--ignore-eos", "--json").object()
        #expect(object["stop_reason"] as? String == "context")
        #expect((object["ids"] as? [Int])?.count == 7)
    }

    @Test("stop strings, special tokens, an end token")
    func ends() throws {
        let options = ["-p", "hello", "-n", "40", "--ignore-eos", "--temp", "0", "--json"]
        let whole = try #require(
            try Command.run(["run", "--raw", "-m", tiny.model] + options).object()["text"] as? String)
        let characters = Array(whole)
        try #require(characters.count > 6)
        let stop = String(characters[3...5])
        let cut = try Command.run(["run", "--raw", "-m", tiny.model, "--stop", "nowhere", "--stop", stop] + options)
            .object()
        #expect(cut["stop_reason"] as? String == "stop")
        let text = try #require(cut["text"] as? String)
        let wanted = try #require(whole.range(of: stop))
        #expect(text == String(whole[..<wanted.lowerBound]))

        let special = try run("-p", "<|begin|>h<|end|>", "-n", "0", "--json", "--parse-special").object()
        #expect(special["prompt_ids"] as? [Int] == [TinyModel.bos, 104, TinyModel.eos])
        let literal = try run("-p", "<|begin|>", "-n", "0", "--json").object()
        #expect((literal["prompt_ids"] as? [Int])?.contains(TinyModel.bos) == false)
    }

    @Test("Ctrl-C keeps what is there and is exit 130")
    func interrupted() throws {
        let arguments = ["run", "--raw", "-m", tiny.model, "-p", "hello", "-c", "2000000", "--ignore-eos"]
        let outcome = try Command.run(arguments, interruptAfter: 10)
        #expect(outcome.status == 130)
        #expect(outcome.output.count >= 10)
        #expect(outcome.errorLines.count == 1 && outcome.error.contains("generated"), "\(outcome.error)")
        #expect(String(validating: outcome.output, as: UTF8.self) != nil)
    }

    @Test("a reader that goes away ends the text quietly; a full disk is an error")
    func closedOutput() throws {
        let run = "$APUS run --raw -m \(tiny.model) -p hello -c 100000 --ignore-eos"
        let closed = try Command.shell("{ \(run); echo \"status $?\" >&2; } | head -c 5")
        #expect(closed.output.count == 5)
        #expect(closed.error.contains("status 0") && !closed.error.contains("error"), "\(closed.error)")
        let full = try Command.shell("\(run) -n 5 > /dev/full")
        expectFailure(full, saying: "standard output")
        let fullJSON = try Command.shell("\(run) -n 5 --json > /dev/full")
        expectFailure(fullJSON, saying: "standard output")
    }

    @Test("where text and statistics share a place, the text ends its line")
    func shared() throws {
        let options = "-p hello -n 5 --ignore-eos --seed 7 --stop Q"
        let apart = try Command.shell("$APUS run --raw -m \(tiny.model) \(options)")
        let together = try Command.shell("$APUS run --raw -m \(tiny.model) \(options) 2>&1")
        #expect(together.text.hasPrefix(apart.text + "\nprompt 2 tokens") || apart.text.hasSuffix("\n"))
    }

    @Test("colors on a terminal only, and not against NO_COLOR")
    func colors() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else { return }
        let line = "script -qec '$APUS inspect /nonexistent' /dev/null"
        let environment = ["TERM": "xterm"]
        let colored = try Command.shell(line, environment: environment).text
        #expect(colored.contains("\u{1B}[1;31m"), "\(colored)")
        let without = environment.merging(["NO_COLOR": "1"]) { $1 }
        let plain = try Command.shell(line, environment: without).text
        #expect(plain.contains("error:") && !plain.contains("\u{1B}"))
    }
}
