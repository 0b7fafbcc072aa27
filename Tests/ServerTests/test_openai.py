"""OpenAI's client, which here checks every reply against its types, over every endpoint and option that Apus has."""

import asyncio
import base64
import json
import math
import struct

import openai
import pytest
from serving import ALIAS, ANSWER, CONTEXT, MODEL, PATIENCE, ROOT, VOCABULARY, wait_until

REFERENCE = {
    case["name"]: case for case in json.loads((ROOT / "Tests/Reference/smollm2-135m-instruct-q4_1.json").read_text())
}
QUESTION = [{"role": "user", "content": "What is gravity?"}]
BASICS = {"model": ALIAS, "messages": QUESTION, "temperature": 0, "max_tokens": 12}
TEXT = {"model": ALIAS, "prompt": "The capital of France is", "temperature": 0, "max_tokens": 6}
WIDTH = 576


def options(url):
    return {"base_url": url + "/v1", "api_key": "none", "timeout": PATIENCE, "max_retries": 0}


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(**options(server.url), _strict_response_validation=True) as client:
        yield client


@pytest.fixture(scope="module")
def lenient(server):
    """For what the client's own types refuse, whoever says it.

    These are pieces of a text without a finish_reason, an echo's first token without a probability, and vectors in
    base64, which it decodes only after it has checked them.
    """
    with openai.OpenAI(**options(server.url)) as client:
        yield client


def chat(client, **more):
    return client.chat.completions.create(**{**BASICS, **more})


def complete(client, **more):
    return client.completions.create(**{**TEXT, **more})


def text_of(reply, choice=0):
    return reply.choices[choice].message.content


def refused(call, parameter, status=openai.BadRequestError):
    with pytest.raises(status) as error:
        call()
    assert error.value.param == parameter
    assert error.value.body["message"] and error.value.body["type"]
    return error.value


# MARK: Models


def test_models(client):
    models = client.models.list().data
    assert {model.id for model in models} >= {MODEL, ALIAS}
    for model in models:
        assert (model.object, client.models.retrieve(model.id).created) == ("model", model.created)


def test_unknown_models(client):
    for call in [
        lambda: client.models.retrieve("nobody/knows:this"),
        lambda: chat(client, model="gpt-none"),
        lambda: complete(client, model="gpt-none"),
        lambda: client.embeddings.create(model="gpt-none", input="a"),
    ]:
        assert refused(call, "model", openai.NotFoundError).code == "model_not_found"


def test_names_of_a_model(client):
    assert {text_of(chat(client, model=name)) for name in [ALIAS, MODEL, MODEL.upper(), MODEL + ":latest"]} == {
        text_of(chat(client))
    }


# MARK: Chat


def test_chat(client):
    reply = chat(client)
    choice = reply.choices[0]
    assert (reply.object, choice.index, choice.message.role, choice.finish_reason) == (
        "chat.completion",
        0,
        "assistant",
        "length",
    )
    assert choice.message.content == ANSWER
    usage = reply.usage
    assert usage.prompt_tokens == len(REFERENCE["chat"]["ids"])
    assert (usage.completion_tokens, usage.total_tokens) == (12, usage.prompt_tokens + 12)
    assert 0 <= usage.prompt_tokens_details.cached_tokens < usage.prompt_tokens


def test_a_reply_that_ends_by_itself(client):
    reply = chat(client, messages=[{"role": "user", "content": "Say hi."}], max_tokens=200)
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.completion_tokens < 200 and "<|im_end|>" not in text_of(reply)


@pytest.mark.parametrize("wants_usage", [False, True])
def test_streamed_chat(client, wants_usage):
    chunks = list(chat(client, stream=True, stream_options={"include_usage": wants_usage}))
    assert len({chunk.id for chunk in chunks}) == len({chunk.created for chunk in chunks}) == 1
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    if wants_usage:
        last = chunks.pop()
        assert last.choices == [] and usages == [last.usage] and last.usage.completion_tokens == 12
    else:
        assert usages == []
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["length"]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text_of(chat(client))


def test_the_clients_own_stream(client):
    with client.chat.completions.stream(**BASICS, n=2, logprobs=True, top_logprobs=2) as stream:
        for _ in stream:
            pass
        final = stream.current_completion_snapshot
    whole = chat(client, n=2, logprobs=True, top_logprobs=2)
    for ours, theirs in zip(whole.choices, final.choices, strict=True):
        assert ours.message.content == theirs.message.content
        assert [e.model_dump() for e in ours.logprobs.content] == [e.model_dump() for e in theirs.logprobs.content]


def test_headers_of_a_stream(client):
    with client.chat.completions.with_streaming_response.create(**BASICS, stream=True) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-cache"
        assert reply.headers["x-accel-buffering"] == "no"
        assert list(reply.iter_lines())[-2:] == ["data: [DONE]", ""]


