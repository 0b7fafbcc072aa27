// Guessing alone, without a model: what is found, and what it may cost.

import Apus
import Testing

@Suite struct SpeculatorTests {
    /// Numbers that look random.
    private struct Noise {
        var state: UInt64
        mutating func next(below limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
    }

    /// How many tokens up to an index are the last ones.
    private func common(_ tokens: [Int32], _ index: Int) -> Int {
        zip(tokens[...index].reversed(), tokens.reversed()).prefix { $0 == $1 }.count
    }

    @Test(arguments: [6, 12, 40]) func `The longest match is found, as by looking everywhere`(alphabet: Int) {
        var noise = Noise(state: UInt64(alphabet))
        var lookup = PromptLookup(places: .max)
        var tokens: [Int32] = []
        var matches = 0
        for _ in 0..<600 {
            let copies = noise.next(below: 3) == 0 && tokens.count > 10
            let start = copies ? noise.next(below: tokens.count - 5) : 0
            tokens += copies ? Array(tokens[start..<start + 5]) : [Int32(noise.next(below: alphabet))]
            let wanted = tokens.indices.dropLast().map { common(tokens, $0) }.max() ?? 0
            let found = lookup.match(tokens)
            #expect(found?.length ?? 0 == (wanted < PromptLookup.shortest ? 0 : min(wanted, PromptLookup.longest)))
            guard let found else { continue }
            matches += 1
            #expect(min(common(tokens, found.next - 1), PromptLookup.longest) == found.length)
        }
        #expect(matches > 20)
    }

    @Test func `A match is followed as long as the text goes along with it`() {
        // The same pair a hundred times, and a long passage before them.
        let passage = (0..<60).map { Int32($0 + 100) }
        var tokens = passage + (0..<200).flatMap { [1, 2, Int32($0 + 1000)] } + [101, 102, 103]
        var lookup = PromptLookup()
        for next in passage[4...] {
            let match = lookup.match(tokens)
            #expect(match.map { tokens[$0.next] } == next)
            tokens.append(next)
        }
    }

    @Test func `What follows a match may repeat itself`() {
        let tokens: [Int32] = [9, 1, 2, 3, 1, 2]
        let match = PromptLookup.Match(next: 3, length: 2)
        #expect(PromptLookup.continuation(match, tokens, count: 8) == [3, 1, 2, 3, 1, 2, 3, 1])
    }

    @Test func `What is long ago is forgotten, and memory stays bounded`() {
        var lookup = PromptLookup(window: 50)
        var tokens = (0..<100).map { Int32($0) }
        func next() -> Int? { lookup.match(tokens)?.next }
        for id in 100..<400 {
            tokens.append(Int32(id))
            #expect(next() == nil)
        }
        tokens += [10, 11]
        #expect(next() == nil)
        tokens += [380, 381]
        #expect(next() == 382)
    }

    /// Runs through a text whose steps take as long as a model's would, the first `disturbed` ones with guesses five times
    /// as long.
    ///
    /// - Returns: What all steps took, in steps of one token, and what was guessed.
    private func time(_ text: [Int32], after prompt: [Int32], perToken: Double, disturbed: Int = 0) -> (
        steps: Double, Speculator
    ) {
        var (speculator, cost) = (Speculator(), DraftCost())
        var (total, disturbed) = (0.0, disturbed)
        var index = 0
        while index < text.count {
            let tokens = prompt + text[...index]
            let draft = speculator.draft(tokens, atMost: text.count - index - 1, sequences: 1, cost: cost)
            let step = 1 + perToken * Double(draft.count)
            let isDisturbed = disturbed > 0 && !draft.isEmpty
            if isDisturbed { disturbed -= 1 }
            cost.record(drafted: draft.count, took: .milliseconds(1) * (isDisturbed ? 5 * step : step))
            total += step
            index += 1 + zip(draft, text[(index + 1)...]).prefix { $0 == $1 }.count
        }
        speculator.settle(prompt + text)
        return (total, speculator)
    }

    @Test(arguments: [0.1, 0.25, 0.5]) func `A copy is guessed, and few tokens are in vain`(perToken: Double) {
        var noise = Noise(state: 1)
        let prompt = (0..<300).map { _ in Int32(noise.next(below: 500)) }
        let (steps, speculator) = time(prompt, after: prompt, perToken: perToken)
        #expect(steps < 300 / (perToken < 0.3 ? 2.2 : 1.5))
        #expect(speculator.statistics.accepted > 240)
        #expect(speculator.statistics.drafted < 330)
    }

    @Test(arguments: [(1, 600, 500), (4, 600, 400), (12, 2000, 800)])
    func `Guesses go on after a disturbance of the machine`(steps: Int, length: Int, wanted: Int) {
        var noise = Noise(state: 1)
        let prompt = (0..<length).map { _ in Int32(noise.next(below: 500)) }
        let (_, speculator) = time(prompt, after: prompt, perToken: 0.2, disturbed: steps)
        #expect(speculator.statistics.accepted > wanted)
    }

    @Test(arguments: [3, 6, 15, 100], [0.25, 0.9]) func `Text that does not repeat costs next to nothing`(
        alphabet: Int, perToken: Double
    ) {
        var noise = Noise(state: UInt64(alphabet))
        let text = (0..<2000).map { _ in Int32(noise.next(below: alphabet)) }
        let (steps, _) = time(Array(text[500...]), after: Array(text[..<500]), perToken: perToken)
        #expect(steps < 1500 * 1.01 + 2)
    }

    @Test(arguments: [1, 1.5]) func `Nothing is lost for long where a guess costs as much as a token`(perToken: Double)
    {
        let text = (0..<500).map { Int32($0 % 10) }
        let (steps, _) = time(text, after: [], perToken: perToken)
        #expect(steps < 520)
    }
}
