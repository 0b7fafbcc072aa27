// The program `apus-server`.

import ApusCLI

await Process.runApusServer()
