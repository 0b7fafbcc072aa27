"""Ollama's client over every endpoint that Apus has."""

import asyncio
import math
import re
from datetime import datetime, timezone

import ollama
import pytest
from serving import ALIAS, ANSWER, CONTEXT, MODEL, PATIENCE, wait_until

QUESTION = [{"role": "user", "content": "What is gravity?"}]
OPTIONS = {"temperature": 0, "num_predict": 12}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


@pytest.fixture(scope="module")
def client(server):
    return ollama.Client(server.url, timeout=PATIENCE)


def chat(client, **more):
    return client.chat(**{"model": ALIAS, "messages": QUESTION, "options": OPTIONS, **more})


def generate(client, **more):
    return client.generate(**{"model": ALIAS, "prompt": "What is gravity?", "options": OPTIONS, **more})


def refused(call, word, status=400):
    with pytest.raises(ollama.ResponseError) as error:
        call()
    assert error.value.status_code == status and word in error.value.error


def check_end(reply, tokens=12):
    assert reply.done and reply.done_reason == ("length" if tokens == 12 else "stop")
    assert reply.eval_count == tokens and reply.prompt_eval_count > 0
    durations = [reply.load_duration, reply.prompt_eval_duration, reply.eval_duration]
    assert all(isinstance(value, int) and value >= 0 for value in durations)
    assert reply.eval_duration <= reply.total_duration < PATIENCE * 10**9
    assert STAMP.fullmatch(reply.created_at)


# MARK: Models


def test_list_and_show(client):
    models = {model.model: model for model in client.list().models}
    assert MODEL + ":latest" in models
    listed = models[MODEL + ":latest"]
    assert re.fullmatch("[0-9a-f]{64}", listed.digest) and listed.size > 90_000_000
    assert (listed.details.format, listed.details.family, listed.details.quantization_level) == (
        "gguf",
        "llama",
        "Q4_1",
    )
    assert listed.modified_at < datetime.now(timezone.utc)
    shown = client.show(ALIAS)
    assert "completion" in shown.capabilities and "<|im_start|>" in shown.template
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["llama.context_length"] == CONTEXT
    assert shown.modelinfo["llama.embedding_length"] == 576
    assert shown.details == listed.details


def test_what_runs(client):
    chat(client)
    running = {model.name: model for model in client.ps().models}[MODEL + ":latest"]
    assert running.size_vram == 0 and running.context_length == CONTEXT
    assert running.expires_at > datetime.now(timezone.utc)


def test_version(server):
    version = server.request("GET", "/api/version")[2].decode()
    numbers = re.search(r'"version":"(\d+)\.(\d+)\.(\d+)"', version).groups()
    assert tuple(map(int, numbers)) >= (0, 6, 4)


def test_greeting(server):
    assert server.request("GET", "/")[2] == b"Ollama is running"
    for path in ["/", "/api/version", "/api/tags"]:
        status, _, body = server.request("HEAD", path)
        assert (status, body) == (200, b"")


def test_unknown_models(client):
    for call in [
        lambda: chat(client, model="nobody"),
        lambda: list(chat(client, model="nobody", stream=True)),
        lambda: generate(client, model="nobody"),
        lambda: client.embed("nobody", "a"),
        lambda: client.embeddings("nobody", "a"),
        lambda: client.show("nobody"),
        lambda: client.delete("nobody"),
        lambda: client.copy("nobody", "anybody"),
    ]:
        refused(call, "not found", 404)


def test_copy_and_delete(client):
    client.copy(ALIAS, "twin:small")
    assert "twin:small" in {model.model for model in client.list().models}
    assert chat(client, model="twin:small").message.content == chat(client).message.content
    client.delete("twin:small")
    assert "twin:small" not in {model.model for model in client.list().models}
    refused(lambda: chat(client, model="twin:small"), "not found", 404)


def test_load_and_unload(client):
    client.copy(ALIAS, "other")
    try:
        loaded = client.chat("other", [])
        assert (loaded.done, loaded.done_reason, loaded.message.content) == (True, "load", "")
        assert "other:latest" in {model.name for model in client.ps().models}
        assert client.generate("other", "", keep_alive="1h").done_reason == "load"
        assert client.generate("other", "", keep_alive=0).done_reason == "unload"
        gone = wait_until(lambda: "other:latest" not in {m.name for m in client.ps().models}, "an unloaded model")
        assert gone
    finally:
        client.delete("other")


