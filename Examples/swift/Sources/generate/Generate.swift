// generate MODEL PROMPT [TOKENS] [SEED]: a model's reply as it comes, and then its ids, which are those of
// `apus run -m MODEL -p PROMPT -n TOKENS --seed SEED --json`.
import Apus

@main
struct Generate {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 2 else {
            print("usage: generate MODEL PROMPT [TOKENS] [SEED]")
            return
        }
        let options = ChatOptions(
            maximumResponseTokens: arguments.count > 3 ? Int(arguments[3]) : 64,
            seed: arguments.count > 4 ? UInt64(arguments[4]) : 1)

        let model = try Model.load(path: arguments[1])
        let session = try ChatSession(model: model)
        let stream = session.streamResponse(to: arguments[2], options: options)
        for try await snapshot in stream { print(snapshot.delta, terminator: "") }
        print()

        // The same reply token by token: what the session above does within.
        let tokens = try Session(model: model)
        try tokens.eval(session.format.ids(Array(session.transcript.dropLast()), tokenizer: model.tokenizer))
        var ids: [Int32] = []
        while ids.count < options.generation.maxTokens ?? .max {
            let id = try tokens.sample(options.sampling)
            if model.tokenizer.endOfGenerationIDs.contains(id) { break }
            ids.append(id)
            try tokens.eval([id])
        }
        print(ids)
    }
}
