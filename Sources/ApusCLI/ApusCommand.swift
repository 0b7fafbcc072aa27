// The command `apus`: its subcommands.

import Apus
import ApusGGUF
import ArgumentParser

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
}
