"""Measures what the doors of the library cost: processor time per token beside what the engine computes.

    python Benchmarks/doors [--only DOOR...] [--tokens N] [--rounds N] [--model FILE] [--library FILE] [--limit N]
    python Benchmarks/doors --start [--rounds N] [--model FILE] [--library FILE]

Of each process, the time that its threads ran (/proc/PID/task/*/schedstat) between the request and its last event, by
tokens; without the threads that run the steps, which are the ones that ran longest. Needs the C library as
Tests/LibraryTests/run.sh leaves it, and what `swift build -c release` leaves. Prints microseconds a token, one column a
round, and fails if a median is above the limit. Who else uses the machine counts too, by what is lost from the caches
and by waiting for a processor; `chrt -f 1 python Benchmarks/doors` keeps others off the processors meanwhile.

With --start: seconds from the start to the first token, for the example in C beside `apus run`, whole processes in
turns; for Python from the import on. Fails if the library's median is above 1.1 times the command's.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import apus

COMPUTING = 2
"""The threads that compute, as the programs ask for."""
HERE = Path(__file__).resolve().parent
DOORS = {
    "C, pull": ["pull"],
    "C, take": ["take"],
    "C, callback": ["callback"],
    "C, wait": ["wait"],
    "Swift, events": ["events"],
    "Swift, session": ["session"],
    "Python, events": ["next", "1"],
    "Python, for": ["sync", "1"],
    "Python, for, chat": ["chat", "1"],
    "Python, asyncio": ["asyncio", "1"],
    "Python, asyncio, 8 streams": ["asyncio", "8"],
}


# What the product Apus is made of.
MODULES = ["CKernels", "ApusGGUF", "ApusJSON", "ApusTemplate", "ApusTokenizer", "ApusModel", "Apus"]


def build_c(library, program, source=HERE / "doors.c"):
    """A program that uses the C library."""
    include = apus.ROOT / "Sources/CApus/include"
    subprocess.run(["cc", "-O2", "-std=c11", f"-I{include}", source, "-o", program, library], check=True)


def build_swift(program):
    """The program that imports Apus, of the modules and objects that Swift Package Manager has left."""
    build = apus.ROOT / ".build/release"
    modules = ["-I", build / "Modules", "-Xcc", f"-fmodule-map-file={apus.ROOT}/CKernels/include/module.modulemap"]
    objects = [path for module in MODULES for path in (build / f"{module}.build").rglob("*.o")]
    options = ["-O", "-swift-version", "6", "-parse-as-library", "-use-ld=lld", "-lomp5", "-lm"]
    subprocess.run(["swiftc", *options, *modules, HERE / "doors.swift", *objects, "-o", program], check=True)


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


FROM_IMPORT = """
import sys, time
begin = time.monotonic()
import apus
next(iter(apus.Model(sys.argv[1]).stream("Hi", max_tokens=1, temperature=0)))
print(time.monotonic() - begin)
"""


def seconds(command, environment):
    """How long a process takes; or what it says it took."""
    begin = time.monotonic()
    done = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    return float(done.stdout) if command[0] == sys.executable else time.monotonic() - begin


def measure_start(arguments, environment, folder):
    """Seconds to the first token, as a table."""
    model, program = apus.model_path(arguments.model), folder / "generate"
    build_c(arguments.library, program, apus.ROOT / "Examples/c/generate.c")
    commands = {
        "apus run": [apus.BINARY, "run", "-m", model, "-p", "Hi", "-n", "1", "--temp", "0"],
        "C": [program, model, "Hi", "1"],
        "Python, from the import on": [sys.executable, "-c", FROM_IMPORT, model],
    }
    times = {name: [] for name in commands}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            times[name].append(seconds(command, environment))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:28} {median:7.3f} s ({min(times[name]):.3f} to {max(times[name]):.3f})")
    ratio = medians["C"] / medians["apus run"]
    print(f"library / command            {ratio:7.3f}")
    if ratio > 1.1:
        raise SystemExit("above 1.1 times the command's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(DOORS), choices=list(DOORS), metavar="DOOR")
    parser.add_argument("--tokens", type=int, default=300, help="of each reply (300)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    parser.add_argument("--model", default="smollm2", help="a file, or smollm2 (the default) or gemma3")
    parser.add_argument("--library", type=Path, default=apus.ROOT / ".cache/library/Sources/CApus/libapus.so.1")
    parser.add_argument("--start", action="store_true", help="the time to the first token instead")
    parser.add_argument("--limit", type=float, default=50, help="microseconds (50)")
    arguments = parser.parse_args()
    if not arguments.library.is_file():
        parser.error(f"no library at {arguments.library}: Tests/LibraryTests/run.sh builds it; or --library")
    environment = {
        "APUS_LIBRARY": str(arguments.library),
        "LD_LIBRARY_PATH": str(arguments.library.parent),
        "PYTHONPATH": str(apus.ROOT / "Bindings/Python/src"),
    }
    too_much = []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.start:
            return measure_start(arguments, environment, Path(folder))
        starts = {"Python": [sys.executable, HERE / "doors.py"]}
        for door in arguments.only:
            language = door.split(",")[0]
            if language not in starts:
                program = Path(folder) / language
                build_c(arguments.library, program) if language == "C" else build_swift(program)
                starts[language] = [program]
            command = [*starts[language], *DOORS[door], apus.model_path(arguments.model), arguments.tokens]
            results = [measure(command, environment) for _ in range(arguments.rounds)]
            print(f"{door:28}", *[f"{result:7.1f}" for result in results], flush=True)
            if statistics.median(results) > arguments.limit:
                too_much.append(door)
    if too_much:
        raise SystemExit(f"above {arguments.limit:g} microseconds a token: {', '.join(too_much)}")


main()