def test_several_choices(client):
    reply = chat(client, n=3, temperature=1, seed=7)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in reply.choices}) == 3
    again = chat(client, n=3, temperature=1, seed=7)
    assert [c.message.content for c in again.choices] == [c.message.content for c in reply.choices]
    assert len({text_of(chat(client, n=3), choice) for choice in range(3)}) == 1
    assert reply.usage.prompt_tokens == len(REFERENCE["chat"]["ids"])
    assert reply.usage.completion_tokens == 36


def test_seeds(client):
    texts = [text_of(chat(client, temperature=1.2, seed=seed)) for seed in [1, 1, 2, -5, -5, 2**40]]
    assert texts[0] == texts[1] and texts[3] == texts[4]
    assert len(set(texts)) == 4


@pytest.mark.parametrize("stop", ["concept", ["never said", "n physics t"], ["damental"]])
@pytest.mark.parametrize("streams", [False, True])
def test_stop(client, stop, streams):
    whole = text_of(chat(client))
    end = min(whole.index(text) for text in ([stop] if isinstance(stop, str) else stop) if text in whole)
    reply = chat(client, stop=stop, stream=streams)
    if streams:
        chunks = list(reply)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        reason = chunks[-1].choices[0].finish_reason
    else:
        text, reason = text_of(reply), reply.choices[0].finish_reason
    assert (text, reason) == (whole[:end], "stop")


def test_a_stop_string_that_never_comes_whole(client):
    whole = text_of(chat(client))
    assert text_of(chat(client, stop=[whole[-4:] + "!", whole[3:9] + "?"])) == whole


def test_logit_bias(client):
    first = REFERENCE["chat"]["greedy"][0]
    assert not text_of(chat(client, logit_bias={str(first): -100})).startswith("Gravity")
    assert text_of(chat(client, logit_bias={"2683": 100}, max_tokens=3)) == 3 * text_of(
        chat(client, logit_bias={"2683": 100}, max_tokens=1)
    )


def test_log_probabilities(client):
    reply = chat(client, logprobs=True, top_logprobs=5)
    entries = reply.choices[0].logprobs.content
    assert len(entries) == reply.usage.completion_tokens
    assert bytes(byte for entry in entries for byte in entry.bytes).decode() == text_of(reply)
    for entry in entries:
        tops = [top.logprob for top in entry.top_logprobs]
        assert len(tops) == 5 and tops == sorted(tops, reverse=True)
        assert (entry.token, entry.logprob) == (entry.top_logprobs[0].token, tops[0])
        assert sum(map(math.exp, tops)) <= 1 + 1e-6
    # The reference's gap between first and second is one of logits, which log probabilities keep.
    gap = entries[0].top_logprobs[0].logprob - entries[0].top_logprobs[1].logprob
    assert gap == pytest.approx(REFERENCE["chat"]["greedy_gap"][0], abs=0.5)
    # They are those of the model, whatever is done to draw.
    drawn = chat(client, logprobs=True, temperature=0.1, max_tokens=1, logit_bias={"2683": 100}).choices[0].logprobs
    assert drawn.content[0].logprob < -5
    assert chat(client).choices[0].logprobs is None


def test_max_tokens_has_two_names(client):
    for name in ["max_tokens", "max_completion_tokens"]:
        reply = client.chat.completions.create(model=ALIAS, messages=QUESTION, temperature=0, **{name: 5})
        assert reply.usage.completion_tokens == 5


def test_forms_of_messages(client):
    conversation = [
        {"role": "developer", "content": [{"type": "text", "text": "Answer in one word."}]},
        {
            "role": "user",
            "name": "ann",
            "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "2?"}],
        },
        {"role": "assistant", "content": None},
        {"role": "user", "content": "Go on."},
    ]
    plain = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "What is\n2?"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Go on."},
    ]
    assert text_of(chat(client, messages=conversation)) == text_of(chat(client, messages=plain))


def test_what_is_passed_over(client):
    asked = {
        "user": "me",
        "store": False,
        "metadata": {"a": "b"},
        "tools": [],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "service_tier": "auto",
        "parallel_tool_calls": True,
        "logit_bias": {},
        "stop": None,
        "seed": None,
        "top_logprobs": None,
        "extra_body": {"nobody_knows": {"this": [1]}, "top_k": None, "options": "no"},
    }
    assert text_of(chat(client, **asked)) == text_of(chat(client))


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    "parameter, value",
    [
        ("tools", [TOOL]),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}),
        ("temperature", -1),
        ("top_p", 1.5),
        ("n", 0),
        ("max_tokens", -7),
        ("frequency_penalty", "x"),
        ("messages", []),
        ("top_logprobs", 3),
        ("stop", [1]),
    ],
)
def test_refusals(client, parameter, value):
    error = refused(lambda: chat(client, **{parameter: value}), "stop[0]" if parameter == "stop" else parameter)
    assert parameter in error.body["message"]


