import Foundation
import Testing

@Suite("Sampling flags of the command")
struct SamplingFlagTests {
    private let tiny: TinyFolder

    init() throws { tiny = try TinyFolder() }

    private func ids(_ flags: [String]) throws -> [Int] {
        let options = ["-p", "hello", "-n", "40", "--ignore-eos", "--seed", "3", "--json"]
        let outcome = try Command.run(["run", "--raw", "-m", tiny.model] + options + flags)
        #expect(outcome.status == 0, "\(flags): \(outcome.error)")
        return try #require(try outcome.object()["ids"] as? [Int])
    }

    @Test("every flag changes what is drawn, and none of them does at its default")
    func effects() throws {
        let plain = try ids(["--temp", "1.5"])
        let off = try ids([
            "--temp", "1.5", "--typical", "1", "--top-nsigma", "-1", "--xtc-probability", "0", "--dry-multiplier", "0",
            "--dynatemp-range", "0", "--mirostat", "0",
        ])
        #expect(off == plain)
        for flags in [
            ["--typical", "0.2"], ["--top-nsigma", "1"], ["--xtc-probability", "1", "--xtc-threshold", "0.001"],
            ["--dynatemp-range", "1.4", "--dynatemp-exp", "8"], ["--mirostat", "2"], ["--logit-bias", "101+9"],
            ["--samplers", "temperature;top_k"],
        ] {
            #expect(try ids(["--temp", "1.5"] + flags) != plain, "\(flags)")
        }
        #expect(
            try ids(["--mirostat", "2", "--mirostat-ent", "1"]) != ids(["--mirostat", "2", "--mirostat-ent", "7"]))
        #expect(try ids(["--mirostat", "2", "--mirostat-lr", "1"]) != ids(["--mirostat", "2", "--mirostat-lr", "0"]))
    }

    @Test("a bias of -inf bans a token, a high one forces it, several add up")
    func bias() throws {
        let first = try #require(try ids(["--temp", "0"]).first)
        #expect(try !ids(["--temp", "0", "-l", "\(first)-inf"]).contains(first))
        #expect(try ids(["-l", "65+60", "-l", "65+60"]) == [Int](repeating: 65, count: 40))
        #expect(try ids(["-l", "65+120", "--logit-bias", "65-inf"]).contains(65) == false)
        let outcome = try Command.run([
            "run", "--raw", "-m", tiny.model, "-p", "a", "-l", "\(TinyModel.vocabularySize)+1",
        ])
        #expect(
            outcome.status != 0 && outcome.error.contains("token \(TinyModel.vocabularySize), wanted: an id in 0..."))
    }

    @Test("DRY keeps a forced token from repeating for ever; a breaker that is the token lets it")
    func dry() throws {
        let forced = ["-l", "65+60", "--dry-multiplier", "5", "--dry-penalty-last-n", "-1"]
        #expect(Set(try ids(forced)).count > 1)
        let letter = [Int](repeating: 65, count: 40)
        #expect(try ids(forced + ["--dry-sequence-breaker", "b", "--dry-sequence-breaker", "A"]) == letter)
        #expect(Set(try ids(forced + ["--dry-sequence-breaker", "A", "--dry-sequence-breaker", "none"])).count > 1)
        #expect(try ids(forced + ["--dry-allowed-length", "50"]) == letter)
        // A line's end is a breaker by default, and may be written with a backslash.
        let lines = ["-l", "10+60", "--dry-multiplier", "5", "--dry-penalty-last-n", "-1"]
        #expect(try ids(lines) == [Int](repeating: 10, count: 40))
        #expect(try ids(lines + ["--dry-sequence-breaker", "\\n"]) == [Int](repeating: 10, count: 40))
        #expect(Set(try ids(lines + ["--dry-sequence-breaker", "none"])).count > 1)
    }

    @Test(
        "wrong values are exit 64 and named",
        arguments: [
            (["--typical", "2"], "typical_p is 2"), (["--top-nsigma", "inf"], "top_n_sigma is inf"),
            (["--xtc-probability", "1.1"], "xtc_probability is 1.1"),
            (["--xtc-threshold", "-1"], "xtc_threshold is -1"),
            (["--dry-multiplier", "-1"], "dry_multiplier is -1"), (["--dry-base", "0"], "dry_base is 0"),
            (["--dry-allowed-length", "-1"], "dry_allowed_length is -1"),
            (["--dry-penalty-last-n", "-2"], "dry_penalty_last_n is -2"), (["--mirostat", "1"], "mirostat is 1"),
            (["--mirostat-lr", "nan"], "mirostat_eta is nan"), (["--mirostat-ent", "-1"], "mirostat_tau is -1"),
            (["--dynatemp-range", "-1"], "dynatemp_range is -1"),
            (["--dynatemp-exp", "-1"], "dynatemp_exponent is -1"),
            (["-l", "12"], "'12'"), (["-l", "+1"], "'+1'"), (["-l", "a+1"], "'a+1'"), (["-l", "1+-2"], "'1+-2'"),
            (["-l", "1+x"], "'1+x'"), (["-l", "5000000000+1"], "'5000000000+1'"), (["-l", "1+inf"], "token 1 is inf"),
            (["-l", "1+nan"], "token 1 is nan"), (["--samplers", "typ_p;mirostat"], "'mirostat'"),
        ])
    func wrongValues(flags: [String], words: String) throws {
        let outcome = try Command.run(["run", "-m", "x", "-p", "a"] + flags)
        #expect(outcome.status == 64)
        #expect(outcome.error.contains(words), "\(outcome.error)")
    }
}
