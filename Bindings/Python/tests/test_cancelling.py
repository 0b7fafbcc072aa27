"""Waiting that ends early: by a timeout, another thread, a task, and Ctrl-C."""

import asyncio
import os
import signal
import threading
import time

import apus
import pytest
from support import MODEL, TEXT

ENDLESS = {"max_tokens": 1500, "temperature": 0, "ignore_eos": True}


@pytest.fixture
def idle(model):
    """Looks whether the engine has nothing to do soon after the test."""
    yield model
    end = time.monotonic() + 60
    while model.engine.stats()["running"] + model.engine.stats()["waiting"] > 0:
        assert time.monotonic() < end, model.engine.stats()
        time.sleep(0.01)


def interrupt_soon():
    """Sends this process what Ctrl-C does, from another thread."""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_timeouts(idle):
    with idle.submit({"endpoint": "completions", "prompt": TEXT, **ENDLESS}) as request:
        with pytest.raises(TimeoutError):
            request.wait(0.05)
        with pytest.raises(apus.WaitTimeoutError):
            for _ in range(10_000):
                request.next(0)
        request.cancel()
        with pytest.raises(apus.CancelledError):
            request.wait()


def test_a_loop_that_is_left_cancels(idle):
    for _ in idle.stream(TEXT, **ENDLESS):
        break

    async def leave():
        async with idle.stream(TEXT, **ENDLESS) as stream:
            async for _ in stream:
                break

    asyncio.run(leave())


def test_cancelling_from_elsewhere(idle):
    stream = idle.stream(TEXT, **ENDLESS)
    threading.Timer(0.2, stream.cancel).start()
    with pytest.raises(apus.CancelledError):
        list(stream)
    with pytest.raises(apus.InvalidArgumentError, match="used before"):
        list(stream)


@pytest.mark.parametrize("way", ["stream", "agenerate"])
def test_tasks(idle, way):
    async def consume():
        if way == "agenerate":
            return await idle.agenerate(TEXT, **ENDLESS)
        return [piece async for piece in idle.stream(TEXT, **ENDLESS)]

    async def cancel_one():
        tasks = [asyncio.create_task(consume()) for _ in range(2)]
        await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in asyncio.run(cancel_one())] == [asyncio.CancelledError] * 2


def test_a_loop_that_is_closed_in_between(idle):
    loop = asyncio.new_event_loop()
    stream = idle.stream(TEXT, **ENDLESS)
    pieces = stream.__aiter__()
    loop.run_until_complete(pieces.__anext__())
    loop.close()
    time.sleep(0.1)
    del pieces, stream


@pytest.mark.parametrize("way", ["generate", "stream", "chat", "next", "embed", "asyncio", "session"])
def test_control_c(idle, way):
    def wait():
        if way == "generate":
            idle.generate(TEXT, **ENDLESS)
        elif way == "stream":
            list(idle.stream(TEXT, **ENDLESS))
        elif way == "chat":
            idle.chat(TEXT, **ENDLESS)
        elif way == "next":
            with idle.submit({"endpoint": "completions", "prompt": TEXT, **ENDLESS}) as request:
                while True:
                    request.next()
        elif way == "embed":
            for _ in range(100):
                idle.embed(["word " * 1500 + str(i) for i in range(8)])
        elif way == "asyncio":
            asyncio.run(idle.agenerate(TEXT, **ENDLESS))
        else:
            with idle.session() as session:
                for _ in range(100):
                    session.eval([260] * 2000)
                    session.truncate(0)

    interrupt_soon()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        wait()
        pytest.fail("it was never interrupted")
    assert time.monotonic() - start < 30


def test_loading_can_be_called_off():
    told = []

    def progress(fraction):
        told.append(fraction)
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        apus.Model(MODEL, progress=progress)
    assert len(told) == 1
    told.clear()
    apus.Model(MODEL, n_ctx=64, progress=told.append).close()
    assert told == sorted(told) and told[-1] == 1
