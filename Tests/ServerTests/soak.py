"""Keeps a server at its queue's limit with mixed work for ten minutes: memory stays flat, answers right.

    python soak.py [--seconds 600]

Takes from the end of the first minute on how much memory the server has for itself, in the mean of each part of a
minute, and holds all to 2 % of the first. Ends with `N passed, N failed` and status 1 if any failed.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from hangup import hang_up
from serving import ALIAS, Server, wait_until
from test_concurrency import answer, body

WORKERS = 24
RUNNING, WAITING = 8, 8
WARM_UP = 60
SAMPLE_SECONDS = 0.5
WINDOW_SECONDS = 20
ALLOWED = 0.02
KINDS = 40  # different requests, whose answers are known from solo runs


class Load:
    """What the workers have seen."""

    def __init__(self, server, requests, expected):
        self.server, self.requests, self.expected = server, requests, expected
        self.lock = threading.Lock()
        self.answered = self.refused = self.left = 0
        self.wrong = []

    def work(self, number, end):
        """One worker: asks, and hangs up now and then, until the time is over."""
        rng = random.Random(number)
        while time.monotonic() < end:
            kind = rng.randrange(KINDS)
            path, request = self.requests[kind]
            if rng.random() < 0.1:
                hang_up(self.server, path, request, rng.choice([0.001, 0.1, 0.4]))
                with self.lock:
                    self.left += 1
                continue
            status, _, reply = self.server.request("POST", path, request)
            with self.lock:
                if status == 503:
                    self.refused += 1
                elif status == 200 and answer(path, json.loads(reply)) == self.expected[kind]:
                    self.answered += 1
                else:
                    self.wrong.append((path, status, reply[:300]))
            if status == 503:
                time.sleep(0.2)


def soak(server, seconds):
    """Runs the load; returns what was seen, and the memory over time as pairs of seconds and bytes."""
    rng = random.Random(1)
    requests = [body(kind, rng) for kind in range(KINDS)]
    expected = [answer(path, server.post(path, request)) for path, request in requests]
    load = Load(server, requests, expected)
    start = time.monotonic()
    workers = [threading.Thread(target=load.work, args=(n, start + seconds)) for n in range(WORKERS)]
    for worker in workers:
        worker.start()
    memory = []
    while any(worker.is_alive() for worker in workers):
        memory.append((time.monotonic() - start, server.resident_bytes()))
        time.sleep(SAMPLE_SECONDS)
    return load, memory


def windows(memory):
    """The mean of the memory in each window after the first minute."""
    parts = {}
    for second, size in memory:
        if second >= WARM_UP:
            parts.setdefault(int((second - WARM_UP) / WINDOW_SECONDS), []).append(size)
    return [statistics.fmean(part) for part in parts.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long (600)")
    seconds = parser.parse_args().seconds
    checks = []
    with tempfile.TemporaryDirectory() as folder:
        options = ["--parallel", RUNNING, "--max-queue", WAITING, "--memory", "2G", "--pool-size", 16384]
        with Server(Path(folder) / "log.txt", "--alias", ALIAS, *options) as server:
            descriptors = server.descriptors()
            load, memory = soak(server, seconds)
            print(f"{load.answered} answered, {load.refused} refused with 503, {load.left} left by their clients")
            for wrong in load.wrong[:5]:
                print("wrong:", *wrong)
            checks.append(("every answer is that of a solo run", load.answered > 0 and not load.wrong))
            checks.append(("the queue was at its limit", load.refused > 0))
            means = windows(memory)
            if means:
                drift = max(abs(mean / means[0] - 1) for mean in means)
                print(f"memory: {means[0] / 2**20:.1f} MiB after a minute, within {100 * drift:.2f} % from then on")
                checks.append(("memory stays within 2 %", drift <= ALLOWED))
            wait_until(server.is_idle, "an idle server")
            slots = server.get("/slots")
            checks.append(("no task is left over", not any(slot["is_processing"] for slot in slots)))
            wait_until(lambda: server.descriptors() <= descriptors + 2, "closed connections")
            checks.append(("the server still answers", bool(server.greets())))
    for name, holds in checks:
        print("ok  " if holds else "FAIL", name)
    failed = sum(not holds for _, holds in checks)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
