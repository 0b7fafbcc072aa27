"""The servers: how each is started, and what its process took."""

import os
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import apus

START_SECONDS = 120


class ServerError(Exception):
    """A server that did not start, and what it said."""


class Apus:
    """`apus serve`"""

    name = "apus"

    def __init__(self, path=apus.BINARY):
        self.path = Path(path)

    def command(self, model, port, clients, context):
        """The command's words."""
        return [self.path, "serve", "-m", model, "-c", context, "--port", port, "--log-level", "error"]


class LlamaServer:
    """llama.cpp's llama-server, with 8 slots, each of the whole context."""

    name = "llama-server"
    slots = 8

    def __init__(self, path):
        self.path = Path(path)

    def command(self, model, port, clients, context):
        """The command's words."""
        words = [self.path, "-m", model, "--port", port, "-np", self.slots, "-c", context * self.slots]
        return [*words, "-t", len(os.sched_getaffinity(0)), "--no-webui"]


class Process:
    """A running server."""

    def __init__(self, process, port):
        self.process = process
        self.port = port

    def cpu_seconds(self):
        """CPU time of the whole process, and without that of the threads that compute: the busiest ones, one a core."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        threads = sorted(int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks)
        return sum(threads), sum(threads[: -len(os.sched_getaffinity(0))])


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(port):
    """Whether a server says that its model is loaded."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(100)
    except OSError:
        return False


@contextmanager
def running(server, model, clients, context):
    """A server with its model loaded."""
    port = free_port()
    words = [str(word) for word in server.command(model, port, clients, context)]
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(words, stdout=output, stderr=output)
        except OSError as error:
            raise ServerError(f"{words[0]}: {error.strerror}") from None
        try:
            end = time.monotonic() + START_SECONDS
            while not is_ready(port):
                if process.poll() is not None or time.monotonic() > end:
                    output.seek(0)
                    raise ServerError(output.read().decode(errors="replace").strip()[-1500:] or "it said nothing")
                time.sleep(0.05)
            yield Process(process, port)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
