// A conversation line by line: reads messages and commands, shows replies.

import Apus
import ApusGGUF
import ApusJSON
import ApusModel
import ApusTokenizer

/// Runs a conversation to its end.
final class ChatLoop {
    let conversation: Conversation
    private(set) var settings: ChatSettings
    private let tokenizer: any Tokenizer
    private let modelPath: String
    private let reader: MessageReader
    /// Whether a person is at the other end, and not a program.
    private let isInteractive: Bool
    private let printsJSON: Bool
    /// Whether every message and command did what it should.
    private(set) var succeeded = true

    init(
        _ conversation: Conversation, _ settings: ChatSettings, model: Model, input: any LineInput, isInteractive: Bool,
        printsJSON: Bool
    ) throws(ApusError) {
        self.conversation = conversation
        self.settings = settings
        self.isInteractive = isInteractive
        self.printsJSON = printsJSON
        tokenizer = model.tokenizer
        modelPath = model.path
        reader = MessageReader(input: input)
        try apply()
    }

    /// Reads and answers until there is nothing more to read.
    ///
    /// - Throws: What the conversation cannot go on after, such as output that cannot be written.
    func run() throws(ApusError) {
        while true {
            do throws(ApusError) {
                switch try reader.next() {
                case .end: return
                case .interrupted(let wasEmpty):
                    if wasEmpty { show("(/exit or Ctrl-D ends the conversation)") }
                case .command(let line): if try !SlashCommand.run(line, in: self) { return }
                case .message(let text): if try !answer(text) { return }
                }
            } catch {
                // Standard input and output that fail will do so again.
                if error.code == .io, error.message.hasPrefix("standard ") { throw error }
                if error.code == .cancelled, !isInteractive { throw error }
                if error.code != .cancelled { succeeded = false }
                if error.code == .cancelled {
                    show("(\(error.message); the message is taken back)")
                } else {
                    Console.report(error)
                }
            }
        }
    }

    /// Changes a setting.
    func set(_ name: String, _ value: String) throws(ApusError) {
        try settings.set(name, value, tokenizer)
        try apply()
    }

    private func apply() throws(ApusError) {
        conversation.sampling = try settings.sampling.options(for: tokenizer)
        conversation.generation = settings.generation.options
        conversation.speculation = settings.generation.speculation
        conversation.parsesSpecial = settings.generation.parseSpecial
    }

    // MARK: Replies

    /// Answers a message.
    ///
    /// - Returns: Whether anybody is still there to read the next answer.
    private func answer(_ text: String) throws(ApusError) -> Bool {
        let output = TextOutput(isSilent: printsJSON)
        var later: [[ChatMessage]] = []
        if isInteractive { Interrupt.flag.reset() }
        Interrupt.set(isInteractive ? .raisesFlag : .raisesFlagOnce)
        // While lines are read Ctrl-C is the editor's business, or else ends the program.
        defer { if !reader.input.readsInterrupts { Interrupt.set(.endsProcess) } }
        let reply = try ModelLocator.naming(modelPath) { () throws(ApusError) in
            try conversation.reply(
                to: text, cancellation: Interrupt.flag, onText: { output.write($0) },
                onDrop: { dropped in
                    // In the middle of the text there is no place for a line.
                    if output.isEmpty { noteDropped(dropped) } else { later.append(dropped) }
                })
        }
        if let failure = output.failure { throw failure }
        var isRead = true
        if printsJSON {
            isRead = try Console.write(Array(ChatReport(reply).json.text.utf8) + [0x0A])
        } else {
            try output.endReply()
            isRead = !output.isClosed
        }
        for dropped in later { noteDropped(dropped) }
        let wasStopped = reply.generation.stopReason == .cancelled && Interrupt.flag.isCancelled
        if reply.generation.stopReason == .contextFull {
            note(
                "the context of \(conversation.contextLength) is full and nothing more can be dropped: the reply ends here"
            )
        }
        if wasStopped, isInteractive { show("(stopped)") }
        if settings.isVerbose { show(ChatReport(reply).line(contextLength: conversation.contextLength)) }
        if isInteractive, isRead { _ = try Console.write([0x0A]) }
        if wasStopped, !isInteractive { throw ApusError(.cancelled, "stopped") }
        return isRead
    }

    private func noteDropped(_ messages: [ChatMessage]) {
        let list = messages.map { excerpt($0) }.joined(separator: ", ")
        note("the context of \(conversation.contextLength) is full: dropped \(count(messages.count)): \(list)")
    }

    // MARK: Words for people

    /// A message in a few words.
    func excerpt(_ message: ChatMessage) -> String {
        let content = message.content ?? message.json["content"]?.text ?? ""
        return "\(ApusError.printable(message.role, limit: 20)) \(ApusError.quoted(content, limit: 40))"
    }

    func count(_ messages: Int) -> String { messages == 1 ? "1 message" : "\(messages) messages" }

    /// Shows a line that is no reply: on the terminal, or where it does not mix with replies.
    func show(_ line: String) {
        if isInteractive && Console.outputIsTerminal {
            _ = writeAll(Array(line.utf8) + [0x0A], to: STDOUT_FILENO)
        } else {
            Console.note(line)
        }
    }

    /// Shows a line about something that happened by itself.
    private func note(_ line: String) { show(isInteractive ? "(\(line))" : "apus: note: \(line)") }
}
