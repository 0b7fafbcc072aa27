// How far a test was from what the machine can do.

import ApusJSON
import ApusModel

/// The roofs around each timed run, and the work that the run was.
struct RoofShare {
    /// What a run cannot do without.
    let work: DecoderCost.Work
    /// The mean of what was measured right before and right after each run; empty when nothing was.
    var roofs: [MachineProbe.Roofs] = []
    /// What each run took.
    var seconds: [Double] = []

    init(_ work: DecoderCost.Work) { self.work = work }

    /// Adds a run.
    mutating func add(seconds: Double, before: MachineProbe.Roofs?, after: MachineProbe.Roofs?) {
        self.seconds.append(seconds)
        guard let before, let after else { return }
        roofs.append(
            MachineProbe.Roofs(
                bytes: (before.bytes + after.bytes) / 2,
                fastestBytes: (before.fastestBytes + after.fastestBytes) / 2,
                int8MACs: (before.int8MACs + after.int8MACs) / 2,
                bf16MACs: (before.bf16MACs + after.bf16MACs) / 2,
                floatMACs: (before.floatMACs + after.floatMACs) / 2))
    }

    /// Bytes read a second.
    var bytesPerSecond: Double { work.bytes / seconds.mean }

    /// Multiply-adds a second.
    var macsPerSecond: Double { work.macs / seconds.mean }

    /// The median over the runs of a roof; nil when it was not measured.
    private func roof(_ value: (MachineProbe.Roofs) -> Double) -> Double? {
        let values = roofs.map(value)
        return values.isEmpty || values.contains { !($0 > 0) } ? nil : values.median
    }

    /// The median over the runs of the time that a run would take at the roof, by the time that it took.
    private func share(_ ideal: (MachineProbe.Roofs) -> Double) -> Double? {
        let shares = zip(roofs, seconds).map { ideal($0) / $1 }
        return shares.isEmpty || shares.contains { !$0.isFinite } ? nil : shares.median
    }

    /// The share of the read bandwidth.
    var readShare: Double? { share { work.bytes / $0.bytes } }

    /// The share of what the processor can multiply and add, each kind of numbers by its own roof. What has no roof of
    /// its own is done with f32.
    var computeShare: Double? {
        share { roofs in
            [(work.int8MACs, roofs.int8MACs), (work.bf16MACs, roofs.bf16MACs), (work.floatMACs, roofs.floatMACs)]
                .reduce(0) { $0 + $1.0 / ($1.1 > 0 ? $1.1 : roofs.floatMACs) }
        }
    }

    /// The row's members.
    var members: [JSONValue.Member] {
        func number(_ value: Double?, by unit: Double = 1) -> JSONValue { value.map { .double($0 / unit) } ?? .null }
        return [
            .init("bytes", number(work.bytes)),
            .init("int8_macs", number(work.int8MACs)),
            .init("bf16_macs", number(work.bf16MACs)),
            .init("float_macs", number(work.floatMACs)),
            .init("gb_per_s", number(bytesPerSecond, by: 1e9)),
            .init("gmac_per_s", number(macsPerSecond, by: 1e9)),
            .init("roof_gb_per_s", number(roof(\.bytes), by: 1e9)),
            .init("roof_fastest_gb_per_s", number(roof(\.fastestBytes), by: 1e9)),
            .init("roof_int8_gmac_per_s", number(roof(\.int8MACs), by: 1e9)),
            .init("roof_bf16_gmac_per_s", number(roof(\.bf16MACs), by: 1e9)),
            .init("roof_f32_gmac_per_s", number(roof(\.floatMACs), by: 1e9)),
            .init("read_share", number(readShare)),
            .init("compute_share", number(computeShare)),
            .init("samples_roof_gb_per_s", .doubles(roofs.map { $0.bytes / 1e9 })),
        ]
    }

    /// For people: each speed with its share of the roof.
    var cells: [String] {
        func cell(_ value: Double, _ share: Double?) -> String {
            decimal(value / 1e9, 1) + (share.map { " (\(decimal($0 * 100, 0)) %)" } ?? "")
        }
        return [cell(bytesPerSecond, readShare), cell(macsPerSecond, computeShare)]
    }

    /// The columns of `cells`.
    static let columns = [ReportColumn("GB/s (roof)", 13), ReportColumn("GMAC/s (roof)", 14)]
}
