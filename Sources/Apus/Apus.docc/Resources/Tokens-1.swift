import Apus

@main
struct Tokens {
    static func main() throws {
        let model = try Model.load(path: CommandLine.arguments.last ?? "")
        let session = try Session(model: model)
        try session.eval(model.tokenizer.encode("The three primary colours are", addSpecial: true, parseSpecial: false))
        var greedy = SamplingOptions()
        greedy.temperature = 0
        for _ in 0..<16 { try session.eval([session.sample(greedy)]) }
        let text = try model.tokenizer.decode(session.tokens, renderSpecial: false)
        print(String(decoding: text, as: UTF8.self))
    }
}
