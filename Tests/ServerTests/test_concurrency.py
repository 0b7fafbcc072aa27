"""Many clients at a time: each gets what it would get alone, and more than may wait are told so."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

from serving import ALIAS, Server, wait_until

CLIENTS = 16
TOPICS = ["rivers", "the sea", "bread", "an old clock", "two dogs", "winter", "a letter", "the moon"]


def body(number, rng):
    """A request of one of the three APIs: its path and body; greedy and seeded, short and long in turns."""
    words = rng.choice([3, 10, 40])
    text = f"Tell me of {TOPICS[number % 8]}. " + " ".join(rng.choice(TOPICS) for _ in range(words))
    # Some share what they begin with.
    if number % 3 == 0:
        text = "You are a guide in a museum of small things, and speak in short sentences. " * 3 + text
    tokens = rng.choice([4, 8, 20])
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
