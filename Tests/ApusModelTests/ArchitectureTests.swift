// What files of each architecture say in several ways, what they may leave out, and what is refused by name.

import ApusGGUF
import ApusModel
import ApusTestSupport
import Foundation
import Testing

/// The least that a file says; `changes` adds fields, or takes them away with nil.
private func spec(
    _ architecture: String, _ changes: [(String, Metadata.Value?)] = []
) throws(ApusError) -> DecoderSpec {
    var fields: [(key: String, value: Metadata.Value)] = [
        ("embedding_length", .uint32(96)), ("block_count", .uint32(5)), ("attention.head_count", .uint32(6)),
        ("feed_forward_length", .uint32(160)), ("context_length", .uint32(2048)),
        ("attention.layer_norm_rms_epsilon", .float32(1e-6)),
    ]
    for (key, value) in changes {
        fields.removeAll { $0.key == key }
        if let value { fields.append((key, value)) }
    }
    let name: [(key: String, value: Metadata.Value)] = [("general.architecture", .string(architecture))]
    return try Architectures.spec(Metadata(name + fields.map { ("\(architecture).\($0.key)", $0.value) }))
}

private func message(_ architecture: String, _ changes: [(String, Metadata.Value?)]) -> String {
    do throws(ApusError) {
        _ = try spec(architecture, changes)
        return "none"
    } catch {
        return error.message
    }
}

private func numbers(_ values: Int...) -> Metadata.Value { .numbers(GGUFNumberArray(values.map { Int32($0) })) }

private func bools(_ values: Bool...) -> Metadata.Value { .numbers(GGUFNumberArray(values)) }

