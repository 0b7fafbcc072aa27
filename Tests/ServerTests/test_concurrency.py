"""Many clients at a time: each gets what it would get alone, and who hangs up leaves nothing behind."""

import json
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import ALIAS, PATIENCE, Server, wait_until

CLIENTS = 16
REQUESTS = 200
# What allocators keep for themselves: arenas of threads, caches that have grown to their size.
SLACK_BYTES = 24 << 20
TOPICS = ["rivers", "the sea", "bread", "an old clock", "two dogs", "winter", "a letter", "the moon"]


def body(number, rng):
    """A request of one of the three APIs: its path and body; greedy and seeded, short and long in turns."""
    words = rng.choice([3, 20, 60, 150])
    text = f"Tell me of {TOPICS[number % 8]}. " + " ".join(rng.choice(TOPICS) for _ in range(words))
    # Some share what they begin with.
    if number % 3 == 0:
        text = "You are a guide in a museum of small things, and speak in short sentences. " * 3 + text
    tokens = rng.choice([4, 16, 40])
    drawn = {"temperature": 0} if number % 2 else {"temperature": 1, "seed": number}
    messages = [{"role": "user", "content": text}]
    return [
        ("/v1/chat/completions", {"model": ALIAS, "messages": messages, "max_tokens": tokens, **drawn}),
        ("/v1/completions", {"model": ALIAS, "prompt": text, "max_tokens": tokens, "n": 1 + number % 2, **drawn}),
        ("/completion", {"prompt": text, "n_predict": tokens, **drawn}),
        (
            "/api/chat",
            {"model": ALIAS, "messages": messages, "stream": False, "options": {**drawn, "num_predict": tokens}},
        ),
        ("/v1/embeddings", {"model": ALIAS, "input": text}),
    ][number % 5]


def answer(path, reply):
    """What of a reply must not depend on what else runs."""
    if path == "/v1/chat/completions":
        return [choice["message"]["content"] for choice in reply["choices"]]
    if path == "/v1/completions":
        return [choice["text"] for choice in reply["choices"]]
    if path == "/completion":
        return reply["content"]
    return reply["message"]["content"] if path == "/api/chat" else reply["data"][0]["embedding"]


def test_replies_are_those_of_solo_runs(server):
    rng = random.Random(1)
    requests = [body(number, rng) for number in range(CLIENTS)]
    solo = [answer(path, server.post(path, request)) for path, request in requests]
    for _ in range(2):
        with ThreadPoolExecutor(CLIENTS) as pool:
            together = list(pool.map(lambda r: answer(r[0], server.post(*r)), requests))
        assert together == solo
    # And with nothing that was computed before.
    fresh = [(path, {**request, "cache_prompt": False}) for path, request in requests]
    with ThreadPoolExecutor(CLIENTS) as pool:
        assert list(pool.map(lambda r: answer(r[0], server.post(*r)), fresh)) == solo


def test_streams_are_those_of_solo_runs(server):
    rng = random.Random(2)
    requests = [("/v1/chat/completions", body(5 * number, rng)[1]) for number in range(CLIENTS)]

    def streamed(request):
        _, _, lines = server.request("POST", request[0], {**request[1], "stream": True})
        events = [line[6:] for line in lines.decode().splitlines() if line.startswith("data: {")]
        return "".join(json.loads(e)["choices"][0]["delta"].get("content", "") for e in events)

    solo = [answer(path, server.post(path, request))[0] for path, request in requests]
    with ThreadPoolExecutor(CLIENTS) as pool:
        assert list(pool.map(streamed, requests)) == solo


def test_a_small_cache_serves_all(tmp_path):
    """Where the cache has room for a few only, requests wait or begin again; none fails, and none changes."""
    rng = random.Random(3)
    requests = [body(number, rng) for number in range(CLIENTS) if number % 5 != 4]
    with Server(tmp_path / "log.txt", "--alias", ALIAS, "--ctx-size", "1024", "--pool-size", "2048") as small:
        solo = [answer(path, small.post(path, request)) for path, request in requests]
        with ThreadPoolExecutor(CLIENTS) as pool:
            assert list(pool.map(lambda r: answer(r[0], small.post(*r)), requests)) == solo
        wait_until(small.is_idle, "an idle server")


