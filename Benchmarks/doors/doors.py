"""Replies through the Python package, for __main__.py: doors.py next|sync|chat|asyncio STREAMS MODEL TOKENS.

Says "ready" and waits for a line before the replies and after them, so that somebody can look at the threads' times.
"""

import asyncio
import sys

import apus

door, streams, path, tokens = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
PARAMETERS = {"ignore_eos": True, "temperature": 0}


def pause():
    print("ready", flush=True)
    sys.stdin.readline()


def replies(engine, count):
    """How many tokens came."""
    if door == "next":
        body = {"endpoint": "completions", "prompt": "The", "max_tokens": count, **PARAMETERS}
        with engine.submit(body) as request:
            return sum(event.token is not None for event in request)
    if door == "asyncio":

        async def read():
            stream = engine.stream("The", max_tokens=count, **PARAMETERS)
            async for _ in stream:
                pass
            return len(stream.ids)

        async def gather():
            return sum(await asyncio.gather(*[read() for _ in range(streams)]))

        return asyncio.run(gather())
    if door == "chat":
        stream = engine.chat("Tell me a story.", stream=True, max_tokens=count, **PARAMETERS)
    else:
        stream = engine.stream("The", max_tokens=count, **PARAMETERS)
    for _ in stream:
        pass
    return len(stream.ids)


with apus.Model(path, n_threads=2) as model, apus.Engine(model, speculate="off") as engine:
    replies(engine, 16)
    pause()
    n_tokens = replies(engine, tokens)
    pause()
    print(n_tokens, flush=True)
