// What `apus bench` runs, without running it.

import ApusCLI
import ApusGGUF
import ApusJSON
import Foundation
import Testing

@Suite("Plans of apus bench")
struct BenchPlanTests {
    @Test(
        "lists and ranges mean what they mean to llama-bench",
        arguments: [
            ("7", [7]), ("0", [0]), ("1,2,8", [1, 2, 8]), ("4,4,1", [4, 4, 1]), ("1,", [1]), ("1-4", [1, 2, 3, 4]),
            ("5-5", [5]), ("1-10+3", [1, 4, 7, 10]), ("1-9+3", [1, 4, 7]), ("2-8*2", [2, 4, 8]), ("3-20*3", [3, 9]),
            ("16-64*2,1-3,7", [16, 32, 64, 1, 2, 3, 7]), ("2147483647", [2_147_483_647]),
        ])
    func lists(text: String, numbers: [Int]) throws {
        #expect(try NumberList.parse(text) == numbers)
    }

    @Test(
        "what is no list is refused, and named",
        arguments: [
            "", ",", "a", "-1", "1-", "1-a", "1-3+", "1-3*1", "1-3+0", "0-8*2", "1-4/2", "1-4|2", "5-3", "1,,2", " 1",
            "1.5", "0x10", "2147483648", "99999999999999999999", "1-2147483647",
        ])
    func noLists(text: String) {
        do {
            let numbers = try NumberList.parse(text)
            Issue.record("\(text) is \(numbers.prefix(9))")
        } catch {
            #expect(error.code == .invalidArgument)
            #expect(error.message.contains("wanted"), "\(error.message)")
        }
    }

    @Test("the product of all lists, models slowest; prompts, then generations, then pairs")
    func product() {
        var plan = BenchPlan()
        plan.models = ["a", "b"]
        plan.prompts = [0, 16]
        plan.generations = [4, 8]
        plan.pairs = [(8, 2), (0, 0)]
        plan.depths = [0, 32]
        plan.threads = [1, 2]
        plan.batches = [64]
        plan.microBatches = [8, 32]
        let tests = plan.tests
        #expect(tests.count == 2 * 4 * 2 * 2 * 2)
        #expect(Set(tests).count == tests.count)
        let names = ["pp16", "tg4", "tg8", "pp8+tg2", "pp16 @ d32", "tg4 @ d32", "tg8 @ d32", "pp8+tg2 @ d32"]
        #expect(tests.prefix(8).map(\.name) == names)
        #expect(tests.prefix(8).allSatisfy { $0.model == "a" && $0.threads == 1 && $0.microBatch == 8 })
        #expect(tests[8].threads == 2 && tests[8].microBatch == 8)
        #expect(tests[16].microBatch == 32 && tests[16].threads == 1)
        #expect(tests[32].model == "b")
    }

    @Test("batched: prompts, then generations, then numbers of sequences")
    func batchedProduct() {
        var plan = BenchPlan()
        plan.models = ["a"]
        plan.prompts = [0, 16]
        plan.generations = [4, 0]
        plan.sequences = [1, 2]
        plan.threads = [2]
        plan.batches = [64]
        plan.microBatches = [8]
        #expect(
            plan.batchedTests.map { [$0.prompt, $0.generated, $0.sequences] } == [
                [0, 4, 1], [0, 4, 2], [16, 4, 1], [16, 4, 2],
            ])
        #expect(plan.batchedTests.map(\.positions) == [4, 8, 20, 40])
        plan.sharesPrompt = true
        #expect(plan.batchedTests.map(\.positions) == [4, 8, 20, 24])
    }

    @Test(
        "every position is computed once, in order, in steps that are no longer than they may be",
        arguments: [(1, 0, 20, 20, 20), (1, 5, 40, 16, 7), (3, 0, 10, 2048, 16), (3, 0, 10, 4, 3), (2, 0, 1, 1, 1)])
    func schedule(sequences: Int, first: Int, tokens: Int, batch: Int, stepTokens: Int) {
        var schedule = BenchSchedule()
        schedule.addPrompts(
            sequences: sequences, positions: first..<first + tokens, batch: batch, stepTokens: stepTokens)
        var next = [Int](repeating: first, count: sequences)
        for step in schedule.steps {
            #expect((1...min(batch, stepTokens)).contains(step.pieces.reduce(0) { $0 + $1.positions.count }))
            #expect(Set(step.pieces.map(\.sequence)).count == step.pieces.count)
            for piece in step.pieces {
                #expect(piece.positions.lowerBound == next[piece.sequence])
                next[piece.sequence] = piece.positions.upperBound
                // A prompt's last token has logits; of a single prompt the last of each batch, too.
                let given = piece.positions.upperBound - first
                let ends = given == tokens || (sequences == 1 && given.isMultiple(of: batch))
                #expect(piece.hasLogits == ends)
            }
        }
        #expect(next == [Int](repeating: first + tokens, count: sequences))
        schedule.addDecoding(sequences: sequences, positions: first + tokens..<first + tokens + 2)
        #expect(
            schedule.steps.suffix(2).allSatisfy { $0.pieces.count == sequences && $0.pieces.allSatisfy(\.hasLogits) })
    }

    @Test("figures of samples, against figures worked out by hand")
    func samples() {
        let samples = Samples(nanoseconds: [1_000_000_000, 2_000_000_000, 4_000_000_000], tokens: 8)
        #expect(samples.rates == [8, 4, 2])
        #expect(samples.spread == 1.5 && samples.isDisturbed)
        #expect(samples.rates.mean == 14.0 / 3)
        #expect(abs(samples.rates.deviation - (28.0 / 3).squareRoot()) < 1e-12)
        #expect([3.0, 1, 2].median == 2 && [4.0, 1, 2, 3].median == 2.5)
        #expect([Double]().mean == 0 && [1.0].deviation == 0)
        #expect(!Samples(nanoseconds: [100, 105], tokens: 1).isDisturbed)
    }

    private static let rows = [
        ReportRow(
            members: [
                .init("name", "a \"quoted\", text"), .init("on", true), .init("n", 3), .init("none", .null),
                .init("samples", [1, 2]),
            ], cells: ["a", "1"]),
        ReportRow(
            members: [
                .init("name", "b"), .init("on", false), .init("n", -1), .init("none", 1.5), .init("samples", [3]),
            ], cells: ["long text", "12345"]),
    ]

    private func report(_ format: ReportFormat, _ rows: [ReportRow] = rows) -> String {
        var writer = ReportWriter(format, columns: [ReportColumn("model", 6, isText: true), ReportColumn("t/s", 4)])
        return writer.header + rows.map { writer.text($0) }.joined() + writer.footer(notes: ["note"])
    }

    @Test("the forms of a report")
    func formats() throws {
        #expect(
            report(.md) == """
                | model  |  t/s |
                | ------ | ---: |
                | a      |    1 |
                | long text | 12345 |

                note

                """)
        #expect(
            report(.csv) == """
                name,on,n,none
                "a ""quoted"", text","1","3",""
                "b","0","-1","1.5"

                """)
        let lines = report(.jsonl).split(separator: "\n")
        #expect(lines.count == 2)
        for (index, line) in lines.enumerated() {
            #expect(String(line) == JSONValue.object(Self.rows[index].members).text)
        }
        let array = try JSONSerialization.jsonObject(with: Data(report(.json).utf8)) as? [[String: Any]]
        #expect(try #require(array).compactMap { $0["name"] as? String } == ["a \"quoted\", text", "b"])
        let none = try JSONSerialization.jsonObject(with: Data(report(.json, []).utf8)) as? [Any]
        #expect(none?.isEmpty == true)
    }
}