def hang_up(server, path, request, seconds):
    """Sends a request and closes the connection after a while, whatever has come by then."""
    data = json.dumps({**request, "stream": True}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        # Some go before they have said all.
        whole = head + data
        if seconds < 0.01:
            connection.sendall(whole[: len(whole) // 2])
            return None
        connection.sendall(whole)
        connection.settimeout(seconds)
        end = time.monotonic() + seconds
        first = b""
        try:
            while time.monotonic() < end:
                piece = connection.recv(4096)
                first = first or piece
                if not piece:
                    break
        except TimeoutError:
            pass
        return int(first.split(b" ", 2)[1]) if first else None


def test_who_hangs_up_leaves_nothing_behind(tmp_path):
    """200 requests, of which a third hang up at random moments, on a server of their own."""
    rng = random.Random(4)
    options = ["--alias", ALIAS, "--memory", "2G", "--pool-size", "8192", "--no-prefix-cache", "--idle-timeout", "5"]
    with Server(tmp_path / "log.txt", *options) as server:
        requests = [body(number, rng) for number in range(REQUESTS)]
        moments = [rng.choice([0.001, 0.05, 0.2, 0.5]) if number % 3 == 0 else None for number in range(REQUESTS)]
        statuses = []
        lock = threading.Lock()

        def run(item):
            (path, request), moment = item
            if moment is not None:
                request = {**request, "max_tokens": 400, "n_predict": 400}
                status = hang_up(server, path, request, moment)
            else:
                status = server.request("POST", path, request)[0]
            with lock:
                statuses.append(status)

        def all_of_them(part):
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(run, part))
            wait_until(server.is_idle, "an idle server")
            return server.resident_bytes()

        work = list(zip(requests, moments, strict=True))
        start = wait_until(lambda: server.descriptors(), "descriptors")
        # The first part fills caches that stay.
        warm = all_of_them(work[: REQUESTS // 4])
        after = all_of_them(work[REQUESTS // 4 :])
        assert len(statuses) == REQUESTS
        assert {status for status in statuses if status} == {200}
        assert sum(status == 200 for status in statuses) >= REQUESTS * 2 // 3
        wait_until(lambda: server.descriptors() <= start, "closed connections")
        assert after - warm < SLACK_BYTES, f"{warm >> 20} MiB became {after >> 20}"
        assert server.metrics()["kv_cache_tokens"] == 0


@pytest.mark.parametrize("streams", [False, True])
def test_hanging_up_ends_the_work_soon(server, streams):
    """In a long prompt and in a long reply. (How soon, the engine's own tests say: this machine may stop meanwhile.)"""
    wait_until(server.is_idle, "an idle server")
    computed = server.metrics()["prompt_tokens_total"] + server.metrics()["tokens_predicted_total"]
    for prompt in ["word " * 6000, "Count from 1 to 1000: 1, 2, 3,"]:
        request = {"prompt": prompt, "n_predict": 2000, "stream": streams, "ignore_eos": True, "cache_prompt": False}
        data = json.dumps(request).encode()
        head = f"POST /completion HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
            connection.sendall(head + data)
            wait_until(lambda: server.metrics()["requests_processing"] > 0, "a request under way")
        wait_until(server.is_idle, "an idle server")
    done = server.metrics()["prompt_tokens_total"] + server.metrics()["tokens_predicted_total"]
    assert done - computed < 4000


def test_a_full_queue_is_503(tmp_path):
    """More than may wait are told when to try again; a long request meanwhile is not harmed."""
    with Server(tmp_path / "log.txt", "--alias", ALIAS, "--parallel", "1", "--max-queue", "1") as server:
        request = {"prompt": "Count: 1, 2,", "n_predict": 120, "temperature": 0, "ignore_eos": True}
        alone = server.post("/completion", request)["content"]
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: server.request("POST", "/completion", request), range(8)))
        statuses = [status for status, _, _ in replies]
        assert set(statuses) == {200, 503}
        for status, headers, reply in replies:
            if status == 200:
                assert json.loads(reply)["content"] == alone
            else:
                assert int(headers["retry-after"]) > 0 and json.loads(reply)["error"]["message"]
        assert server.greets()
