// `apus bench` as a process, on a tiny model.

import ApusCLI
import ApusGGUF
import ApusModel
import Foundation
import Testing

@Suite("apus bench")
struct BenchTests {
    private let tiny: TinyFolder

    init() throws {
        // Sequences begin with the model's own token.
        tiny = try TinyFolder { $0.set("tokenizer.ggml.add_bos_token", .bool(true)) }
    }

    private func bench(_ arguments: String...) throws -> Outcome {
        try Command.run(["bench", "-m", tiny.model, "-t", "2", "-r", "2", "--no-roofs"] + arguments)
    }

    private func rows(_ arguments: String..., measuresRoofs: Bool = false) throws -> [[String: Any]] {
        let fixed = ["bench", "-m", tiny.model, "-t", "2", "-r", "2", "-o", "json"]
        let outcome = try Command.run(fixed + (measuresRoofs ? [] : ["--no-roofs"]) + arguments)
        #expect(outcome.status == 0, "\(outcome.error)")
        return try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [[String: Any]])
    }

    /// llama-bench's keys, in its order.
    private static let llamaBenchKeys =
        "build_commit build_number cpu_info gpu_info backends model_filename model_type model_size model_n_params n_batch "
        + "n_ubatch n_threads cpu_mask cpu_strict poll type_k type_v n_gpu_layers n_cpu_moe split_mode main_gpu "
        + "no_kv_offload flash_attn devices tensor_split tensor_buft_overrides load_mode lazy_mode use_mmap "
        + "use_direct_io embeddings no_op_offload no_host repack fit_target fit_min_ctx n_prompt n_gen n_depth "
        + "test_time avg_ns stddev_ns avg_ts stddev_ts"

    /// Ours, after them.
    private static let ourKeys =
        "engine bytes int8_macs bf16_macs float_macs gb_per_s gmac_per_s roof_gb_per_s roof_fastest_gb_per_s roof_int8_gmac_per_s roof_bf16_gmac_per_s roof_f32_gmac_per_s "
        + "read_share compute_share isa team load_seconds first_token_seconds peak_rss_bytes logits_hash spread disturbed"

    /// What csv leaves out.
    private static let arrays = ["samples_ns", "samples_ts", "samples_roof_gb_per_s"]

    /// llama-batched-bench's keys, in its order.
    private static let batchedKeys =
        "n_kv_max n_batch n_ubatch flash_attn is_pp_shared n_gpu_layers n_threads n_threads_batch pp tg pl n_kv t_pp "
        + "speed_pp t_tg speed_tg t speed"

    private func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

    @Test("csv, json and jsonl have llama-bench's keys, with values of its types, and ours")
    func keys() throws {
        let keys = words(Self.llamaBenchKeys)
        let csv = try bench("-p", "8", "-n", "4", "-o", "csv")
        #expect(csv.status == 0, "\(csv.error)")
        let lines = csv.text.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[0].split(separator: ",").map(String.init) == keys + words(Self.ourKeys))
        #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("\"") && $0.hasSuffix("\"") })
        let rows = try rows("-p", "8", "-n", "4")
        #expect(rows.count == 2)
        for row in rows {
            #expect(Set(row.keys) == Set(keys + words(Self.ourKeys) + Self.arrays))
            for key in words("build_commit cpu_info gpu_info backends model_filename model_type test_time cpu_mask") {
                #expect(row[key] is String, "\(key)")
            }
            #expect(row["backends"] as? String == "CPU" && row["gpu_info"] as? String == "")
            #expect(row["model_filename"] as? String == tiny.model)
            #expect(row["model_type"] as? String == "llama 78K F32")
            #expect(row["n_threads"] as? Int == 2 && row["n_batch"] as? Int == 2048 && row["n_ubatch"] as? Int == 512)
            let nanoseconds = try #require(row["samples_ns"] as? [Int])
            let rates = try #require(row["samples_ts"] as? [Double])
            let tokens = try #require(row["n_prompt"] as? Int) + #require(row["n_gen"] as? Int)
            #expect(nanoseconds.count == 2 && nanoseconds.allSatisfy { $0 > 0 })
            for (time, rate) in zip(nanoseconds, rates) {
                #expect(abs(rate * Double(time) / 1e9 / Double(tokens) - 1) < 1e-9)
            }
            #expect(row["avg_ns"] as? Int == nanoseconds.reduce(0, +) / 2)
            #expect(abs(try #require(row["avg_ts"] as? Double) - rates.reduce(0, +) / 2) < 1e-6)
            let time = try #require(row["test_time"] as? String)
            #expect(ISO8601DateFormatter().date(from: time) != nil, "\(time)")
            #expect(InstructionSet.available.contains(try #require(row["isa"] as? String)))
            #expect(try #require(row["load_seconds"] as? Double) > 0)
            #expect(try #require(row["first_token_seconds"] as? Double) > 0)
            #expect(try #require(row["peak_rss_bytes"] as? Int) > 1 << 20)
        }
        #expect(rows.map { [$0["n_prompt"] as? Int, $0["n_gen"] as? Int] } == [[8, 0], [0, 4]])
        let jsonl = try bench("-p", "8", "-n", "0", "-o", "jsonl")
        let line = try #require(try JSONSerialization.jsonObject(with: jsonl.output) as? [String: Any])
        #expect(Set(line.keys) == Set(rows[0].keys))
        // Size and number of parameters are those of the header.
        let header = try Command.run(["inspect", tiny.model, "--json"]).object()
        #expect(rows[0]["model_n_params"] as? Int == header["parameters"] as? Int)
        #expect(rows[0]["model_size"] as? Int == (header["parameters"] as? Int).map { $0 * 4 })
    }

    @Test("GB/s and GMAC/s are the work by the time; shares are by the roofs around each run")
    func roofs() throws {
        let rows = try rows("-p", "32", "-n", "4", "-d", "8", measuresRoofs: true)
        for row in rows {
            func number(_ key: String) throws -> Double { try #require(row[key] as? Double, "\(key)") }
            let seconds = try number("avg_ns") / 1e9
            #expect(try abs(number("gb_per_s") * seconds / number("bytes") * 1e9 - 1) < 1e-5)
            #expect(try abs(number("gmac_per_s") * seconds / number("float_macs") * 1e9 - 1) < 1e-5)
            #expect(try number("int8_macs") == 0)
            // The model is all F32: nobody asked what int8 would do.
            #expect(row["roof_int8_gmac_per_s"] is NSNull)
            let times = try #require(row["samples_ns"] as? [Double])
            let roofs = try #require(row["samples_roof_gb_per_s"] as? [Double])
            #expect(roofs.count == 2 && roofs.allSatisfy { $0 > 0.1 })
            #expect(try abs(number("roof_gb_per_s") - roofs.reduce(0, +) / 2) < 1e-9)
            #expect(try number("roof_fastest_gb_per_s") >= number("roof_gb_per_s") * 0.999)
            let bytes = try number("bytes")
            let shares = zip(times, roofs).map { bytes / $0 / $1 }
            #expect(try abs(number("read_share") - shares.reduce(0, +) / 2) < 1e-9)
            #expect(try number("compute_share") > 0)
        }
        // Four tokens read everything each, and 9 to 12 positions of 2 layers, 2 heads, 32 halves; the table is tied.
        let parameters = try #require(rows[1]["model_n_params"] as? Int)
        #expect(rows[1]["bytes"] as? Int == 4 * parameters * 4 + (9 + 10 + 11 + 12) * 2 * 2 * 32 * 2)
        let without = try Command.run(
            ["bench", "-m", tiny.model, "-p", "8", "-n", "0", "-r", "1", "-o", "jsonl", "--no-roofs"]
        ).object()
        #expect(without["read_share"] is NSNull && without["gb_per_s"] is Double)
        #expect((without["samples_roof_gb_per_s"] as? [Double])?.isEmpty == true)
        // The memory that is read for the roof is no part of the model's.
        let peaks = try (rows + [without]).map { try #require($0["peak_rss_bytes"] as? Int) }
        #expect(peaks.allSatisfy { $0 < 100 << 20 }, "\(peaks)")
    }

    @Test("the table for people")
    func table() throws {
        let outcome = try bench("-p", "8", "-n", "4", "-pg", "4,2", "-d", "0,16", "-ub", "4")
        let lines = outcome.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
        let pattern = #/^\| model +\| +size \| +params \| backend +\| threads \| n_ubatch \| +test \| +t/s \|/#
        #expect(lines[0].contains(pattern), "\(lines[0])")
        let names = lines[2..<8].map { $0.split(separator: "|")[6].trimmingCharacters(in: .whitespaces) }
        #expect(names == ["pp8", "tg4", "pp4+tg2", "pp8 @ d16", "tg4 @ d16", "pp4+tg2 @ d16"])
        let rates = lines[2..<8].map { $0.split(separator: "|")[7].trimmingCharacters(in: .whitespaces) }
        #expect(rates.allSatisfy { $0.contains(#/^[0-9]+\.[0-9][0-9] ± [0-9]+\.[0-9][0-9]$/#) }, "\(rates)")
        #expect(lines[8].isEmpty && lines[9].hasPrefix("build: apus "))
    }

    @Test("the logits hash is that of apus perplexity's logits, whatever threads, batches, kernels and depth")
    func hash() throws {
        let ids = BenchTokens(vocabularySize: TinyModel.vocabularySize, bos: Int32(TinyModel.bos)).tokens(0..<40)
        #expect(ids[0] == Int32(TinyModel.bos) && Set(ids).count > 20)
        try tiny.folder.file("ids.json", try JSONEncoder().encode(ids))
        let scored = try Command.run([
            "perplexity", "-m", tiny.model, "--ids", tiny.folder.path("ids.json"), "--logits-out",
            tiny.folder.path("logits"),
        ])
        #expect(scored.status == 0, "\(scored.error)")
        let floats = try tiny.folder.read("logits").withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        func wanted(after tokens: Int) -> String {
            let size = TinyModel.vocabularySize
            var row = Array(floats[(tokens - 1) * size..<tokens * size])
            var hash = LogitsHash()
            row.withUnsafeMutableBufferPointer { hash.combine($0) }
            return hash.description
        }
        let kernels = InstructionSet.available.joined(separator: ",")
        let rows = try rows(
            "-p", "16", "-n", "8", "-pg", "9,7", "-d", "0,24", "-t", "1", "-b", "2048,7", "-ub", "3",
            "--isa", kernels)
        #expect(rows.count == InstructionSet.available.count * 3 * 2 * 2 * 2)
        #expect(Set(rows.compactMap { $0["isa"] as? String }) == Set(InstructionSet.available))
        for row in rows {
            let counts = ["n_depth", "n_prompt", "n_gen"].compactMap { row[$0] as? Int }
            #expect(counts.count == 3)
            #expect(row["logits_hash"] as? String == wanted(after: counts.reduce(0, +)), "\(counts)")
        }
        // Of the first model of the process only.
        #expect(rows.first?["first_token_seconds"] is Double && rows.last?["first_token_seconds"] is NSNull)
        let forced = try Command.run(
            ["bench", "-m", tiny.model, "-p", "16", "-n", "0", "-r", "1", "-o", "jsonl"],
            environment: ["APUS_ISA": "portable"]
        ).object()
        #expect(forced["isa"] as? String == "portable" && forced["logits_hash"] as? String == wanted(after: 16))
    }

    @Test("--batched has llama-batched-bench's keys; a sequence's logits do not depend on the others")
    func batched() throws {
        let keys = words(Self.batchedKeys)
        let csv = try bench("--batched", "-npp", "5", "-ntg", "3", "-npl", "2", "-o", "csv").text
        #expect(csv.split(separator: ",").prefix(keys.count).map(String.init) == keys)
        let single = try rows("-p", "0", "-n", "0", "-pg", "20,5")
        for shared in [[], ["-pps"]] {
            let outcome = try Command.run(
                [
                    "bench", "-m", tiny.model, "-r", "2", "-o", "json", "--batched", "-npp", "20", "-ntg", "5", "-b",
                    "16",
                ]
                    + shared)
            let rows = try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [[String: Any]])
            #expect(rows.compactMap { $0["pl"] as? Int } == [1, 2, 4, 8, 16])
            for row in rows {
                #expect(Set(row.keys).isSuperset(of: keys))
                let sequences = try #require(row["pl"] as? Int)
                #expect(row["n_kv"] as? Int == (shared.isEmpty ? 25 * sequences : 20 + 5 * sequences))
                let time = try #require(row["t_tg"] as? Double)
                #expect(abs(try #require(row["speed_tg"] as? Double) * time / Double(5 * sequences) - 1) < 1e-9)
                #expect(row["logits_hash"] as? String == single[0]["logits_hash"] as? String)
            }
        }
    }

    @Test("--progress tells on standard error; --delay waits; --no-warmup measures at once")
    func progress() throws {
        let outcome = try bench("-p", "8", "-n", "0", "-o", "jsonl", "--progress", "--no-warmup", "--delay", "0")
        #expect(outcome.status == 0)
        #expect(outcome.error.contains("1 of 1") && outcome.error.contains("run 2 of 2"))
        #expect(!outcome.error.contains("warm-up"))
        #expect(try outcome.object()["n_prompt"] as? Int == 8)
    }

    @Test("nothing to measure is an empty report")
    func nothing() throws {
        #expect(try rows("-p", "0", "-n", "0").isEmpty)
    }

    @Test(
        "wrong usage is exit 64 and names the option",
        arguments: [
            (["-p", "x"], "-p"), (["-p", "1-"], "-p"), (["-pg", "1"], "-pg"), (["-pg", "1,2,3"], "-pg"),
            (["-t", "0"], "-t"), (["-t", "1-3*1"], "-t"), (["-b", "0"], "-b"), (["-ub", "16385"], "-ub"),
            (["-r", "0"], "-r"),
            (["--delay", "-1"], "--delay"), (["-o", "xml"], "xml"), (["-npl", "2"], "-npl"), (["-pps"], "-pps"),
            (["--batched", "-p", "1"], "-p"), (["--batched", "-npl", "0"], "-npl"),
        ])
    func usage(arguments: [String], named: String) throws {
        let outcome = try Command.run(["bench", "-m", tiny.model] + arguments)
        #expect(outcome.status == 64, "\(arguments): \(outcome.error)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.error.contains(named), "\(outcome.error)")
    }

    @Test("what fails is one line: kernels and models that are not there, contexts beyond memory")
    func failures() throws {
        expectFailure(try bench("--isa", "z80"), saying: "z80")
        expectFailure(try Command.run(["bench", "-m", "/nonexistent.gguf"]), saying: "/nonexistent.gguf")
        expectFailure(try bench("-p", "0", "-n", "500000000"), saying: "memory")
        expectFailure(
            try Command.run(["bench", "-m", tiny.model, "--batched", "-npl", "16384", "-ntg", "500000000"]),
            saying: "memory")
    }

    @Test("Ctrl-C is exit 130")
    func interrupted() throws {
        let outcome = try Command.run(
            ["bench", "-m", tiny.model, "-p", "1-90", "-n", "0", "-r", "2000", "-o", "jsonl", "--no-roofs"],
            interruptAfter: 1)
        #expect(outcome.status == 130)
    }
}
