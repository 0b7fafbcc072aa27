// The program `apus`.

import ApusCLI

await Program.runApus()
