// Rotation tables against f64 numbers from Tests/Reference/op_vectors.py.

import ApusGGUF
import ApusModel
import Foundation
import Testing

@Suite struct RopeTests {
    struct Table: Decodable {
        let name: String
        let ropeDim: Int
        let theta: Double
        let scaling: String
        let factor: Double
        let origContext: Int
        let betaFast, betaSlow, extFactor, attnFactor, mscale: Double
        let freqFactors: [Double]?
        let positions: [Int]
        let cos, sin: [[Double]]

        func parameters() throws(ApusError) -> RopeParameters {
            var fields: [(key: String, value: Metadata.Value)] = [
                ("llama.rope.dimension_count", .uint32(UInt32(ropeDim))),
                ("llama.rope.freq_base", .float32(Float(theta))),
                ("llama.rope.scaling.type", .string(scaling)),
                ("llama.rope.scaling.attn_factor", .float32(Float(attnFactor))),
            ]
            if factor != 1 || scaling != "none" {
                fields.append(("llama.rope.scaling.factor", .float32(Float(factor))))
            }
            if scaling == "yarn" {
                fields += [
                    ("llama.rope.scaling.original_context_length", .uint32(UInt32(origContext))),
                    ("llama.rope.scaling.yarn_ext_factor", .float32(Float(extFactor))),
                    ("llama.rope.scaling.yarn_beta_fast", .float32(Float(betaFast))),
                    ("llama.rope.scaling.yarn_beta_slow", .float32(Float(betaSlow))),
                ]
            }
            return try RopeParameters(Metadata(fields), prefix: "llama", headDim: 4096, contextLength: 8192)
        }
    }

    @Test func `Angles and magnitudes are those of the reference`() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Reference/rope_tables.json")
        let tables = try JSONDecoder().decode([Table].self, from: Data(contentsOf: path))
        #expect(tables.count >= 10)
        for table in tables {
            let rope = try table.parameters()
            let frequencies = rope.inverseFrequencies(factors: table.freqFactors?.map(Float.init))
            #expect(frequencies.count == table.ropeDim / 2)
            #expect(abs(rope.magnitude - table.mscale) < 1e-6 * table.mscale, "\(table.name)")
            for (row, position) in table.positions.enumerated() {
                for (pair, frequency) in frequencies.enumerated() {
                    // The figures have 11 digits, the file's parameters are f32.
                    let bound = 1e-9 + 4e-7 * Double(position) * frequency
                    let angle = Double(position) * frequency
                    let (c, s) = (cos(angle) * rope.magnitude, sin(angle) * rope.magnitude)
                    #expect(abs(c - table.cos[row][pair]) < bound + 1e-6, "\(table.name) \(position) \(pair)")
                    #expect(abs(s - table.sin[row][pair]) < bound + 1e-6, "\(table.name) \(position) \(pair)")
                }
            }
        }
    }
}
