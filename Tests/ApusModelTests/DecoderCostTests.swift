// The least work of a step, against sums over the file's tensors and sets of positions.

import ApusGGUF
import ApusModel
import ApusTestSupport
import Testing

@Suite("What a step cannot do without")
struct DecoderCostTests {
    /// What a test counts by itself.
    private struct Counted {
        var tensorBytes: [String: Int] = [:]
        var matrices: [String: Int] = [:]

        init(_ model: SyntheticModel) throws {
            (tensorBytes, matrices) = try model.withFile { file throws(ApusError) in
                var bytes: [String: Int] = [:]
                var matrices: [String: Int] = [:]
                for tensor in file.tensors {
                    bytes[tensor.name] = tensor.byteCount
                    if tensor.shape.count == 2 { matrices[tensor.name] = tensor.elementCount }
                }
                return (bytes, matrices)
            }
        }

        var allBytes: Int { tensorBytes.values.reduce(0, +) }

        /// Multiply-adds of the layers' matrices, a token.
        var layerMACs: Int { matrices.filter { $0.key.hasPrefix("blk.") }.values.reduce(0, +) }
    }

    /// Bytes of cache and multiply-adds of attention, position by position.
    private func attention(_ spec: DecoderSpec, position: Int, tokens: Int) -> (bytes: Int, macs: Int) {
        var bytes = 0
        var macs = 0
        for layer in 0..<spec.layers {
            var read: Set<Int> = []
            for token in position..<position + tokens {
                let visible = (0...token).filter { !spec.hasWindow(layer: layer) || $0 > token - spec.window }
                read.formUnion(visible)
                macs += visible.count * spec.heads * (spec.headDim + spec.valueDim)
            }
            bytes += read.count * spec.kvHeads * (spec.headDim + spec.valueDim) * 2
        }
        return (bytes, macs)
    }

    @Test("with a window in some layers and a tied embedding", arguments: [(0, 1), (5, 3), (9, 1), (40, 1), (40, 25)])
    func windowed(position: Int, tokens: Int) throws {
        let model = SyntheticModel {
            $0.architecture = "gemma3"
            $0.layers = 7
            $0.metadata = [("gemma3.attention.sliding_window", .uint32(10))]
        }
        let weights = try model.load()
        #expect(weights.spec.window == 10 && Set((0..<7).map(weights.spec.hasWindow)).count == 2)
        let counted = try Counted(model)
        let (cacheBytes, attentionMACs) = attention(weights.spec, position: position, tokens: tokens)
        let work = DecoderCost(weights).step([.init(position: position, tokens: tokens, logits: 1)])
        #expect(work.bytes == Double(counted.allBytes + cacheBytes))
        let headMACs = try #require(counted.matrices["token_embd.weight"])
        #expect(work.int8MACs == Double(counted.layerMACs * tokens + headMACs))
        #expect(work.floatMACs == Double(attentionMACs))
        #expect(work.macs == work.int8MACs + work.floatMACs)
        #expect(weights.bytesPerToken == counted.allBytes)
    }

    @Test("with an output matrix of its own, in floats; several sequences; logits of some")
    func untied() throws {
        let model = SyntheticModel { $0.extra = [("output.weight", [$0.dim, $0.vocabulary])] }
        let weights = try model.load()
        let counted = try Counted(model)
        let embedding = try #require(counted.tensorBytes["token_embd.weight"])
        let output = try #require(counted.tensorBytes["output.weight"])
        // Three blocks of 32 codes, a byte each, with a scale of two bytes.
        let row = 3 * 34
        #expect(weights.bytesPerToken == counted.allBytes - embedding + row)
        let cost = DecoderCost(weights)
        let first = attention(weights.spec, position: 70, tokens: 2)
        let second = attention(weights.spec, position: 0, tokens: 3)
        var work = cost.step([.init(position: 70, tokens: 2, logits: 1), .init(position: 0, tokens: 3, logits: 3)])
        #expect(work.bytes == Double(counted.allBytes - embedding + 5 * row + first.bytes + second.bytes))
        #expect(work.int8MACs == Double(5 * counted.layerMACs))
        let headMACs = try #require(counted.matrices["output.weight"])
        #expect(work.floatMACs == Double(4 * headMACs + first.macs + second.macs))
        // Without logits the output matrix is not read.
        let silent = cost.step([.init(position: 70, tokens: 2, logits: 0)])
        #expect(silent.bytes == Double(counted.allBytes - embedding - output + 2 * row + first.bytes))
        #expect(silent.floatMACs == Double(first.macs))
        work += silent
        #expect(work.int8MACs == Double(7 * counted.layerMACs))
    }

    @Test("the probe measures something, and of int8 and bf16 only what is wanted")
    func probe() throws {
        let probe = try MachineProbe()
        #expect(probe.bufferBytes >= 1 << 28)
        var work = DecoderCost.Work()
        work.int8MACs = 1
        let roofs = probe.measure(threads: 1, for: work)
        #expect(roofs.fastestBytes >= roofs.bytes * 0.999)
        #expect(roofs.bytes > 1e8 && roofs.floatMACs > 1e8 && roofs.int8MACs > roofs.floatMACs / 16)
        let floats = probe.measure(threads: 1, for: DecoderCost.Work())
        #expect(floats.int8MACs == 0 && floats.bf16MACs == 0 && floats.floatMACs > 1e8)
    }
}
