"""`python -m serve` in Benchmarks, or `python Benchmarks/serve` anywhere."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from serve.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
