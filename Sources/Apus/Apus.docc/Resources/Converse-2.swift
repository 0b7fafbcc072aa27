import Apus

@main
struct Converse {
    static func main() async throws {
        let model = try Model.load(path: CommandLine.arguments.last ?? "")
        let session = try ChatSession(model: model, instructions: "Answer in one sentence.")
        let options = ChatOptions(temperature: 0.5, maximumResponseTokens: 200)
        for try await snapshot in session.streamResponse(to: "What are the primary colours?", options: options) {
            print(snapshot.delta, terminator: "")
        }
        print()
    }
}
