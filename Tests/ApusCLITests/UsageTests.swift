import Foundation
import Testing

@Suite("Usage of the command")
struct UsageTests {
    @Test("help, version and completions are no failures")
    func help() throws {
        for arguments in [["--help"], ["help"], ["run", "--help"], ["help", "perplexity"], []] {
            let outcome = try Command.run(arguments)
            #expect(outcome.status == 0)
            #expect(outcome.text.contains("USAGE: apus"))
        }
        #expect(try Command.run(["--version"]).text.first?.isNumber == true)
        for shell in ["bash", "zsh", "fish"] {
            let outcome = try Command.run(["--generate-completion-script", shell])
            #expect(outcome.status == 0)
            #expect(outcome.text.contains("perplexity"))
        }
    }

    @Test("every option of the issue is there")
    func options() throws {
        let run = try Command.run(["run", "--help"]).text
        for option in [
            "-m", "-p", "-f", "-n", "--temp", "--top-k", "--top-p", "--min-p", "--seed", "--stop", "--raw",
            "--parse-special", "--ignore-eos", "-t", "-b", "-c", "--json", "--repeat-penalty", "--repeat-last-n",
            "--presence-penalty", "--frequency-penalty",
        ] {
            #expect(run.contains("\(option) ") || run.contains("\(option),"), "\(option)")
        }
        let perplexity = try Command.run(["perplexity", "--help"]).text
        for option in ["-m", "-f", "--ids", "-t", "-b", "--logits-out", "--json"] {
            #expect(perplexity.contains(option), "\(option)")
        }
    }

    @Test(
        "wrong usage is exit 64 and names what is wrong",
        arguments: [
            (["nonsense"], "nonsense"),
            (["run"], "--model"),
            (["run", "-m"], "-m"),
            (["run", "-m", "x", "--nonsense"], "--nonsense"),
            (["run", "-m", "x", "-p", "a", "-f", "b"], "exclude"),
            (["run", "-m", "x", "-p", "a", "-n", "-2"], "-n is -2"),
            (["run", "-m", "x", "-p", "a", "-n", "ten"], "'ten'"),
            (["run", "-m", "x", "-p", "a", "-n", "99999999999999999999"], "99999999999999999999"),
            (["run", "-m", "x", "-p", "a", "-t", "0"], "-t is 0"),
            (["run", "-m", "x", "-p", "a", "-t", "1000000"], "-t is 1000000"),
            (["run", "-m", "x", "-p", "a", "-b", "0"], "-b is 0"),
            (["run", "-m", "x", "-p", "a", "-c", "-1"], "-c is -1"),
            (["run", "-m", "x", "-p", "a", "-c", "3000000000"], "-c is 3000000000"),
            (["run", "-m", "x", "-p", "a", "--temp", "-0.5"], "temperature is -0.5"),
            (["run", "-m", "x", "-p", "a", "--temp", "nan"], "temperature is nan"),
            (["run", "-m", "x", "-p", "a", "--top-p", "1.5"], "top_p is 1.5"),
            (["run", "-m", "x", "-p", "a", "--min-p", "-1"], "min_p is -1"),
            (["run", "-m", "x", "-p", "a", "--repeat-penalty", "0"], "repeat_penalty is 0"),
            (["run", "-m", "x", "-p", "a", "--repeat-last-n", "-2"], "repeat_last_n is -2"),
            (["run", "-m", "x", "-p", "a", "--presence-penalty", "inf"], "presence_penalty is inf"),
            (["run", "-m", "x", "-p", "a", "--seed", "1.5"], "'1.5'"),
            (["run", "-m", "x", "-p", "a", "--seed", "-7"], "'-7'"),
            (["run", "-m", "x", "-p", "a", "--stop", ""], "--stop is empty"),
            (["run", "-m", "x", "-p", "a", "--samplers", "top_k;magic"], "'magic'"),
            (["perplexity", "-m", "x"], "--ids"),
            (["perplexity", "-m", "x", "-f", "a", "--ids", "b"], "exclude"),
            (["tokenize", "-p", "x"], "--model"),
            (["detokenize", "-m", "x", "-p", "a", "-f", "b"], "exclude"),
            (["inspect"], "<file>"),
            (["inspect", "x", "-c", "0"], "-c is 0"),
        ])
    func wrongUsage(arguments: [String], words: String) throws {
        let outcome = try Command.run(arguments)
        #expect(outcome.status == 64)
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.contains(words), "\(outcome.error)")
        #expect(!outcome.error.contains("\u{1B}"))
    }

    @Test("without a text a terminal is told what is wanted")
    func terminal() throws {
        let tiny = try TinyFolder()
        // `script` gives the command a terminal.
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else { return }
        let outcome = try Command.shell("script -qec '$APUS run -m \(tiny.model)' /dev/null")
        #expect(outcome.status == 64)
        #expect(outcome.text.contains("no prompt: give -p TEXT, -f FILE"))
    }
}
