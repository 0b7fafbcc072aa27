"""Checks the limits of time and memory that Apus promises; prints a table and fails if one is exceeded.

    python Benchmarks/limits.py [--only NAME...] [--json FILE]

memory     peak memory of a run <= 1.2 x file + cache + 48 MB, for SmolLM2 and a synthetic 1.2 GB file
tokenizer  1 MB of one letter, of spaces, of digits: under a second each, the start of the program included
inspect    under 50 ms
badfiles   a broken file is answered within a second and 64 MB beyond the file
makerun    a second `make run` starts to print within two seconds

Times are those of a quiet machine; tests only guard against hangs, at ten times the limit.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import apus

MB = 1_000_000
CONTEXT = 1024  # positions; each memory check names the cache's bytes per position


class Report:
    """The checks made so far."""

    def __init__(self):
        self.rows = []

    def check(self, name, found, limit, unit):
        self.rows.append({"name": name, "found": found, "limit": limit, "unit": unit, "ok": found <= limit})
        print(f"{'ok  ' if found <= limit else 'OVER'} {name}: {found:.3f} {unit}, limit {limit:.3f}", flush=True)


def check_memory(report, scratch):
    synthetic = apus.ROOT / ".cache/bench/tinyllama-1.1b-q8_0.gguf"
    if not synthetic.exists():
        synthetic.parent.mkdir(parents=True, exist_ok=True)
        script = Path(__file__).with_name("synthesize.py")
        # In a process of its own: what this one has in memory counts as the least peak of those it starts.
        subprocess.run([sys.executable, script, "tinyllama-1.1b", "Q8_0", synthetic], check=True)
    # layers x KV heads x (key + value length) x 2 bytes
    for path, position_bytes in [
        (apus.model_path("smollm2"), 30 * 3 * 128 * 2),
        (synthetic, 22 * 4 * 128 * 2),
    ]:
        prompt = "All work and no play makes Jack a dull boy. " * 60
        done = apus.checked(
            [apus.BINARY, "run", "-m", path, "-c", CONTEXT, "-n", 8, "--temp", 0, "--raw", "-f", "/dev/stdin"], prompt
        )
        limit = 1.2 * path.stat().st_size + CONTEXT * position_bytes + 48 * MB
        report.check(f"peak memory, {path.name}, {CONTEXT} positions", done.peak_bytes / MB, limit / MB, "MB")


def check_tokenizer(report, scratch):
    for name, text in [("a letter", "a"), ("spaces", " "), ("digits", "7"), ("lines", "\n"), ("words", "word ")]:
        path = scratch / "text"
        path.write_text(text * (1_000_000 // len(text)))
        done = apus.checked([apus.BINARY, "tokenize", "-m", apus.model_path("smollm2"), "-f", path])
        assert json.loads(done.output), "no tokens"
        report.check(f"tokenize 1 MB of {name}", done.seconds, 1, "s")


def check_inspect(report, scratch):
    command = [apus.BINARY, "inspect", apus.model_path("smollm2")]
    seconds = [apus.checked(command).seconds for _ in range(9)]
    report.check("inspect, median of 9", statistics.median(seconds), 0.05, "s")


def bad_files(scratch):
    """Broken copies of SmolLM2: (name, path). Deterministic. Files are copied and patched, never read whole, because
    what this process has in memory counts as the least peak of those that it starts."""
    good = apus.model_path("smollm2")
    header = 2_000_000  # holds all metadata
    rng = random.Random(1)

    def made(name, length=None, patches=()):
        path = scratch / f"{name}.gguf"
        shutil.copyfile(good, path)
        with open(path, "r+b") as file:
            for position, data in patches:
                file.seek(position)
                file.write(data)
        if length is not None:
            os.truncate(path, length)
        return name, path

    for length in (0, 3, 4, 23, 24, 1000, 500_000, 1_500_000, good.stat().st_size // 2, good.stat().st_size - 1):
        yield made(f"cut-at-{length}", length)
    with open(good, "rb") as file:
        start = file.read(header)
    for number in range(20):
        position = rng.randrange(0, 4000 if number % 2 else header)
        yield made(f"bit-{position}", patches=[(position, bytes([start[position] ^ 1 << rng.randrange(8)]))])
    for name, tensors, fields in [("tensors", 2**63, 1), ("fields", 1, 2**63), ("both", 2**64 - 1, 2**64 - 1)]:
        yield made(f"count-{name}", patches=[(8, struct.pack("<QQ", tensors, fields))])
    yield made("key-of-2-GB", patches=[(24, struct.pack("<Q", 2**31))])
    yield made("version-1", patches=[(4, struct.pack("<I", 1))])
    yield made("big-endian", patches=[(4, struct.pack(">I", 3))])
    folder = scratch / "folder.gguf"
    folder.mkdir()
    yield "folder", folder
    yield "missing", scratch / "none.gguf"


def check_badfiles(report, scratch):
    slowest, greediest = (0, ""), (0, "")
    for name, path in bad_files(scratch):
        size = path.stat().st_size if path.is_file() else 0
        for command in (
            [apus.BINARY, "inspect", path],
            [apus.BINARY, "run", "-m", path, "-p", "x", "-n", 1, "-c", 64],
        ):
            done = apus.run(command, seconds=60)
            what = f"{name}, {command[1]}"
            if done.status not in (0, 1):
                raise SystemExit(f"{what}: ended with {done.status}, wanted 1 (or 0 where the change does no harm)")
            if done.status == 1:
                if done.error.count("\n") != 1:
                    raise SystemExit(f"{what}: wanted one line of error, got {done.error!r}")
                slowest = max(slowest, (done.seconds, what))
                greediest = max(greediest, ((done.peak_bytes - size) / MB, what))
        if path.is_file():
            path.unlink()
    report.check(f"answer to a bad file, slowest ({slowest[1]})", slowest[0], 1, "s")
    report.check(f"memory beyond a bad file, most ({greediest[1]})", greediest[0], 64, "MB")


def check_makerun(report, scratch):
    command = ["make", "-s", "run", "TOKENS=8"]
    subprocess.run(command, cwd=apus.ROOT, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=apus.ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        first = process.stdout.read(1)
        seconds = time.perf_counter() - start
        process.stdout.read()
    if not first or process.returncode != 0:
        raise SystemExit(
            f"make run ended with {process.returncode}, having printed {'something' if first else 'nothing'}"
        )
    report.check("second make run, to the first character", seconds, 2, "s")


CHECKS = {
    "memory": check_memory,
    "tokenizer": check_tokenizer,
    "inspect": check_inspect,
    "badfiles": check_badfiles,
    "makerun": check_makerun,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--json", help="write the figures there")
    arguments = parser.parse_args()
    report = Report()
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as scratch:
            CHECKS[name](report, Path(scratch))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report.rows, indent=2) + "\n")
    return 0 if all(row["ok"] for row in report.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
