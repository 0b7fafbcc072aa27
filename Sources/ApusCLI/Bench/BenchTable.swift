// The tables for people.

import ApusJSON
import ApusModel

/// Which of the settings are worth a column.
struct TableSettings {
    var showsBatch = false
    var showsMicroBatch = false

    private var settings: [ReportColumn] {
        [ReportColumn("threads", 7)] + (showsBatch ? [ReportColumn("n_batch", 7)] : [])
            + (showsMicroBatch ? [ReportColumn("n_ubatch", 8)] : [])
    }

    private func cells(threads: Int, batch: Int, microBatch: Int) -> [String] {
        ["\(threads)"] + (showsBatch ? ["\(batch)"] : []) + (showsMicroBatch ? ["\(microBatch)"] : [])
    }

    private static let model = [
        ReportColumn("model", 30, isText: true), ReportColumn("size", 10), ReportColumn("params", 10),
        ReportColumn("backend", 10, isText: true),
    ]

    private static let process =
        RoofShare.columns + [
            ReportColumn("kernels", 11, isText: true), ReportColumn("load s", 7), ReportColumn("first s", 7),
            ReportColumn("peak MB", 8), ReportColumn("logits hash", 16, isText: true),
        ]

    /// The columns of a benchmark: llama-bench's, then ours.
    var columns: [ReportColumn] {
        Self.model + settings + [ReportColumn("test", 15), ReportColumn("t/s", 20)] + Self.process
    }

    /// The columns of a batched benchmark: llama-batched-bench's, then ours.
    var batchedColumns: [ReportColumn] {
        Self.model + settings + [
            ReportColumn("PP", 6), ReportColumn("TG", 6), ReportColumn("B", 4), ReportColumn("N_KV", 6),
            ReportColumn("T_PP s", 8), ReportColumn("S_PP t/s", 8), ReportColumn("T_TG s", 8),
            ReportColumn("S_TG t/s", 8), ReportColumn("T s", 8), ReportColumn("S t/s", 8),
        ] + Self.process
    }

    func row(_ result: BenchResult) -> ReportRow {
        let test = result.test
        let rate = "\(decimal(result.samples.rates.mean, 2)) ± \(decimal(result.samples.rates.deviation, 2))"
        return ReportRow(
            members: result.members,
            cells: result.description.cells
                + cells(threads: test.threads, batch: test.batch, microBatch: test.microBatch) + [test.name, rate]
                + result.roofs.cells + result.process.cells + [result.hash.description])
    }

    func row(_ result: BatchedResult) -> ReportRow {
        let test = result.test
        return ReportRow(
            members: result.members,
            cells: result.description.cells
                + cells(threads: test.threads, batch: test.batch, microBatch: test.microBatch) + [
                    "\(test.prompt)", "\(test.generated)", "\(test.sequences)", "\(test.positions)",
                    decimal(result.prompt.seconds, 3), decimal(result.prompt.rate, 2),
                    decimal(result.generation.seconds, 3), decimal(result.generation.rate, 2),
                    decimal(result.seconds, 3), decimal(result.rate, 2),
                ] + result.roofs.cells + result.process.cells + [result.hash.description])
    }
}

extension ModelDescription {
    fileprivate var cells: [String] {
        let size = Double(bytes)
        let shown = size < 0x1p30 ? "\(decimal(size / 0x1p20, 2)) MiB" : "\(decimal(size / 0x1p30, 2)) GiB"
        let count = Double(parameters)
        return [type, shown, count < 1e9 ? "\(decimal(count / 1e6, 2)) M" : "\(decimal(count / 1e9, 2)) B", "CPU"]
    }
}

extension ProcessFigures {
    fileprivate var cells: [String] {
        [
            isa, decimal(loadSeconds, 3), firstTokenSeconds.map { decimal($0, 3) } ?? "-",
            peakBytes.map { decimal(Double($0) / 1e6, 1) } ?? "-",
        ]
    }
}