@Suite struct ArchitectureTests {
    @Test(arguments: Architectures.names)
    func `Fields that files leave out have the format's defaults`(architecture: String) throws {
        let bare = try spec(architecture)
        #expect((bare.headDim, bare.valueDim, bare.kvHeads) == (16, 16, 6))
        #expect(bare.rope.dimensions == 16 && bare.rope.theta == 10000 && bare.rope.attentionFactor == 1)
        let wide = try spec(architecture, [("attention.key_length", .uint32(24))])
        #expect((wide.headDim, wide.valueDim, wide.rope.dimensions) == (24, 16, 24))
        #expect(
            message(architecture, [("attention.layer_norm_rms_epsilon", nil)])
                .contains("no metadata key '\(architecture).attention.layer_norm_rms_epsilon'"))
    }

    @Test(arguments: Architectures.names)
    func `Numbers may stand once a layer if all are the same`(architecture: String) throws {
        let listed = try spec(
            architecture,
            [
                ("attention.head_count", numbers(6, 6, 6, 6, 6)), ("attention.head_count_kv", numbers(2, 2, 2, 2, 2)),
                ("feed_forward_length", numbers(160, 160, 160, 160, 160)),
            ])
        #expect((listed.heads, listed.kvHeads, listed.hiddenDim) == (6, 2, 160))
        #expect(
            message(architecture, [("attention.head_count_kv", numbers(2, 2, 3, 2, 2))])
                == "\(architecture).attention.head_count_kv is 2 in layer 0 and 3 in layer 2, supported: the same in all"
        )
        #expect(message(architecture, [("feed_forward_length", numbers(160, 160))]).contains("an array of 5 integers"))
        #expect(message(architecture, [("feed_forward_length", numbers(0, 0, 0, 0, 0))]).contains("integers in 1..."))
    }

    @Test(arguments: Architectures.names)
    func `What no architecture computes is refused by name`(architecture: String) {
        // A mixture of experts need not have the field that is read first.
        #expect(
            message(architecture, [("expert_count", .uint32(8)), ("feed_forward_length", nil)])
                == "\(architecture).expert_count is 8, supported: 0 (no mixture of experts)")
        #expect(message(architecture, [("expert_count", .uint32(0))]) == "none")
        #expect(message(architecture, [("attention.causal", .bool(false))]).contains("attention.causal is false"))
        #expect(message(architecture, [("attention.causal", .bool(true))]) == "none")
        #expect(
            message(architecture, [("attn_logit_softcapping", .float32(50))])
                == "\(architecture).attn_logit_softcapping is 50.0, supported: 0 (no cap of scores)")
    }

    @Test func `Logits may have a cap`() throws {
        let cap = "final_logit_softcapping"
        #expect(try spec("gemma3", [(cap, .float32(30))]).logitCap == 30)
        #expect(try spec("gemma3", [(cap, .float32(0))]).logitCap == 0 && spec("gemma3").logitCap == 0)
        #expect(
            message("gemma3", [(cap, .float32(-1))]) == "gemma3.final_logit_softcapping is -1.0, wanted: at least 0")
        #expect(message("gemma3", [(cap, .float32(.nan))]).contains("finite"))
    }

    @Test func `Gemma's windows are told by a number, by a list, or by their absence`() throws {
        let window: (String, Metadata.Value?) = ("attention.sliding_window", .uint32(8))
        func windows(_ changes: (String, Metadata.Value?)...) throws -> [Bool] {
            let spec = try spec("gemma3", changes)
            return (0..<spec.layers).map { spec.hasWindow(layer: $0) }
        }
        let pattern = "attention.sliding_window_pattern"
        let none = [Bool](repeating: false, count: 5)
        #expect(try windows() == none)
        #expect(try windows(("attention.sliding_window", .uint32(0)), (pattern, .uint32(2))) == none)
        #expect(try windows(window) == none.map(!))
        #expect(try windows(window, (pattern, .uint32(0))) == none.map(!))
        #expect(try windows(window, (pattern, .uint32(1))) == none)
        #expect(try windows(window, (pattern, .uint32(2))) == [true, false, true, false, true])
        let list = [false, true, true, false, false]
        #expect(try windows(window, (pattern, bools(false, true, true, false, false))) == list)
        #expect(try windows(window, (pattern, numbers(0, 1, 1, 0, 0))) == list)
        #expect(
            message("gemma3", [window, (pattern, bools(true, false))]).contains("array of 2 bool, wanted an array of 5")
        )
        #expect(message("gemma3", [window, (pattern, numbers(1, 0))]).contains("wanted an array of 5 integers"))
        #expect(message("gemma3", [window, (pattern, .uint32(1 << 31))]).contains("an integer in 0..."))
        #expect(
            message("gemma3", [("attention.sliding_window", .int32(-1))]).contains(
                "attention.sliding_window' is int32 -1"))
    }

    @Test func `Gemma scales the angles of the layers without a window alone`() throws {
        let scaled = try spec(
            "gemma3",
            [
                ("attention.sliding_window", .uint32(8)), ("rope.freq_base", .float32(1e6)),
                ("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(8)),
            ])
        #expect(scaled.rope.scaling == .linear(factor: 8) && scaled.rope.theta == 1e6)
        #expect(scaled.windowRope == RopeParameters(dimensions: 16, theta: 10000))
        #expect(try spec("gemma3").windowRope == nil)
    }

    @Test func `Every architecture has a reference and synthetic files`() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        for file in ["architectures.py", "synthesize.py"] {
            let text = try String(contentsOf: tests.appendingPathComponent("Reference/\(file)"), encoding: .utf8)
            for name in Architectures.names { #expect(text.contains("\"\(name)\""), "\(name) in \(file)") }
        }
    }

    @Test func `Only Gemma's largest model scales scores by the width of the residual`() throws {
        func scale(_ layers: Int) throws -> Float {
            try spec("gemma3", [("block_count", .uint32(UInt32(layers))), ("attention.key_length", .uint32(64))])
                .attentionScale
        }
        #expect(try scale(26) == 1 / 8 && scale(34) == 1 / 8 && scale(48) == 1 / 8)
        #expect(try scale(62) == 1 / 4)
    }

    @Test func `Phi has LongRoPE whether the file names it or not`() throws {
        let original: (String, Metadata.Value?) = ("rope.scaling.original_context_length", .uint32(512))
        func scaling(_ architecture: String, _ changes: (String, Metadata.Value?)...) throws -> RopeParameters.Scaling {
            try spec(architecture, changes).rope.scaling
        }
        let named: (String, Metadata.Value?) = ("rope.scaling.type", .string("longrope"))
        #expect(try scaling("phi3", original) == .longRope(originalContext: 512))
        #expect(try scaling("phi3", original, named) == .longRope(originalContext: 512))
        #expect(try scaling("phi3", named) == .longRope(originalContext: 2048))
        #expect(try scaling("phi3", original, ("rope.scaling.type", .string("none"))) == .none)
        #expect(try scaling("llama", original) == .none)
        #expect(try scaling("llama", original, named) == .longRope(originalContext: 512))
    }

    @Test func `Every fourth layer of SmolLM3 does not rotate`() throws {
        func rotates(_ changes: (String, Metadata.Value?)...) throws -> [Bool] {
            let spec = try spec("smollm3", changes)
            return (0..<spec.layers).map { spec.hasRotation(layer: $0) }
        }
        #expect(try rotates() == [true, true, true, false, true])
        #expect(try rotates(("block_count", .uint32(3))) == [true, true, true])
        let published = try rotates(("block_count", .uint32(36)))
        #expect(published.indices.filter { !published[$0] } == [3, 7, 11, 15, 19, 23, 27, 31, 35])
        #expect(try spec("llama").hasRotation(layer: 3))
        #expect(
            message("smollm3", [("attention.sliding_window", .uint32(8))])
                == "smollm3.attention.sliding_window is 8, supported: 0 (all layers see all positions)")
        #expect(message("smollm3", [("attention.sliding_window", .uint32(0))]) == "none")
    }

    @Test(arguments: Architectures.names)
    func `YaRN's magnitude is computed, or the file's`(architecture: String) throws {
        let yarn: [(String, Metadata.Value?)] = [
            ("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(4)),
            ("rope.scaling.original_context_length", .uint32(512)),
        ]
        #expect(abs(try spec(architecture, yarn).rope.magnitude - 1.1386294361) < 1e-9)
        let factor: (String, Metadata.Value?) = ("rope.scaling.attn_factor", .float32(0.5))
        #expect(abs(try spec(architecture, yarn + [factor]).rope.magnitude - 0.5693147181) < 1e-9)
        let given: (String, Metadata.Value?) = ("rope.scaling.yarn_attn_factor", .float32(1.25))
        #expect(try spec(architecture, yarn + [given]).rope.magnitude == 1.25)
        #expect(try spec(architecture, [given]).rope.magnitude == 1)
    }
}