# MARK: Chat


def test_chat(client):
    reply = chat(client)
    assert reply.message.role == "assistant" and reply.message.content == ANSWER
    assert reply.model == ALIAS or reply.model.startswith(MODEL)
    check_end(reply)


def test_streamed_chat(client):
    pieces = list(chat(client, stream=True))
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(piece.message.content for piece in pieces[:-1])
    assert "".join(piece.message.content for piece in pieces) == chat(client).message.content
    check_end(pieces[-1])


def test_it_streams_unless_told_not_to(server):
    body = {"model": ALIAS, "messages": QUESTION, "options": OPTIONS}
    status, headers, lines = server.request("POST", "/api/chat", body)
    assert (status, headers["content-type"]) == (200, "application/x-ndjson")
    assert len(lines.splitlines()) > 5 and lines.endswith(b"\n")
    _, headers, _ = server.request("POST", "/api/chat", {**body, "stream": False})
    assert headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("streams", [False, True])
def test_stop(client, streams):
    whole = chat(client).message.content
    reply = chat(client, options={**OPTIONS, "stop": ["never", "n physics t"]}, stream=streams)
    text = "".join(piece.message.content for piece in reply) if streams else reply.message.content
    assert text == whole[: whole.index("n physics t")]


def test_seeds(client):
    texts = [
        chat(client, options={"temperature": 1.3, "num_predict": 12, "seed": seed}).message.content
        for seed in [1, 1, 2, -9]
    ]
    assert texts[0] == texts[1] and len(set(texts)) == 3


def test_options(client):
    more = {"top_k": 20, "top_p": 0.9, "min_p": 0.0, "typical_p": 1.0, "repeat_last_n": 33, "repeat_penalty": 1.2}
    more |= {"presence_penalty": 0.1, "frequency_penalty": 0.2, "num_thread": 1, "num_keep": 4, "num_batch": 64}
    more |= {"mirostat": None, "mirostat_eta": None, "tfs_z": 1.0, "penalize_newline": False, "nobody_knows": 1}
    options = {**more, "temperature": 0.9, "seed": 4, "num_predict": 12}
    assert chat(client, options=options).message.content == chat(client, options=options).message.content
    assert chat(client, options={**options, "top_k": 1, "repeat_penalty": 1, "presence_penalty": 0}).done


def test_num_ctx_limits_a_request_and_reloads_nothing(client):
    long = [{"role": "user", "content": "word " * 300}]
    refused(lambda: chat(client, messages=long, options={**OPTIONS, "num_ctx": 128}), "128")
    before = client.ps().models
    for length in [256, 300, 512, 1000]:
        reply = chat(client, options={**OPTIONS, "num_ctx": length})
        assert reply.load_duration < 10**9 * PATIENCE and reply.message.content == chat(client).message.content
    assert [model.digest for model in client.ps().models] == [model.digest for model in before]


def test_truncation_is_asked_for(server):
    """Without it nothing is left out silently; with it the oldest messages go."""
    talk = [{"role": "user", "content": "word " * 200}, {"role": "assistant", "content": "Yes."}, *QUESTION]
    body = {"model": ALIAS, "messages": talk, "stream": False, "options": {**OPTIONS, "num_ctx": 100}}
    assert server.request("POST", "/api/chat", body)[0] == 400
    reply = server.post("/api/chat", {**body, "truncate": True})
    assert reply["message"]["content"] == ANSWER


def test_log_probabilities(client):
    reply = chat(client, logprobs=True, top_logprobs=3)
    assert len(reply.logprobs) == 12
    assert "".join(entry.token for entry in reply.logprobs) == reply.message.content
    for entry in reply.logprobs:
        tops = [top.logprob for top in entry.top_logprobs]
        assert len(tops) == 3 and tops == sorted(tops, reverse=True) and entry.logprob == tops[0]


def test_what_is_empty_is_absent(client):
    plain = chat(client).message.content
    assert chat(client, tools=[], format="", think=None, keep_alive=None).message.content == plain
    messages = [{**QUESTION[0], "images": [], "tool_calls": []}]
    assert chat(client, messages=messages).message.content == plain


