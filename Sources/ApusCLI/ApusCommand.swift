// The entry of the command `apus`: parses, runs a subcommand, turns errors into one line and an exit code.

import Apus
import ApusGGUF
import ArgumentParser

@main
struct ApusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Runs language models from GGUF files on the CPU.",
        discussion: """
            A model (-m) is a path, or the beginning of the name of a file in the model folder: $APUS_MODELS, or else \
            ./models, or else models beside the project that the command was built in.

            Exit codes: 0 success, 1 failure, 64 wrong usage, 130 interrupted.
            Environment: APUS_MODELS, APUS_ISA (forces an instruction set), NO_COLOR.
            """,
        version: ApusVersion.text,
        subcommands: [
            RunCommand.self, ChatCommand.self, TokenizeCommand.self, DetokenizeCommand.self, PerplexityCommand.self,
            InspectCommand.self,
            TemplateCommand.self, BenchCommand.self, ServeCommand.self,
        ]
    )

    static func main() async {
        Interrupt.install()
        // A closed pipe is an error of `write` instead, which ends the output quietly.
        signal(SIGPIPE, SIG_IGN)
        var command: any ParsableCommand
        do {
            command = try parseAsRoot()
        } catch {
            exit(withError: error)
        }
        do {
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
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
