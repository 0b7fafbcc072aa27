"""A server of the built command, and what can be told of it from outside: its log, memory, descriptors and metrics.

Uses nothing but the standard library, because every virtual environment of the tests has it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("APUS_BIN", ROOT / ".build/release/apus")).resolve()
MODELS = Path(os.environ.get("APUS_MODELS", ROOT / "models")).resolve()
MODEL_FILE = MODELS / "smollm2-135m-instruct-q4_1.gguf"
MODEL = MODEL_FILE.stem
ALIAS = "smollm2"
CONTEXT = 8192
VOCABULARY = 49152
# How long anything may take before it hangs. Machines that run tests are shared, and stop for a while now and then.
PATIENCE = 300


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(holds, what, seconds=PATIENCE):
    """Waits until something holds, and returns it."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return value


class Server:
    """An `apus serve` of its own process; use it in a `with` statement.

    `arguments` are further ones of the command; `models` are what is loaded from the start; `program` is another one
    beside `apus` that serves.
    """

    def __init__(self, log, *arguments, models=(MODEL_FILE,), port=None, program=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = Path(log)
        flags = [flag for model in models for flag in ("-m", model)]
        command = [BINARY.with_name(program)] if program else [BINARY, "serve"]
        self.command = [str(a) for a in (*command, *flags, "--port", self.port, *arguments)]
        self.process = None

    def __enter__(self):
        # Keys and folders of the shell that runs the tests are none of the server's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("APUS_")}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        try:
            wait_until(self._is_ready, "the server's start")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        assert self.process.returncode == 0, f"exit {self.process.returncode}: {self.log.read_text()[-2000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def _is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        try:
            return self.request("GET", "/health")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None, headers=None):
        """Sends a request, whose body may be bytes or something for JSON; returns status, headers and body."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def post(self, path, body):
        """Posts a request that must succeed, and returns its JSON."""
        status, _, reply = self.request("POST", path, body)
        assert status == 200, f"{path}: {status}: {reply[:500]}"
        return json.loads(reply)

    def get(self, path):
        """Gets what must be there, and returns its JSON."""
        status, _, reply = self.request("GET", path)
        assert status == 200, f"{path}: {status}: {reply[:500]}"
        return json.loads(reply)

    def metrics(self):
        """What /metrics tells: numbers by name, without the prefix."""
        status, _, text = self.request("GET", "/metrics")
        assert status == 200
        lines = [line.split() for line in text.decode().splitlines() if not line.startswith("#")]
        return {name.removeprefix("llamacpp:"): float(value) for name, value in lines}

    def is_idle(self):
        """Whether nothing is computed, nothing waits, and no sequence holds a page of the cache."""
        metrics = self.metrics()
        names = ["requests_processing", "requests_deferred", "kv_cache_usage_ratio"]
        return all(metrics[name] == 0 for name in names)

    def resident_bytes(self):
        """Memory that the process has for itself: without the pages of the model's file."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return sum(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssAnon:"))

    def descriptors(self):
        """How many files and connections it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sockets(self):
        """How many of these are sockets: what it listens on, and connections."""
        count = 0
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += os.readlink(entry).startswith("socket:")
        return count

    def is_alive(self):
        return self.process.poll() is None

    def greets(self):
        """Whether it still answers a question, and the same as ever."""
        return self.post("/v1/chat/completions", GREETING)["choices"][0]["message"]["content"]


# What the float64 reference answers (`greedy` of "chat" in Tests/Reference), in 12 tokens: no rounding changes them.
ANSWER = "Gravity is a fundamental concept in physics that describes the curvature"
GREETING = {"messages": [{"role": "user", "content": "What is gravity?"}], "max_tokens": 8, "temperature": 0}
