"""Measures what the doors of the library cost: processor time per token beside what the engine computes.

    python Benchmarks/doors [--only DOOR...] [--tokens N] [--rounds N] [--model FILE] [--library FILE] [--limit N]

Of each process, the time that its threads ran (/proc/PID/task/*/schedstat) between the request and its last event, by
tokens; without the threads that run the steps, which are the ones that ran longest. Needs the C library as
Tests/LibraryTests/run.sh leaves it. Prints microseconds a token, one column a round, and fails if a median is above the
limit.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import apus

COMPUTING = 2
"""The threads that compute, as doors.c and doors.py ask for."""
HERE = Path(__file__).resolve().parent
DOORS = {
    "C, pull": ["pull"],
    "C, callback": ["callback"],
    "C, wait": ["wait"],
    "Python, events": ["next", "1"],
    "Python, for": ["sync", "1"],
    "Python, for, chat": ["chat", "1"],
    "Python, asyncio": ["asyncio", "1"],
    "Python, asyncio, 8 streams": ["asyncio", "8"],
}


def thread_times(pid):
    """The nanoseconds that each of a process's threads ran so far."""
    return {task.name: int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()}


def measure(command, environment):
    """Microseconds a token of one run."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, **environment},
    )
    times = []
    for _ in range(2):
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{command} failed")
        times.append(thread_times(process.pid))
        process.stdin.write("\n")
    tokens = int(process.stdout.readline())
    if process.wait() != 0:
        raise SystemExit(f"{command} failed")
    spent = sorted(time - times[0].get(thread, 0) for thread, time in times[1].items())
    return sum(spent[:-COMPUTING]) / tokens / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(DOORS), choices=list(DOORS), metavar="DOOR")
    parser.add_argument("--tokens", type=int, default=300, help="of each reply (300)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    parser.add_argument("--model", default="smollm2", help="a file, or smollm2 (the default) or gemma3")
    parser.add_argument("--library", type=Path, default=apus.ROOT / ".cache/library/Sources/CApus/libapus.so.1")
    parser.add_argument("--limit", type=float, default=50, help="microseconds (50)")
    arguments = parser.parse_args()
    environment = {
        "APUS_LIBRARY": str(arguments.library),
        "LD_LIBRARY_PATH": str(arguments.library.parent),
        "PYTHONPATH": str(apus.ROOT / "Bindings/Python/src"),
    }
    too_much = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "doors"
        include = apus.ROOT / "Sources/CApus/include"
        subprocess.run(
            ["cc", "-O2", "-std=c11", f"-I{include}", HERE / "doors.c", "-o", program, arguments.library], check=True
        )
        for door in arguments.only:
            start = [program] if door.startswith("C") else [sys.executable, HERE / "doors.py"]
            command = [*start, *DOORS[door], apus.model_path(arguments.model), arguments.tokens]
            results = [measure(command, environment) for _ in range(arguments.rounds)]
            print(f"{door:28}", *[f"{result:7.1f}" for result in results], flush=True)
            if statistics.median(results) > arguments.limit:
                too_much.append(door)
    if too_much:
        raise SystemExit(f"above {arguments.limit:g} microseconds a token: {', '.join(too_much)}")


main()
