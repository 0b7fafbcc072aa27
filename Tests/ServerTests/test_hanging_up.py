"""Clients that hang up: what they asked for ends, and leaves nothing behind."""

import json
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hangup import hang_up
from serving import ALIAS, PATIENCE, Server, wait_until
from test_concurrency import CLIENTS, body

REQUESTS = 200
# What allocators keep for themselves: arenas of threads, caches that have grown to their size.
SLACK_BYTES = 24 << 20


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
        # The first part fills caches and starts loops, which stay, with descriptors of their own.
        warm = all_of_them(work[: REQUESTS // 4])
        wait_until(lambda: server.sockets() == 1, "closed connections")
        descriptors = server.descriptors()
        after = all_of_them(work[REQUESTS // 4 :])
        assert len(statuses) == REQUESTS
        assert {status for status in statuses if status} == {200}
        assert sum(status == 200 for status in statuses) >= REQUESTS * 2 // 3
        wait_until(lambda: server.descriptors() <= descriptors, "closed connections")
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
