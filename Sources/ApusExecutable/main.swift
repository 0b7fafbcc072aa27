// The program `apus`.

import ApusCLI

await Process.runApus()
