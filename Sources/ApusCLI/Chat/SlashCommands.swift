// The commands of a conversation: a registry, a line each.

import Apus
import ApusGGUF
import ApusJSON

/// A line such as `/save FILE`.
struct SlashCommand: Sendable {
    let name: String
    let arguments: String
    let help: String
    /// Does what it says with the rest of the line. False ends the conversation.
    let run: @Sendable (ChatLoop, String) throws(ApusError) -> Bool

    static let all: [SlashCommand] = [
        SlashCommand(name: "help", arguments: "", help: "list the commands") { chat, _ throws(ApusError) in
            for command in all {
                let usage = "/\(command.name) \(command.arguments)"
                chat.show(usage + String(repeating: " ", count: max(1, 21 - usage.count)) + command.help)
            }
            chat.show(
                #"A line that ends with \ goes on in the next; lines between """ and """ are one message; // begins a "#
                    + "message with a slash.")
            return true
        },
        SlashCommand(name: "reset", arguments: "", help: "forget everything but the system's message") {
            chat, _ throws(ApusError) in
            chat.conversation.reset()
            return true
        },
        SlashCommand(name: "undo", arguments: "", help: "take back the last question and its reply") {
            chat, _ throws(ApusError) in
            guard let question = chat.conversation.undo().first else {
                throw ApusError(.invalidArgument, "/undo: there is no question to take back")
            }
            chat.show("taken back: \(chat.excerpt(question))")
            return true
        },
        SlashCommand(name: "system", arguments: "[TEXT]", help: #"show or set the system's message; "" removes it"#) {
            chat, text throws(ApusError) in
            if text.isEmpty {
                chat.show(chat.conversation.system ?? "no system's message")
            } else {
                try chat.conversation.setSystem(text == #""""# ? nil : text)
            }
            return true
        },
        SlashCommand(name: "save", arguments: "FILE", help: "write the messages to a file, as JSON") {
            chat, text throws(ApusError) in
            let path = try file(text, "/save")
            let output = try OutputFile(path: path)
            let messages = JSONValue.array(chat.conversation.messages.map(\.json))
            try output.write(messages.bytes(indented: true) + [0x0A])
            try output.finish()
            chat.show("\(chat.count(chat.conversation.messages.count)) saved")
            return true
        },
        SlashCommand(name: "load", arguments: "FILE", help: "go on with the messages of a file") {
            chat, text throws(ApusError) in
            let path = try file(text, "/load")
            let name = ApusError.printable(path)
            let json = try JSONValue(parsing: try InputFile.read(path), name: name)
            let messages = try ChatMessage.list(json, name: name)
            try ModelLocator.naming(path) { () throws(ApusError) in try chat.conversation.replaceMessages(messages) }
            chat.show("\(chat.count(messages.count)) loaded")
            return true
        },
        SlashCommand(
            name: "set", arguments: "[NAME [VALUE]]", help: "list the settings, show one, or change it (verbose on)"
        ) { chat, text throws(ApusError) in
            let words = text.split(separator: " ", maxSplits: 1).map(String.init)
            if words.isEmpty {
                for line in chat.settings.lines { chat.show(line) }
            } else if words.count == 1, let line = chat.settings.line(words[0]) {
                chat.show(line)
            } else {
                try chat.set(words[0], words.count > 1 ? words[1] : "")
            }
            return true
        },
        SlashCommand(name: "exit", arguments: "", help: "end the conversation, as Ctrl-D does") {
            _, _ throws(ApusError) in false
        },
    ]

    /// Runs the command that a line names.
    ///
    /// - Returns: Whether the conversation goes on.
    /// - Throws: What is wrong; the conversation stays as it was.
    static func run(_ line: String, in chat: ChatLoop) throws(ApusError) -> Bool {
        let words = line.split(maxSplits: 1, whereSeparator: \.isWhitespace).map(String.init)
        let given = words.first ?? line
        let name = given == "/quit" ? "exit" : String(given.dropFirst())
        guard let command = all.first(where: { $0.name == name }) else {
            throw ApusError(
                .invalidArgument,
                "unknown command \(ApusError.quoted(given)); /help lists them, // begins a message with a slash")
        }
        let rest = words.count > 1 ? trimmed(words[1]) : ""
        if command.arguments.isEmpty, !rest.isEmpty {
            throw ApusError(.invalidArgument, "/\(name) takes no argument, found \(ApusError.quoted(rest))")
        }
        return try command.run(chat, rest)
    }

    private static func trimmed(_ text: String) -> String {
        let start = text.drop(while: \.isWhitespace)
        return String(start.reversed().drop(while: \.isWhitespace).reversed())
    }

    /// A path from a command's line; a beginning ~/ is the home folder.
    private static func file(_ text: String, _ command: String) throws(ApusError) -> String {
        if text.isEmpty { throw ApusError(.invalidArgument, "\(command) wants the name of a file") }
        guard text.hasPrefix("~/"), let home = getenv("HOME") else { return text }
        return String(cString: home) + text.dropFirst()
    }
}
