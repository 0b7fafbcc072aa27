"""`python -m compare` in Benchmarks, or `python Benchmarks/compare` anywhere."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compare.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