@pytest.mark.parametrize("name", ["grammar", "json_schema"])
def test_refused_extras(client, name):
    refused(lambda: chat(client, extra_body={name: "root ::= [a-z]+"}), name)


def test_a_prompt_over_the_context(client):
    long = [{"role": "user", "content": "word " * (CONTEXT + 100)}]
    for streams in [False, True]:
        error = refused(lambda streams=streams: chat(client, messages=long, stream=streams), "messages")
        assert (error.code, error.type) == ("context_length_exceeded", "exceed_context_size_error")
        assert f"This model's maximum context length is {CONTEXT} tokens." in error.body["message"]
        assert error.body["n_ctx"] == CONTEXT < error.body["n_prompt_tokens"]
    error = refused(lambda: complete(client, prompt="word " * (CONTEXT + 100)), "prompt")
    assert error.code == "context_length_exceeded"


def test_sampling_parameters(client):
    more = {"presence_penalty": 0.5, "frequency_penalty": 0.5, "top_p": 0.9, "temperature": 0.7, "seed": 3}
    extra = {"top_k": 30, "min_p": 0.05, "repeat_penalty": 1.1, "repeat_last_n": 32, "typical_p": 0.95}
    first = text_of(chat(client, **more, extra_body=extra))
    assert first == text_of(chat(client, **more, extra_body=extra))
    assert text_of(chat(client, temperature=5, extra_body={"top_k": 1}, seed=4)) == text_of(chat(client))


def test_what_was_computed_is_used_again(client):
    messages = [{"role": "user", "content": "Tell me of rivers. " * 40}]
    first, second = chat(client, messages=messages), chat(client, messages=messages)
    assert text_of(first) == text_of(second)
    assert second.usage.prompt_tokens_details.cached_tokens > first.usage.prompt_tokens * 0.8


# MARK: Text completions


def test_completion(client):
    reply = complete(client)
    assert (reply.object, reply.choices[0].finish_reason) == ("text_completion", "length")
    assert reply.choices[0].text.startswith(" Paris.")
    assert reply.usage.prompt_tokens == len(REFERENCE["capital"]["ids"])


@pytest.mark.parametrize("name", ["capital", "code"])
def test_forms_of_prompts(client, name):
    """A string, a list, ids and lists of ids are the same prompt."""
    text, ids = REFERENCE[name]["text"], REFERENCE[name]["ids"]
    replies = [complete(client, prompt=prompt) for prompt in [text, [text], ids, [ids]]]
    assert len({reply.choices[0].text for reply in replies}) == 1
    assert {reply.usage.prompt_tokens for reply in replies} == {len(ids)}


