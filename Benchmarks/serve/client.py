"""A request that is streamed, over a socket of its own: when its tokens came, and how many there were."""

import json
import socket
import time
from dataclasses import dataclass


class RequestError(Exception):
    """A server that did not answer as it should, and what it said."""


@dataclass
class Answer:
    """What a request took, in seconds from its start, and what came of it."""

    first: float
    total: float
    prompt_tokens: int
    tokens: int
    text: str


def ask(port, body, timeout):
    """Sends a body to /v1/completions, with its usage wanted, and reads the stream to its end."""
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    data = json.dumps(body).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        with connection.makefile("rb") as file:
            status = file.readline().split()
            if len(status) < 2 or status[1] != b"200":
                raise RequestError(f"answered {b' '.join(status).decode()}: {file.read(2000).decode(errors='replace')}")
            first, usage, text = None, None, ""
            for line in file:
                if not line.startswith(b"data: {"):
                    continue
                piece = json.loads(line[6:])
                if "error" in piece:
                    raise RequestError(str(piece["error"]))
                usage = piece.get("usage") or usage
                for choice in piece.get("choices", []):
                    if choice.get("text") and first is None:
                        first = time.perf_counter() - start
                    text += choice.get("text") or ""
    total = time.perf_counter() - start
    if usage is None:
        raise RequestError("the stream ended without its usage")
    return Answer(first or total, total, usage["prompt_tokens"], usage["completion_tokens"], text)
