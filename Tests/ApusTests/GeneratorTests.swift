import ApusGGUF
import ApusModel
import ApusTokenizer
import Testing

import Apus

/// A tokenizer whose tokens are bytes (0 ..< 256), with an end token (256) and two longer tokens.
private struct ByteTokenizer: Tokenizer {
    static let names = ["bytes-for-tests"]
    static let end: Int32 = 256
    static let smile: Int32 = 257
    var summary: String { "bytes" }
    var vocabularySize: Int { 258 }
    var bosID: Int32? { nil }
    var eosID: Int32? { Self.end }
    var endOfGenerationIDs: Set<Int32> { [Self.end] }
    var addsBOS: Bool { false }
    var addsEOS: Bool { false }
    var warnings: [String] { [] }

    init() {}
    init(_ metadata: Metadata) throws(ApusError) {}

    func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool, literal: [Range<Int>]) -> [Int32] {
        bytes.map(Int32.init)
    }

    func bytes(of id: Int32, renderSpecial: Bool) -> [UInt8] {
        switch id {
        case 0..<256: [UInt8(id)]
        case Self.end: renderSpecial ? Array("<end>".utf8) : []
        case Self.smile: Array("🙂".utf8)
        default: []
        }
    }

    func isSpecial(_ id: Int32) -> Bool { id == Self.end }
    func tokenText(_ id: Int32) -> String { String(decoding: bytes(of: id, renderSpecial: true), as: UTF8.self) }
}

/// A model that continues with the tokens of a script: after n generated tokens the n-th is by far the likeliest.
private final class ScriptedModel: LogitsSource {
    let vocabularySize = 258
    let contextLength: Int
    private(set) var position = 0
    private(set) var fed: [Int32] = []
    private(set) var evaluations: [Int] = []
    private var promptCount: Int?
    private let script: [Int32]
    var onEval: () -> Void = {}

    init(_ script: [Int32], contextLength: Int = 1000) {
        self.script = script
        self.contextLength = contextLength
    }

    func eval(_ ids: [Int32], cancellation: CancellationFlag?) throws(ApusError) {
        onEval()
        if cancellation?.isCancelled == true { throw ApusError(.cancelled, "cancelled") }
        fed += ids
        evaluations.append(ids.count)
        position += ids.count
        if promptCount == nil { promptCount = position }
    }

    func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R {
        var logits = [Float](repeating: 0, count: vocabularySize)
        let step = position - (promptCount ?? 0)
        if step < script.count { logits[Int(script[step])] = 50 }
        logits[Int(UInt8(ascii: "x"))] = 25
        return logits.withUnsafeMutableBufferPointer { body($0) }
    }
}

@Suite("Generation with a scripted model")
struct GeneratorTests {
    private func generate(
        _ script: [Int32], context: Int = 1000, prompt: [Int32] = [1, 2, 3],
        _ change: (inout GenerationOptions) -> Void = { _ in }, pieces: ((String) -> Bool)? = nil
    ) throws -> (result: GenerationResult, model: ScriptedModel) {
        let model = ScriptedModel(script, contextLength: context)
        var options = GenerationOptions()
        options.maxTokens = 20
        change(&options)
        var generator = try Generator(
            source: model, tokenizer: ByteTokenizer(), chain: SamplerChain([Greedy()], seed: 1), options: options)
        return (try generator.run(prompt: prompt, onText: pieces ?? { _ in true }), model)
    }

    private func script(_ text: String) -> [Int32] { text.utf8.map(Int32.init) + [ByteTokenizer.end] }

    @Test("ends with the end token, which is neither text nor among the ids")
    func endToken() throws {
        let (result, model) = try generate(script("hello"))
        #expect(result.text == "hello")
        #expect(result.ids == "hello".utf8.map(Int32.init))
        #expect(result.stopReason == .endOfGeneration)
        #expect(result.endToken == ByteTokenizer.end)
        // The prompt in one go, then token by token.
        #expect(model.fed == [1, 2, 3] + result.ids)
        #expect(model.evaluations == [3, 1, 1, 1, 1, 1])
        #expect(result.decodeSteps == 5)
        #expect(result.timeToFirstToken != nil)
    }

    @Test("ignoring the end token draws the next likeliest instead")
    func ignoreEnd() throws {
        let (result, _) = try generate(script("hi")) {
            $0.ignoresEndOfGeneration = true; $0.maxTokens = 5
        }
        #expect(result.text == "hixxx")
        #expect(result.stopReason == .maxTokens)
    }

    @Test("as many tokens as asked for, and none fed in vain", arguments: [0, 1, 2, 5])
    func maxTokens(count: Int) throws {
        let (result, model) = try generate(script("abcdefgh")) { $0.maxTokens = count }
        #expect(result.text == String("abcdefgh".prefix(count)))
        #expect(result.stopReason == .maxTokens)
        #expect(model.position == 3 + max(count - 1, 0))
    }

    @Test("a full context ends the text after its last token")
    func contextFull() throws {
        let (result, model) = try generate(script("abcdefgh"), context: 6)
        // Three tokens join the three of the prompt; a fourth is drawn after the last of them.
        #expect(result.text == "abcd")
        #expect(result.stopReason == .contextFull)
        #expect(model.position == 6)
        let (exact, _) = try generate(script("abcdefgh"), context: 3)
        #expect(exact.text == "a")
    }

