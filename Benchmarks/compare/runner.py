"""Takes the engines in turn and keeps what each run said, as plain data that goes into the JSON."""

import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext

import apus

from .engines import Unsupported

TAIL_LINES = 12


def tail(done):
    """The last lines of what a process said."""
    lines = [line for line in (done.error.strip() or done.output.strip()).splitlines() if line.strip()]
    return "\n".join(line[:400] for line in lines[-TAIL_LINES:])


class BusyCore:
    """While it is open, a process that does nothing keeps one core busy."""

    CODE = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True:\n    pass"

    def __enter__(self):
        core = min(os.sched_getaffinity(0))
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE, str(core)])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def warm(path):
    """Reads a file once, so that it is in the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


class Runner:
    """Runs probes; `runs` and `failures` are what it found."""

    def __init__(self, engines, threads, seconds=1800):
        self.engines = engines
        self.threads = threads
        self.seconds = seconds
        self.runs = []
        self.failures = []
        self.broken = set()

    def measure(self, model, probes, rounds):
        """All rounds of a model: A B C of each probe, again and again."""
        flags = {}
        for number in range(1, rounds + 1):
            for probe in probes:
                for engine in self.engines:
                    key = engine.name, model.name, probe.name
                    if key in self.broken:
                        continue
                    if key not in flags:
                        flags[key] = self.choose(engine, model, probe)
                    if key not in self.broken:
                        self.take(engine, model, probe, flags[key], number)

    def choose(self, engine, model, probe):
        """The fastest of an engine's flags for a file and probe, by one run of each (geometric mean of the rates)."""
        best = engine.variants[0], -math.inf
        if len(engine.variants) == 1 or probe.start:
            return best[0]
        for flags in engine.variants:
            values = self.take(engine, model, probe, flags, 0)
            if values is None:
                return best[0]
            speed = sum(math.log(value) for value in values.values())
            best = max(best, (flags, speed), key=lambda pair: pair[1])
        return best[0]

    def take(self, engine, model, probe, flags, number):
        """One run; round 0 is a trial of flags. The measures, or none if it failed."""
        record = {"engine": engine.name, "model": model.name, "probe": probe.name, "round": number}
        try:
            command = engine.command(probe, model.path, self.threads, flags)
        except Unsupported as reason:
            self.fail(record, "unsupported", str(reason))
            return None
        words = [str(word) for word in command.words]
        record |= {"flags": " ".join(flags), "command": words, "environment": command.environment}
        record["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        # In a folder of its own: some peers leave logs where they run.
        with BusyCore() if probe.busy else nullcontext(), tempfile.TemporaryDirectory() as folder:
            try:
                done = apus.run(words, None, self.seconds, command.environment, folder)
            except OSError as error:
                self.fail(record, "failed", f"{words[0]}: {error.strerror}")
                return None
        record |= {"status": done.status, "seconds": done.seconds, "peak_bytes": done.peak_bytes}
        if done.status != 0:
            late = done.status < 0 and done.seconds >= self.seconds
            how = f"killed after {self.seconds} s" if late else f"ended with {done.status}"
            self.fail(record, "failed", f"{how}\n{tail(done)}")
            return None
        try:
            if probe.start:
                values = {"first token": done.seconds, "peak memory": done.peak_bytes / 1e6}
            else:
                record["rows"] = engine.rows(probe, done.output if done.output.strip() else done.error)
                values = engine.values(probe, record["rows"])
            missing = set(probe.measures()) - set(values)
            if missing or not all(value > 0 for value in values.values()):
                raise ValueError(f"measures {', '.join(sorted(missing)) or 'that are not positive'} in the output")
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            self.fail(record, "failed", f"its output was not understood: {error!r}\n{tail(done)}")
            return None
        record["values"] = values
        self.runs.append(record)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(f"{model.name}, round {number}, {engine.name} {' '.join(flags)}: {shown}", file=sys.stderr, flush=True)
        return values

    def fail(self, record, kind, reason):
        """Reports a failure; the engine is not asked for this model and probe again."""
        self.broken.add((record["engine"], record["model"], record["probe"]))
        self.failures.append({**record, "kind": kind, "reason": reason})
        last = reason.strip().splitlines()[-1]
        print(f"{record['model']}, {record['probe']}, {record['engine']}: {kind}: {last}", file=sys.stderr, flush=True)
