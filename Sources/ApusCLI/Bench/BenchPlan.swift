// Which tests a benchmark runs, in which order.

/// One line of a benchmark: a prompt, a generation, or the one after the other.
package struct BenchTest: Hashable {
    /// The model's file.
    package var model: String
    /// The kernels' variant that was asked for; nil for the best one, or what the environment says.
    package var isa: String?
    /// Tokens of the prompt.
    package var prompt: Int
    /// Tokens that are decoded one by one.
    package var generated: Int
    /// Tokens that the cache holds before the test.
    package var depth: Int
    /// Threads of the kernels.
    package var threads: Int
    /// Tokens that are given to the model at once.
    package var batch: Int
    /// Tokens that are computed at once.
    package var microBatch: Int

    /// The test's name as in llama-bench's tables.
    package var name: String {
        let parts = [prompt > 0 ? "pp\(prompt)" : nil, generated > 0 ? "tg\(generated)" : nil]
        let depth = depth > 0 ? " @ d\(depth)" : ""
        return parts.compactMap(\.self).joined(separator: "+") + depth
    }

    /// Positions of the cache that the test fills.
    var positions: Int { depth + prompt + generated }

    /// The most tokens of a step.
    var stepTokens: Int { min(batch, microBatch) }
}

/// One line of a batched benchmark: sequences that are decoded together.
package struct BatchedTest: Hashable {
    /// The model's file.
    package var model: String
    /// As of a `BenchTest`.
    package var isa: String?
    /// Tokens of each sequence's prompt.
    package var prompt: Int
    /// Tokens that each sequence decodes.
    package var generated: Int
    /// How many sequences there are.
    package var sequences: Int
    /// Whether all share one prompt.
    package var sharesPrompt: Bool
    /// Threads of the kernels.
    package var threads: Int
    /// Tokens that are given to the model at once.
    package var batch: Int
    /// Tokens that are computed at once.
    package var microBatch: Int

    /// Positions of the cache that the test fills.
    package var positions: Int { (sharesPrompt ? prompt : sequences * prompt) + sequences * generated }

    /// The most tokens of a step: as many sequences as there are go through the model together.
    var stepTokens: Int { max(min(batch, microBatch), sequences) }
}

/// All lists of a benchmark; its tests are their product.
package struct BenchPlan {
    /// The models' files.
    package var models: [String] = []
    /// Variants of the kernels.
    package var isas: [String?] = [nil]
    /// Lengths of prompts; 0 is none.
    package var prompts: [Int] = []
    /// Lengths of generations; 0 is none.
    package var generations: [Int] = []
    /// Prompts and the generations after them.
    package var pairs: [(prompt: Int, generated: Int)] = []
    /// Fills of the cache.
    package var depths: [Int] = [0]
    /// Threads.
    package var threads: [Int] = []
    /// Tokens given at once.
    package var batches: [Int] = []
    /// Tokens computed at once.
    package var microBatches: [Int] = []
    /// Numbers of sequences of a batched benchmark.
    package var sequences: [Int] = []
    /// Whether the sequences of a batched benchmark share one prompt.
    package var sharesPrompt = false

    /// An empty plan.
    package init() {}

    /// The tests in llama-bench's order: what makes a model load again varies slowest; for each combination the prompts
    /// come first, then the generations, then the pairs.
    package var tests: [BenchTest] {
        let runs =
            prompts.map { (prompt: $0, generated: 0) } + generations.map { (prompt: 0, generated: $0) } + pairs
        var tests: [BenchTest] = []
        forEachEngine { model, isa, batch, microBatch, threads in
            for depth in depths {
                for run in runs where run.prompt > 0 || run.generated > 0 {
                    tests.append(
                        BenchTest(
                            model: model, isa: isa, prompt: run.prompt, generated: run.generated, depth: depth,
                            threads: threads, batch: batch, microBatch: microBatch))
                }
            }
        }
        return tests
    }

    /// The tests of a batched benchmark, in llama-batched-bench's order.
    package var batchedTests: [BatchedTest] {
        var tests: [BatchedTest] = []
        forEachEngine { model, isa, batch, microBatch, threads in
            for prompt in prompts {
                for generated in generations {
                    for count in sequences where count > 0 && generated > 0 {
                        tests.append(
                            BatchedTest(
                                model: model, isa: isa, prompt: prompt, generated: generated, sequences: count,
                                sharesPrompt: sharesPrompt, threads: threads, batch: batch, microBatch: microBatch))
                    }
                }
            }
        }
        return tests
    }

    private func forEachEngine(_ body: (String, String?, Int, Int, Int) -> Void) {
        for model in models {
            for isa in isas {
                for batch in batches {
                    for microBatch in microBatches {
                        for count in threads { body(model, isa, batch, microBatch, count) }
                    }
                }
            }
        }
    }
}
