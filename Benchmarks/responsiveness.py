"""Measures how an engine shares its time, through `apus serve`; prints a table and fails if a limit is exceeded.

    python Benchmarks/responsiveness.py [--only NAME...] [--model FILE] [--json FILE]

stall    the longest wait for a token of a text that is decoded, while 15 others send prompts of 200 to 3,000 tokens
cancel   how long after a client hangs up its place is free: in a prompt of 4,000 tokens, in a reply, in the queue
prefix   time to the first token of a prompt that shares 1,000 tokens with one before it, by that one's

Each starts a server of its own. Times are those of a quiet machine.
"""

import argparse
import json
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import apus

CONTEXT = 8192


class Stream:
    """A text that a server streams: iterates over the times at which pieces of it came."""

    def __init__(self, port, prompt, tokens):
        body = json.dumps(
            {
                "prompt": prompt,
                "max_tokens": tokens,
                "stream": True,
                "logprobs": 0,  # a piece for every token, whether it has a text or not
                "temperature": 0,
                "ignore_eos": True,
            }
        ).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        self.start = time.perf_counter()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        self.file = self.socket.makefile("rb")

    def status(self):
        """The status of the response; waits for it."""
        return int(self.file.readline().split()[1])

    def __iter__(self):
        for line in self.file:
            if line.startswith(b'data: {"error"'):
                raise SystemExit(line.decode())
            if line.startswith(b"data: {") and b'"token_logprobs":[' in line:
                yield time.perf_counter()

    def close(self):
        """Hangs up."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.file.close()
        self.socket.close()


@contextmanager
def server(model, *options):
    """A server with the model loaded; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [apus.BINARY, "serve", "-m", model, "-c", CONTEXT, "--port", port, "--log-level", "error", *options]
    process = subprocess.Popen([str(word) for word in command])
    try:
        while not is_ready(port):
            if process.poll() is not None:
                raise SystemExit(f"the server ended with {process.returncode}")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_ready(port):
    """Whether the server has loaded its model."""
    try:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(100)
    except OSError:
        return False


class Report:
    """The checks made so far."""

    def __init__(self):
        self.rows = []

    def check(self, name, found, limit, unit="s"):
        ok = found <= limit
        self.rows.append({"name": name, "found": found, "limit": limit, "unit": unit, "ok": ok})
        print(f"{'ok  ' if ok else 'OVER'} {name}: {found:.3f} {unit}, limit {limit:.3f}", flush=True)


def words(count, seed):
    """A prompt of random tokens; low ids are in every vocabulary, and are no control tokens."""
    rng = random.Random(seed)
    return [rng.randrange(300, 20_000) for _ in range(count)]


def check_stall(report, model):
    with server(model) as port:
        waits = []
        done = threading.Event()

        def load(number):
            rng = random.Random(number)
            for turn in range(2):
                if done.is_set():
                    return
                for _ in Stream(port, words(rng.randrange(200, 3000), number * 100 + turn), 16):
                    pass

        stream = iter(Stream(port, words(20, 0), 4000))
        last = next(stream)
        threads = [threading.Thread(target=load, args=(number,), daemon=True) for number in range(1, 16)]
        for thread in threads:
            thread.start()
        end = time.perf_counter() + 40
        for moment in stream:
            waits.append(moment - last)
            last = moment
            if moment > end or not any(thread.is_alive() for thread in threads):
                break
        done.set()
        waits.sort()
        report.check(f"{model.name}: median wait for a token beside 15 prompts", waits[len(waits) // 2], 0.2)
        report.check(f"{model.name}: longest wait for a token beside 15 prompts", waits[-1], 0.25)


def until_free(port):
    """Sends requests until one is taken; gives the time at which that one was sent."""
    while True:
        stream = Stream(port, [300], 1)
        status = stream.status()
        if status == 200:
            for _ in stream:
                pass
            return stream.start
        stream.close()
        if status != 503:
            raise SystemExit(f"a request was answered with {status}, wanted: 200 or 503")
        time.sleep(0.005)


def check_cancel(report, model):
    with server(model, "--parallel", 1, "--max-queue", 0) as port:
        slowest = {"in a prompt of 4,000 tokens": 0.0, "in a reply": 0.0}
        for turn in range(5):
            prompt = Stream(port, words(4000, turn), 5)
            time.sleep(0.3 + 0.4 * turn)
            start = time.perf_counter()
            prompt.close()
            slowest["in a prompt of 4,000 tokens"] = max(
                slowest["in a prompt of 4,000 tokens"], until_free(port) - start
            )
            reply = Stream(port, words(20, turn), 1000)
            for _, _ in zip(range(3 + turn), reply, strict=False):
                pass
            start = time.perf_counter()
            reply.close()
            slowest["in a reply"] = max(slowest["in a reply"], until_free(port) - start)
        for name, seconds in slowest.items():
            report.check(f"{model.name}: place free after a client hung up {name}", seconds, 0.3)
    with server(model, "--parallel", 1, "--max-queue", 1) as port:
        running = Stream(port, words(20, 1), 2000)
        next(iter(running))
        slowest = 0.0
        for turn in range(5):
            queued = Stream(port, words(4000, turn), 5)
            time.sleep(0.3)
            start = time.perf_counter()
            queued.close()
            while True:
                probe = Stream(port, [300], 1)
                probe.socket.settimeout(0.02)
                try:
                    refused = probe.status() != 200
                except TimeoutError:
                    refused = False  # it waits, where the one before it did
                probe.close()
                if not refused:
                    break
            slowest = max(slowest, probe.start - start)
            time.sleep(0.3)
        running.close()
        report.check(f"{model.name}: place free after a client hung up in the queue", slowest, 0.3)


def check_prefix(report, model):
    with server(model) as port:
        ratios = []
        for turn in range(5):
            shared = words(1000, turn)
            seconds = []
            for other in range(2):
                stream = Stream(port, shared + words(8, 100 + 2 * turn + other), 2)
                moments = list(stream)
                seconds.append(moments[0] - stream.start)
            ratios.append(seconds[1] / seconds[0])
        ratios.sort()
        report.check(f"{model.name}: first token after a shared prefix of 1,000, share of time", ratios[2], 0.1, "x")


CHECKS = {"stall": check_stall, "cancel": check_cancel, "prefix": check_prefix}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--model", type=apus.model_path, default=apus.model_path("smollm2"))
    parser.add_argument("--json", help="write the figures there")
    arguments = parser.parse_args()
    report = Report()
    for name in arguments.only:
        CHECKS[name](report, arguments.model)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report.rows, indent=2) + "\n")
    return 0 if all(row["ok"] for row in report.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
