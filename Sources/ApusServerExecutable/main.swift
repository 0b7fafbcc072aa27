// The program `apus-server`.

import ApusCLI

await Program.runApusServer()
