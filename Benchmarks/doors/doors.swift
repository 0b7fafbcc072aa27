// Replies through the Swift library, for __main__.py: doors events|session MODEL TOKENS.
//
// Says "ready" and waits for a line before the replies and after them, so that somebody can look at the threads' times.
import Apus
import Glibc

@main
struct Doors {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let tokens = Int(arguments[3]) else {
            return print("usage: doors events|session MODEL TOKENS")
        }
        var (load, options) = (LoadOptions(), EngineOptions())
        load.threads = 2
        options.speculation = .off
        let engine = try Engine(model: Model.load(path: arguments[2], options: load), options: options)
        let door = arguments[1] == "session" ? session : events
        _ = try await door(engine, 16)
        pause()
        let count = try await door(engine, tokens)
        pause()
        print(count)
    }

    /// A request's events, one after another.
    static func events(_ engine: Engine, _ tokens: Int) async throws -> Int {
        var request = EngineRequest(.text(Array("The".utf8), parseSpecial: false))
        request.sampling.temperature = 0
        (request.generation.maxTokens, request.generation.ignoresEndOfGeneration) = (tokens, true)
        var count = 0
        for try await case .token in try engine.submit(request) { count += 1 }
        return count
    }

    /// A reply of a chat, as it grows.
    static func session(_ engine: Engine, _ tokens: Int) async throws -> Int {
        var options = ChatOptions(temperature: 0, maximumResponseTokens: tokens)
        options.generation.ignoresEndOfGeneration = true
        var count = 0
        let chat = try ChatSession(engine: engine)
        for try await snapshot in chat.streamResponse(to: "Tell me a story.", options: options) {
            count = snapshot.tokens
        }
        return count
    }

    private static func pause() {
        print("ready")
        fflush(nil)
        _ = readLine()
    }
}