    @Test("a prompt that does not fit, or that is empty, is an error")
    func badPrompts() {
        #expect {
            try generate([], context: 2)
        } throws: { error in
            (error as? ApusError)?.code == .contextFull
                && (error as? ApusError)?.message
                    == "the prompt has 3 tokens and does not fit the context of 2"
        }
        #expect {
            try generate([], prompt: [])
        } throws: { error in
            (error as? ApusError)?.code == .invalidArgument
        }
    }

    @Test("stop strings over token borders; the pieces joined are the text")
    func stops() throws {
        for (text, stops, wanted) in [
            ("one STOP two", ["STOP"], "one "), ("one STO", ["STOP"], "one STO"), ("🙂🙃", ["🙃"], "🙂"),
        ] {
            nonisolated(unsafe) var joined = ""
            let (result, _) = try generate(script(text)) {
                $0.stops = stops
            } pieces: { piece in
                joined += piece
                return true
            }
            #expect(result.text == wanted)
            #expect(joined == wanted)
            #expect(result.stopReason == (text.contains(stops[0]) ? .stopString : .endOfGeneration))
        }
    }

    @Test("pieces are whole characters; bytes that are none become U+FFFD")
    func wholeCharacters() throws {
        nonisolated(unsafe) var pieces: [String] = []
        let (result, _) = try generate(script("é🙂")) { _ in
        } pieces: { piece in
            pieces.append(piece)
            return true
        }
        #expect(pieces == ["é", "🙂"])
        #expect(result.text == "é🙂")
        let (broken, _) = try generate([0xF0, 0x9F, ByteTokenizer.end])
        #expect(broken.text == "\u{FFFD}")
    }

    @Test("special tokens are rendered where asked")
    func rendering() throws {
        let (result, _) = try generate([ByteTokenizer.smile, ByteTokenizer.end])
        #expect(result.text == "🙂")
    }

    @Test("whoever gets the text can end it")
    func refused() throws {
        nonisolated(unsafe) var count = 0
        let (result, _) = try generate(
            script("abcdef"),
            pieces: { _ in
                count += 1; return count < 3
            })
        #expect(result.text == "abc")
        #expect(result.stopReason == .cancelled)
    }

    @Test("a raised flag ends the text, and what was generated is kept")
    func cancelled() throws {
        let flag = CancellationFlag()
        let model = ScriptedModel(script("abcdef"))
        var options = GenerationOptions()
        options.maxTokens = 20
        var generator = try Generator(
            source: model, tokenizer: ByteTokenizer(), chain: SamplerChain([Greedy()], seed: 1), options: options,
            cancellation: flag)
        model.onEval = { if model.evaluations.count == 3 { flag.cancel() } }
        let result = try generator.run(prompt: [1])
        #expect(result.text == "abc")
        #expect(result.stopReason == .cancelled)
        // Before the prompt is done there is nothing to keep.
        #expect {
            try generator.run(prompt: [1])
        } throws: { error in
            (error as? ApusError)?.code == .cancelled
        }
    }

    @Test("the chain is told of the prompt and of every token")
    func penaltiesSeeThePrompt() throws {
        let model = ScriptedModel([])
        // "x" has a logit of 25, all others 0: it is drawn until the penalty of 10 an occurrence has eaten that.
        let penalty = Penalties(repetition: 1, presence: 0, frequency: 10, lastCount: -1)
        var options = GenerationOptions()
        options.maxTokens = 3
        var generator = try Generator(
            source: model, tokenizer: ByteTokenizer(), chain: SamplerChain([penalty, Greedy()], seed: 1),
            options: options)
        let x = Int32(UInt8(ascii: "x"))
        let result = try generator.run(prompt: [x, 5])
        #expect(result.ids == [x, x, 0])
    }

    @Test("options out of range are refused")
    func badOptions() {
        #expect(throws: ApusError.self) { try generate([]) { $0.maxTokens = -1 } }
        #expect(throws: ApusError.self) { try generate([]) { $0.stops = [""] } }
    }

    @Test("a logit that is NaN or +infinity is an error, not a trap", arguments: [Float.nan, .infinity, -.infinity])
    func unsoundLogits(value: Float) throws {
        final class Broken: LogitsSource {
            let vocabularySize = 4
            let contextLength = 10
            var position = 0
            var logits: [Float]
            init(_ logits: [Float]) { self.logits = logits }
            func eval(_ ids: [Int32], cancellation: CancellationFlag?) throws(ApusError) { position += ids.count }
            func withLogits<R>(_ body: (UnsafeMutableBufferPointer<Float>) -> R) -> R {
                logits.withUnsafeMutableBufferPointer { body($0) }
            }
        }
        func generate(_ logits: [Float]) throws -> GenerationResult {
            var options = GenerationOptions()
            options.maxTokens = 1
            var generator = try Generator(
                source: Broken(logits), tokenizer: ByteTokenizer(), chain: SamplerChain([], seed: 1), options: options)
            return try generator.run(prompt: [1])
        }
        func failure(_ logits: [Float]) -> ApusError? {
            do {
                _ = try generate(logits)
                return nil
            } catch {
                return error as? ApusError
            }
        }
        // -infinity is sound: a token that cannot come. Unless all are.
        if value == -.infinity {
            #expect(try generate([value, value, 1, value]).ids == [2])
            #expect(failure([value, value, value, value]) != nil)
        } else {
            #expect(failure([1, 2, value, 3])?.message.hasPrefix("the logit of token 2 is \(value)") == true)
            #expect(failure([value, value, value, value])?.code == .format)
        }
    }
}