@pytest.mark.parametrize(
    "name, more",
    [
        ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("format", {"format": "json"}),
        ("format", {"format": {"type": "object"}}),
        ("think", {"think": True}),
        ("images", {"messages": [{"role": "user", "content": "a", "images": [b"abcd"]}]}),
        ("num_predict", {"options": {"num_predict": -7}}),
        ("temperature", {"options": {"temperature": -1.0}}),
        ("keep_alive", {"keep_alive": "soon"}),
    ],
)
def test_refusals(client, name, more):
    refused(lambda: chat(client, **more), name)


# MARK: Generate


def test_generate(client):
    reply = generate(client)
    assert reply.response == chat(client).message.content
    check_end(reply)
    pieces = list(generate(client, stream=True))
    assert "".join(piece.response for piece in pieces) == reply.response
    assert pieces[-1].context == reply.context and len(reply.context) == reply.prompt_eval_count + 12
    check_end(pieces[-1])


def test_raw_prompts(client):
    reply = generate(client, prompt="The capital of France is", raw=True)
    assert reply.response.startswith(" Paris.") and reply.prompt_eval_count <= 5
    assert reply.context is None


def test_system_and_template(client):
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert generate(client, system=system).response == generate(client).response
    template = (
        "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
        "<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert generate(client, system=system, template=template).response == generate(client).response
    assert generate(client, template="{{ .Prompt }}", prompt="The capital of France is").response.startswith(" Paris.")


def test_context_goes_on(client):
    """A question after an answer is the same as the conversation that has both."""
    first = generate(client, options={**OPTIONS, "num_predict": 400, "stop": ["."]})
    again = generate(client, prompt="Why?", context=first.context)
    assert again.response and again.prompt_eval_count >= len(first.context)


@pytest.mark.parametrize(
    "name, more",
    [
        ("suffix", {"suffix": "end"}),
        ("context", {"context": [10**6]}),
        ("raw", {"raw": True, "system": "a"}),
        ("format", {"format": "json"}),
        ("template", {"template": "{{ if }}"}),
        ("template", {"template": "{{ .Prompt"}),
        ("template", {"template": "{% for a in %}"}),
    ],
)
def test_refused_generations(client, name, more):
    refused(lambda: generate(client, **more), name)


# MARK: Embeddings


def test_embeddings(client):
    texts = ["A cat sat on the mat.", "The cat is on the mat."]
    reply = client.embed(ALIAS, texts)
    assert [len(vector) for vector in reply.embeddings] == [576, 576] and reply.prompt_eval_count > 8
    assert [math.fsum(x * x for x in vector) for vector in reply.embeddings] == pytest.approx([1, 1], abs=1e-5)
    assert client.embed(ALIAS, texts[0]).embeddings[0] == reply.embeddings[0]
    old = client.embeddings(ALIAS, texts[0]).embedding
    length = math.sqrt(math.fsum(x * x for x in old))
    assert [x / length for x in old] == pytest.approx(reply.embeddings[0], abs=1e-5)
    assert len(client.embed(ALIAS, "a", dimensions=64).embeddings[0]) == 64


def test_truncated_embeddings(client):
    text = "word " * (CONTEXT + 50)
    refused(lambda: client.embed(ALIAS, text, truncate=False), "context length")
    assert client.embed(ALIAS, "word " * 200, options={"num_ctx": 50}).prompt_eval_count == 50


# MARK: Others


def test_what_is_not_there(client):
    for call in [lambda: client.pull("a"), lambda: client.push("a"), lambda: client.create("a", from_="b")]:
        refused(call, "not supported")


def test_asynchronous_client(server, client):
    async def all_of_them():
        many = ollama.AsyncClient(server.url, timeout=PATIENCE)

        async def streamed(seed):
            options = {**OPTIONS, "temperature": 1, "seed": seed}
            return "".join([piece.message.content async for piece in await chat(many, options=options, stream=True)])

        return await asyncio.gather(*[streamed(seed) for seed in range(6)])

    alone = [chat(client, options={**OPTIONS, "temperature": 1, "seed": s}).message.content for s in range(6)]
    assert asyncio.run(all_of_them()) == alone
