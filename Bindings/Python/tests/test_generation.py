"""Texts, conversations and vectors: the same ids as the command, whichever way they are asked for."""

import asyncio
import gc
import os
import threading
import time

import apus
import numpy
import pytest
from support import ANSWER, MODEL, QUESTION, TEXT, TOKENS, command

GREEDY = {"max_tokens": TOKENS, "temperature": 0}


def test_texts_are_those_of_the_command(model, expected):
    assert model.generate(TEXT, **GREEDY) == expected["text"]
    assert model.generate(expected["prompt_ids"], **GREEDY) == expected["text"]
    assert model.generate(numpy.array(expected["prompt_ids"]), **GREEDY) == expected["text"]
    stream = model.generate(TEXT, stream=True, **GREEDY)
    pieces = list(stream)
    assert "".join(pieces) == expected["text"] and len(pieces) > TOKENS // 2
    assert stream.ids == expected["ids"]
    assert stream.reply["choices"][0]["text"] == expected["text"]
    assert stream.reply["usage"]["completion_tokens"] == TOKENS
    reply = model.complete([TEXT, TEXT], n=2, **GREEDY)
    assert [choice["text"] for choice in reply["choices"]] == [expected["text"]] * 4


def test_eight_streams_in_asyncio(model, expected):
    beside = []

    async def streamed():
        stream = model.stream(TEXT, **GREEDY)
        text = "".join([piece async for piece in stream])
        return text, stream.ids

    async def ticks():
        while True:
            beside.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def all_of_them():
        ticking = asyncio.create_task(ticks())
        streams = await asyncio.gather(*[streamed() for _ in range(8)])
        others = await asyncio.gather(
            model.agenerate(TEXT, **GREEDY), model.achat(QUESTION, max_tokens=12, temperature=0), model.aembed("A cat.")
        )
        ticking.cancel()
        return streams, others

    streams, (text, reply, vector) = asyncio.run(all_of_them())
    assert streams == [(expected["text"], expected["ids"])] * 8
    assert text == expected["text"] and reply["choices"][0]["message"]["content"] == ANSWER
    assert (vector == model.embed("A cat.")).all()
    assert len(beside) > 5  # the loop went on meanwhile


def test_events_in_asyncio(model, expected):
    body = {"endpoint": "completions", "prompt": TEXT, **GREEDY}

    async def events(pause=0.0):
        ids = []
        with model.submit(body) as request:
            async for event in request:
                await asyncio.sleep(pause)
                if event.token is not None:
                    ids.append(event.token)
            assert [event async for event in request] == []  # it has ended
        return ids

    async def closed_meanwhile():
        with model.submit({**body, "max_tokens": 1000, "ignore_eos": True}) as request:
            asyncio.get_running_loop().call_later(0.1, request.close)
            with pytest.raises(apus.InvalidArgumentError, match="closed"):
                async for _ in request:
                    pass

    async def all_of_them():
        await closed_meanwhile()
        return await asyncio.gather(*[events(pause) for pause in (0, 0, 0.01, 0.03)])

    def in_thread():
        results.append(asyncio.run(events()))

    assert asyncio.run(all_of_them()) == [expected["ids"]] * 4
    descriptors = len(os.listdir("/proc/self/fd"))
    results = []
    threads = [threading.Thread(target=in_thread) for _ in range(4)]  # a loop each
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected["ids"]] * 4
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_chat(model):
    options = {"max_tokens": 12, "temperature": 0}
    messages = [{"role": "user", "content": QUESTION}]
    reply = model.chat(messages, **options)
    assert reply["choices"][0]["message"] == {"role": "assistant", "content": ANSWER}
    assert reply["object"] == "chat.completion" and reply["choices"][0]["finish_reason"] == "length"
    assert model.chat(QUESTION, **options)["choices"] == reply["choices"]
    chunks = list(model.chat(messages, stream=True, **options))
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == ANSWER
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert model.apply_template(messages).endswith(f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n")


def test_tokens_are_those_of_the_command(model):
    text = "Grüße, 世界 🙂\n\tdef f(x): return x"
    ids = model.tokenize(text)
    assert ids == command("tokenize", "-m", MODEL, "-p", text)
    assert model.detokenize(ids) == text and model.detokenize(numpy.array(ids)) == text
    assert model.tokenize("") == [] and model.detokenize([]) == ""
    assert model.detokenize(model.tokenize("word " * 3000)) == "word " * 3000
    marked = model.tokenize("<|im_end|>", parse_special=True)
    assert len(marked) == 1 < len(model.tokenize("<|im_end|>"))
    assert model.detokenize(marked) == "" and model.detokenize(marked, render_special=True) == "<|im_end|>"
    assert model.detokenize(model.tokenize("a\0b\ud800")) == "a\0b\ufffd\ufffd\ufffd"


def test_vectors(model):
    one = model.embed("A cat sat on the mat.")
    many = model.embed(["Stock prices fell.", "A cat sat on the mat.", model.tokenize("Stock prices fell.")])
    assert isinstance(one, numpy.ndarray) and one.dtype == numpy.float32 and one.shape == (model.info["n_embd"],)
    assert float(numpy.linalg.norm(one)) == pytest.approx(1, abs=1e-5)
    assert (many[1] == one).all() and (many[0] == many[2]).all() and not (many[0] == one).all()


def test_info(model):
    info = model.info
    assert (info["architecture"], info["n_vocab"], info["n_ctx"]) == ("llama", 49152, 2048)
    assert info["metadata"]["general.architecture"] == "llama" and info["eos_token_id"] in info["eog_token_ids"]
    assert model.engine.stats()["n_ctx"] == 2048


def test_engines_have_options_of_their_own(model, expected):
    with apus.Engine(model, n_parallel=2, max_tokens=3, temperature=0, model="mine") as engine:
        stream = engine.stream(TEXT)
        assert "".join(stream) and stream.ids == expected["ids"][:3] and stream.reply["model"] == "mine"
    with pytest.raises(apus.InvalidArgumentError, match="closed"):
        engine.generate(TEXT)
    with pytest.raises(apus.InvalidArgumentError, match="n_parallels"):
        apus.Engine(model, n_parallels=2)


def test_events(model, expected):
    body = {"endpoint": "completions", "prompt": TEXT, "logprobs": 1, **GREEDY}
    with model.submit(body) as request:
        events = list(request)
        assert [event.token for event in events if event.token is not None] == expected["ids"]
        assert all(event.logprob < 0 for event in events if event.token is not None) and events[-1].is_last
        with pytest.raises(apus.NoMoreEventsError):
            request.next()


def test_loop_that_is_left_loses_nothing(model, expected):
    """Several events may have been taken at once when it is left."""
    body = {"endpoint": "completions", "prompt": TEXT, **GREEDY}
    with model.submit(body) as request:
        ids = []
        for number, event in enumerate(request):
            ids.append(event.token)
            if number == 2:
                break
        request.wait()
        for event in request:
            ids.append(event.token)
            break
        ids.append(request.next().token)
        ids += [event.token for event in asyncio.run(_rest(request))]
    assert [token for token in ids if token is not None] == expected["ids"]


async def _rest(request):
    return [event async for event in request]