def test_several_prompts(client):
    prompts = ["The capital of France is", "One, two, three,", "Water boils at"]
    together = complete(client, prompt=prompts, n=2)
    assert [choice.index for choice in together.choices] == list(range(6))
    alone = [complete(client, prompt=prompt) for prompt in prompts]
    for choice in together.choices:
        assert choice.text == alone[choice.index // 2].choices[0].text
    assert together.usage.prompt_tokens == sum(reply.usage.prompt_tokens for reply in alone)


def test_echo_and_log_probabilities(lenient):
    case = REFERENCE["capital"]
    reply = complete(lenient, prompt=[case["ids"]], echo=True, logprobs=1, max_tokens=1, seed=1234)
    scores = reply.choices[0].logprobs
    assert reply.choices[0].text == case["text"] + " Paris"
    assert len(scores.tokens) == len(scores.token_logprobs) == len(scores.top_logprobs) == len(case["ids"]) + 1
    assert scores.token_logprobs[0] is None and scores.top_logprobs[0] is None
    assert [-value for value in scores.token_logprobs[1:-1]] == pytest.approx(case["nll"], abs=0.3)
    assert "".join(scores.tokens) == reply.choices[0].text
    assert scores.text_offset == [len("".join(scores.tokens[:i])) for i in range(len(scores.tokens))]
    for token, value, top in list(zip(scores.tokens, scores.token_logprobs, scores.top_logprobs, strict=True))[1:]:
        assert top[token] == value <= max(top.values())


def test_scores_without_a_reply(lenient):
    reply = complete(lenient, echo=True, logprobs=3, max_tokens=0)
    assert reply.choices[0].text == TEXT["prompt"]
    assert len(reply.choices[0].logprobs.tokens) == len(REFERENCE["capital"]["ids"])
    assert reply.usage.completion_tokens == 0


def test_log_probabilities_of_a_text(client):
    scores = complete(client, logprobs=4).choices[0].logprobs
    assert len(scores.tokens) == 6 and all(len(top) == 4 for top in scores.top_logprobs)
    assert all(top[token] == max(top.values()) for token, top in zip(scores.tokens, scores.top_logprobs, strict=True))


def test_streamed_completion(lenient):
    for more in [{}, {"echo": True, "logprobs": 2}, {"prompt": ["One, two,", "Hello"], "n": 2}]:
        whole = complete(lenient, **more)
        chunks = list(complete(lenient, **more, stream=True, stream_options={"include_usage": True}))
        assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
        for choice in whole.choices:
            pieces = [c for chunk in chunks for c in chunk.choices if c.index == choice.index]
            assert "".join(piece.text for piece in pieces) == choice.text
            assert pieces[-1].finish_reason == choice.finish_reason
            if choice.logprobs:
                scores = [piece.logprobs for piece in pieces if piece.logprobs]
                for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"]:
                    assert sum((getattr(s, name) for s in scores), []) == getattr(choice.logprobs, name)


@pytest.mark.parametrize(
    "parameter, value",
    [
        ("suffix", "the end"),
        ("prompt", []),
        ("prompt", [VOCABULARY]),
        ("prompt", [[1, -1]]),
        ("logprobs", 100000),
        ("echo", "yes"),
        ("best_of", 5),
        ("n", 100000),
    ],
)
def test_refused_completions(client, parameter, value):
    with pytest.raises(openai.BadRequestError) as error:
        complete(client, **{parameter: value})
    assert error.value.param.startswith(parameter)


# MARK: Embeddings


def embed(client, texts, **more):
    return client.embeddings.create(model=ALIAS, input=texts, **{"encoding_format": "float", **more})


def test_embeddings(client):
    texts = ["A cat sat on the mat.", "The cat is on the mat.", "Stock prices fell by 3 %."]
    reply = embed(client, texts)
    vectors = [item.embedding for item in reply.data]
    assert [item.index for item in reply.data] == [0, 1, 2] and {len(v) for v in vectors} == {WIDTH}
    assert [math.fsum(x * x for x in v) for v in vectors] == pytest.approx([1, 1, 1], abs=1e-5)

    def similarity(a, b):
        return math.fsum(x * y for x, y in zip(vectors[a], vectors[b], strict=True))

    assert similarity(0, 1) > similarity(0, 2)
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 0


def test_encodings_of_a_vector(client, lenient):
    """The client asks for base64 unless it is told otherwise; both are the same numbers."""
    numbers = embed(client, "Hello").data[0].embedding
    default = lenient.embeddings.create(model=ALIAS, input="Hello").data[0].embedding
    encoded = embed(lenient, "Hello", encoding_format="base64").data[0].embedding
    assert list(struct.unpack(f"<{WIDTH}f", base64.b64decode(encoded))) == pytest.approx(numbers, rel=1e-6)
    assert default == pytest.approx(numbers, rel=1e-6)


def test_forms_of_inputs(client):
    text, ids = REFERENCE["capital"]["text"], REFERENCE["capital"]["ids"]
    replies = [embed(client, value) for value in [text, [text], ids, [ids]]]
    assert len({tuple(reply.data[0].embedding) for reply in replies}) == 1
    assert {reply.usage.prompt_tokens for reply in replies} == {len(ids)}


def test_refused_embeddings(client):
    refused(lambda: embed(client, []), "input")
    refused(lambda: embed(client, "a", dimensions=7), "dimensions")
    refused(lambda: embed(client, "a", encoding_format="int8"), "encoding_format")
    long = refused(lambda: embed(client, "word " * (CONTEXT + 9)), "input")
    assert long.code == "context_length_exceeded"


# MARK: Many at a time


def test_asynchronous_client(server, client):
    """Streams, replies in one piece and vectors beside each other: each the same as alone."""

    async def all_of_them():
        async with openai.AsyncOpenAI(**options(server.url), _strict_response_validation=True) as many:

            async def streamed(seed):
                stream = await chat(many, seed=seed, temperature=1, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            async def whole(seed):
                return text_of(await chat(many, seed=seed, temperature=1))

            return await asyncio.gather(
                *[streamed(seed) for seed in range(4)],
                *[whole(seed) for seed in range(4)],
                embed(many, "Hello"),
            )

    *texts, vector = asyncio.run(all_of_them())
    expected = [text_of(chat(client, seed=seed, temperature=1)) for seed in range(4)]
    assert texts == expected * 2
    assert vector.data == embed(client, "Hello").data


def test_a_stream_that_is_left(server, client):
    """Who leaves a stream frees what it held."""
    stream = chat(client, stream=True, max_tokens=4000, messages=[{"role": "user", "content": "Count to 1000."}])
    for _, chunk in zip(range(3), stream, strict=False):
        assert chunk.choices
    stream.close()
    wait_until(server.is_idle, "an idle server")
