"""What the tests of the Python package share."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "Bindings/Python"
BINARY = Path(os.environ.get("APUS_BIN", ROOT / ".build/release/apus")).resolve()
MODELS = Path(os.environ.get("APUS_MODELS", ROOT / "models")).resolve()
MODEL = MODELS / "smollm2-135m-instruct-q4_1.gguf"
TEXT = "The three primary colours are"
QUESTION = "What is gravity?"
# What the float64 reference answers (`greedy` of "chat" in Tests/Reference), in 12 tokens.
ANSWER = "Gravity is a fundamental concept in physics that describes the curvature"
TOKENS = 24
# How long anything may take before it hangs. Machines that run tests are shared, and stop for a while now and then.
PATIENCE = 300


def command(*arguments):
    """What the command prints as JSON."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def python(code, *arguments, **options):
    """Runs Python code, or a file, in a process of its own, and returns what became of it."""
    source = [code] if isinstance(code, Path) else ["-c", code]
    return subprocess.run(
        [sys.executable, "-B", *source, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **options,
    )


def output(code, *arguments, **options):
    """What Python code prints, which must succeed and complain of nothing."""
    done = python(code, *arguments, **options)
    assert done.returncode == 0 and done.stderr == "", f"exit {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout
