import Apus

@main
struct Converse {
    static func main() async throws {
        let model = try Model.load(path: CommandLine.arguments.last ?? "")
        let session = try ChatSession(model: model, instructions: "Answer in one sentence.")
        let response = try await session.respond(to: "What are the primary colours?")
        print(response.content)
    }
}
