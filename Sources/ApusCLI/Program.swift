// What commands have in common: signals, and how errors become one line and an exit code.

import Apus
import ApusGGUF
import ArgumentParser

/// The programs that the commands are in.
package enum Program {
    /// `apus`, with the process's arguments.
    package static func runApus() async {
        prepare()
        await run(ApusCommand.self) { try ApusCommand.parseAsRoot() }
    }

    /// `apus-server`, with the process's arguments: `apus serve` with llama-server's flags.
    package static func runApusServer() async {
        prepare()
        let arguments = Array(CommandLine.arguments.dropFirst())
        let answer: String? =
            if arguments.contains(where: { ["-h", "--help", "--usage"].contains($0) }) {
                LlamaServerFlags.help
            } else {
                arguments.contains("--version") ? "version: \(ApusVersion.text)" : nil
            }
        if let answer {
            try? Console.writeLine(answer)
            return
        }
        await run(ServeCommand.self) {
            let translation: (arguments: [String], notes: [String])
            do throws(ApusError) {
                translation = try LlamaServerFlags.translate(arguments)
            } catch {
                throw ValidationError(error.message)
            }
            for note in translation.notes { Console.warn(note) }
            return try ServeCommand.parse(translation.arguments)
        }
    }

    /// Sees to signals. Comes first.
    private static func prepare() {
        Interrupt.install()
        // A closed pipe is an error of `write` instead, which ends the output quietly.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Parses the arguments and runs what they ask for; ends the process when that fails.
    ///
    /// - Parameters:
    ///   - root: The command, whose usage is shown when the arguments cannot be parsed.
    ///   - parse: Parses them.
    private static func run(_ root: any ParsableCommand.Type, _ parse: () throws -> any ParsableCommand) async {
        var command: any ParsableCommand
        do {
            command = try parse()
        } catch {
            root.exit(withError: error)
        }
        do {
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as ApusError where error.code == .cancelled {
            Platform.exit(Interrupt.exitCode)
        } catch let error as ApusError {
            Console.report(error)
            Platform.exit(EXIT_FAILURE)
        } catch {
            // Usage errors show the usage of the subcommand.
            type(of: command).exit(withError: error)
        }
    }
}
