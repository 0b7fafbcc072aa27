import Apus

@main
struct Tokens {
    static func main() throws {
        let model = try Model.load(path: CommandLine.arguments.last ?? "")
        let session = try Session(model: model, poolPositions: 4 * model.contextLength)
        try session.eval(model.tokenizer.encode("The three primary colours are", addSpecial: true, parseSpecial: false))
        for seed in 1...3 {
            let fork = try session.fork()
            var sampling = SamplingOptions()
            sampling.seed = UInt64(seed)
            for _ in 0..<16 { try fork.eval([fork.sample(sampling)]) }
            let text = try model.tokenizer.decode(fork.tokens, renderSpecial: false)
            print(String(decoding: text, as: UTF8.self))
        }
        try session.save(to: "colours.session")
    }
}
