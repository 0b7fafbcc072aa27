"""Connections that are slow, idle, many, or send what is no HTTP: the server stays up, and others are served."""

import json
import resource
import socket
import time

import pytest
from serving import ALIAS, PATIENCE, Server, wait_until

IDLE = 10_000
BODY_LIMIT = 1 << 20
HEADER_LIMIT = 16 << 10


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server with small limits."""
    log = tmp_path_factory.mktemp("strict") / "log.txt"
    limits = ["--max-body", BODY_LIMIT, "--max-header", HEADER_LIMIT, "--read-timeout", "2", "--write-timeout", "2"]
    with Server(log, "--alias", ALIAS, "--idle-timeout", "600", *limits) as server:
        greeting = server.greets()
        yield server
        assert server.greets() == greeting


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def exchange(server, data):
    """Sends bytes and returns all that comes back until the server closes, or has answered once."""
    with connect(server) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return receive(connection)


def receive(connection):
    reply = b""
    try:
        while piece := connection.recv(65536):
            reply += piece
    except ConnectionError:
        pass
    return reply


def status_of(reply):
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.1 ") else None


HOST = b"Host: localhost\r\n"
BOMBS = {
    "a long name": b"a" * 100_000 + b": b\r\n",
    "a long value": b"a: " + b"b" * 100_000 + b"\r\n",
    "many": b"".join(b"a%d: b\r\n" % i for i in range(20_000)),
    "many of one name": b"a: b\r\n" * 20_000,
}


@pytest.mark.parametrize("headers", BOMBS.values(), ids=BOMBS.keys())
def test_header_bombs(strict, headers):
    for start in [b"GET /health HTTP/1.1\r\n", b"POST /v1/chat/completions HTTP/1.1\r\n"]:
        reply = exchange(strict, start + HOST + headers + b"\r\n")
        assert status_of(reply) in (None, 400, 413, 431), reply[:200]
    assert strict.greets()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET " + b"/a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"GET /v1/models/\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /health HTTP/1.1\r\n" + HOST + b"a: \xff\x00\x01\r\n\r\n",
    ],
)
def test_what_is_no_request(strict, data):
    status = status_of(exchange(strict, data))
    assert status is None or 400 <= status < 500
    assert strict.greets()


def test_bodies_over_the_limit(strict):
    big = json.dumps({"prompt": "a" * BODY_LIMIT}).encode()
    for path in ["/v1/completions", "/api/generate", "/completion"]:
        status, _, reply = strict.request("POST", path, big)
        assert status == 413 and json.loads(reply)["error"]
    start = b"POST /v1/completions HTTP/1.1\r\n" + HOST
    # Said to be long before anything has come, and in pieces without an end.
    said = exchange(strict, start + b"Content-Length: 100000000\r\n\r\n" + b"a" * 1000)
    assert status_of(said) in (None, 400, 413)
    pieces = exchange(strict, start + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n%s\r\n" % (b"a" * 65536) * 40)
    assert status_of(pieces) in (None, 413)


def test_bodies_in_pieces_are_read(strict):
    body = json.dumps({"prompt": "Hi", "max_tokens": 1}).encode()
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status_of(exchange_open(strict, head + pieces)) == 200


def exchange_open(server, data):
    """As `exchange`, for replies that take a while: a client that closes its half has gone."""
    with connect(server) as connection:
        connection.sendall(data)
        return receive(connection)


@pytest.mark.parametrize("start", [b"GET /health HTT", b"POST /completion HTTP/1.1\r\nContent-Length: 50\r\n\r\n{"])
def test_slow_loris(strict, start):
    """A byte now and then does not keep a connection for ever, and many of them keep nobody else waiting."""
    slow = [connect(strict) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(start)
        assert strict.greets()
        if start.startswith(b"POST"):
            end = time.monotonic() + PATIENCE
            connection = slow[0]
            connection.settimeout(0.3)
            while True:
                assert time.monotonic() < end, "it is still open"
                try:
                    connection.sendall(b" ")
                    if not connection.recv(1000):
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
    finally:
        for connection in slow:
            connection.close()
    assert strict.greets()


def test_who_does_not_read_is_cut_off(strict):
    """The reply of a client that takes nothing of it is called off, and frees what it held."""
    request = json.dumps({"prompt": ["a"] * 40, "n_predict": 8, "n_probs": 20, "stream": True, "ignore_eos": True})
    with connect(strict) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        head = f"POST /completion HTTP/1.1\r\nHost: a\r\nContent-Length: {len(request)}\r\n\r\n"
        connection.sendall((head + request).encode())
        wait_until(strict.is_idle, "an idle server")
    assert strict.greets()


def test_who_does_not_read_does_not_hold_up_the_end(tmp_path):
    """A reply that its client takes nothing of waits; when the server is to end, it is cut off at last."""
    request = {"prompt": "a", "n_predict": 130, "n_probs": 2000, "stream": True, "ignore_eos": True}
    data = json.dumps(request).encode()
    with (
        socket.socket() as connection,
        Server(tmp_path / "log.txt", "--drain-timeout", "1", "--write-timeout", "3600") as server,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(b"POST /completion HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        # Some 17 MB, of which the system takes a part.
        wait_until(lambda: server.metrics()["tokens_predicted_total"] >= 130, "a whole reply")
        # Leaving the server waits for its end.


def test_idle_connections(strict):
    """As many as this process may open, up to 10,000."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE, hard - 256)
    before = strict.descriptors()
    connections = []
    try:
        for _ in range(count):
            connections.append(connect(strict))
        wait_until(lambda: strict.descriptors() >= before + count - 1, "accepted connections")
        assert strict.greets()
        # They are served, too.
        for connection in connections[:: max(1, count // 20)]:
            connection.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
            assert status_of(connection.recv(1000)) == 200
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_until(lambda: strict.descriptors() <= before + 2, "closed connections")
    assert strict.greets()


def test_pipelined_requests(strict):
    one = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert exchange_open(strict, one * 30 + last).count(b"HTTP/1.1 200") == 31


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("headers", [b"", b"Connection: keep-alive\r\n"])
def test_http_1_0(strict, stream, headers):
    """No chunks, and the connection is the end of the body (RFC 9112, 6.1 and 9.3)."""
    data = json.dumps({"prompt": "a", "max_tokens": 3, "ignore_eos": True, "temperature": 0, "stream": stream}).encode()
    head = b"POST /v1/completions HTTP/1.0\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(data)
    with connect(strict) as connection:
        connection.sendall(head + data)
        reply = receive(connection)  # until the server closes
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 ") and b"transfer-encoding" not in head.lower()
    if stream:
        events = body.decode().split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""] and len(events) >= 5
        assert all(json.loads(event.removeprefix("data: "))["choices"] for event in events[:-2])
    else:
        assert json.loads(body)["usage"]["completion_tokens"] == 3
