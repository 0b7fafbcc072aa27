"""The load: some clients, each of which asks one thing after another, and what that came to."""

import random
import threading
import time

from .client import RequestError, ask
from .servers import ServerError, running

TEXT = (
    "the of and a to in is it that was for on are with as his they at be this from have or by one had not but what all "
    "were when we there can an your which their said if do will each about how up out them then she many some so these "
    "would other into has more her two like him see time could no make than first been its who now people my made over "
    "did down only way find use may water long little very after words called just where most know"
)
WORDS = TEXT.split()
LONGEST = 1500


def prompts(count, seed):
    """Requests with prompts of 64 to 1,500 tokens, evenly spread on a logarithmic scale, and replies of 16 to 128; half
    of them greedy. Common words are a token each."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        length = round(64 * (LONGEST / 64) ** rng.random())
        text = f"Number {number}. " + " ".join(rng.choice(WORDS) for _ in range(length - 4))
        sampling = {"temperature": 0} if number % 2 else {"temperature": 0.8, "seed": number}
        found.append({"prompt": text, "max_tokens": rng.randrange(16, 129), **sampling})
    return found


def percentile(values, share):
    """The value that a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(server, model, clients, requests, context, timeout):
    """Starts a server and lets the clients ask; gives the row of figures, or one that says what went wrong."""
    row = {"server": server.name, "clients": clients}
    try:
        with running(server, model, clients, context) as process:
            ask(process.port, {"prompt": "Hello", "max_tokens": 4}, timeout)
            before, start = process.cpu_seconds(), time.perf_counter()
            answers, errors = ask_all(process.port, clients, requests, timeout)
            seconds, after = time.perf_counter() - start, process.cpu_seconds()
    except (ServerError, RequestError, OSError) as error:
        return {**row, "error": str(error)}
    if errors:
        return {**row, "error": f"{len(errors)} of {len(requests)} requests failed: {errors[0]}"}
    generated = sum(answer.tokens for answer in answers)
    tokens = generated + sum(answer.prompt_tokens for answer in answers)
    firsts = [answer.first for answer in answers]
    return {
        **row,
        "requests": len(answers),
        "seconds": seconds,
        "prompt_tokens": tokens - generated,
        "generated_tokens": generated,
        "tokens_per_second": tokens / seconds,
        "generated_per_second": generated / seconds,
        "first_token_seconds": {str(share): percentile(firsts, share / 100) for share in (50, 95)},
        "cpu_seconds": after[0] - before[0],
        "own_cpu_microseconds_per_token": (after[1] - before[1]) / generated * 1e6,
    }


def ask_all(port, clients, requests, timeout):
    """Lets clients take one request after another until none is left: answers and errors."""
    left = list(reversed(requests))
    lock = threading.Lock()
    answers, errors = [], []

    def client():
        while True:
            with lock:
                if not left or errors:
                    return
                body = left.pop()
            try:
                answer = ask(port, body, timeout)
            except (RequestError, OSError, ValueError) as error:
                with lock:
                    errors.append(str(error))
                return
            with lock:
                answers.append(answer)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, errors
