import Foundation
import Testing

@Suite("apus chat on a terminal")
struct ChatTerminalTests {
    @Test("editing, history, pastes; Ctrl-C stops replies and lines, Ctrl-D the program", .timeLimit(.minutes(3)))
    func terminal() throws {
        let tiny = try TinyFolder(template: ChatTests.template)
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("chat_terminal.py").path
        let outcome = try Command.shell("exec python3 '\(script)' $APUS '\(tiny.model)' '\(tiny.folder.path)'")
        #expect(outcome.status == 0, "\(outcome.error)")
    }
}
