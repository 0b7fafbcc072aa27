"""Runs the apus command for the benchmark scripts: what was printed, how long it took, how much memory it had."""

import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BINARY = ROOT / ".build/release/apus"
MODELS = Path(os.environ.get("APUS_MODELS") or ROOT / "models")
NAMES = {"smollm2": "smollm2-135m-instruct-q4_1.gguf", "gemma3": "gemma3-270m-q4_k_m.gguf"}


def model_path(name):
    """The file of a short name; anything else is a path."""
    return MODELS / NAMES[name] if name in NAMES else Path(name)


@dataclass
class Run:
    """A finished process."""

    status: int
    output: str
    error: str
    seconds: float
    peak_bytes: int
    cpu_seconds: float


def run(command, text=None, seconds=600, environment=None, folder=None):
    """Runs a command in a folder, with `text` on its standard input and `environment` added to this process's; killed
    (and so failed) after `seconds`."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error, tempfile.TemporaryFile() as stdin:
        stdin.write((text or "").encode())
        stdin.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=stdin,
            stdout=output,
            stderr=error,
            env={**os.environ, **(environment or {})},
            cwd=folder,
        )
        guard = threading.Timer(seconds, process.kill)
        guard.start()
        # (The caller's own memory at the start counts too, so the scripts that measure do not import numpy.)
        # wait4 tells this process's own peak; RUSAGE_CHILDREN would tell the greatest of all so far.
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - start
        guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        error.seek(0)
        return Run(
            process.returncode,
            output.read().decode(errors="replace"),
            error.read().decode(errors="replace"),
            elapsed,
            usage.ru_maxrss * 1024,
            usage.ru_utime + usage.ru_stime,
        )


def checked(command, text=None):
    """As run(), but a failure ends the script with what the command said."""
    done = run(command, text)
    if done.status != 0:
        raise SystemExit(f"{' '.join(str(word) for word in command)}\nended with {done.status}: {done.error.strip()}")
    return done
