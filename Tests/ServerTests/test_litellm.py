"""LiteLLM with every prefix that leads to a server like this one."""

import asyncio

import litellm
import pytest
from serving import ALIAS, ANSWER, CONTEXT, PATIENCE

QUESTION = [{"role": "user", "content": "What is gravity?"}]
CHAT = ["openai", "hosted_vllm", "llamafile", "ollama_chat", "ollama"]

litellm.telemetry = False
litellm.suppress_debug_info = True


@pytest.fixture(scope="module")
def options(server):
    """What a prefix needs to find the server."""

    def options(prefix, **more):
        url = server.url if prefix.startswith("ollama") else server.url + "/v1"
        common = {"model": f"{prefix}/{ALIAS}", "api_base": url, "timeout": PATIENCE, "num_retries": 0}
        key = {} if prefix.startswith("ollama") else {"api_key": "none"}
        return {**common, **key, **more}

    return options


def ask(options, prefix, **more):
    return litellm.completion(**options(prefix, **{"messages": QUESTION, "temperature": 0, "max_tokens": 12, **more}))


@pytest.mark.parametrize("prefix", CHAT)
def test_chat(options, prefix):
    reply = ask(options, prefix)
    assert reply.choices[0].message.content == ANSWER
    assert reply.usage.completion_tokens == 12 and reply.usage.prompt_tokens > 20
    assert reply.choices[0].finish_reason in ("length", "stop")


@pytest.mark.parametrize("prefix", CHAT)
def test_streamed_chat(options, prefix):
    chunks = list(ask(options, prefix, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER


@pytest.mark.parametrize("prefix", CHAT)
def test_options(options, prefix):
    end = ANSWER.index(" physics")
    assert ask(options, prefix, stop=[" physics"]).choices[0].message.content.strip() == ANSWER[:end]
    drawn = [ask(options, prefix, temperature=1.2, seed=seed).choices[0].message.content for seed in [5, 5, 6]]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("prefix", ["openai", "hosted_vllm", "llamafile"])
def test_log_probabilities(options, prefix):
    content = ask(options, prefix, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert len(content) == 12


def test_text(options):
    prompt = {"prompt": "The capital of France is", "temperature": 0, "max_tokens": 6}
    reply = litellm.text_completion(**options("text-completion-openai", **prompt))
    assert reply.choices[0].text.startswith(" Paris.")
    chunks = list(litellm.text_completion(**options("text-completion-openai", **prompt, stream=True)))
    assert "".join(chunk.choices[0].text or "" for chunk in chunks) == reply.choices[0].text


@pytest.mark.parametrize("prefix", ["openai", "hosted_vllm", "ollama"])
def test_vectors(options, prefix):
    reply = litellm.embedding(**options(prefix, input=["Hello", "Good bye"]))
    assert [len(item["embedding"]) for item in reply.data] == [576, 576]


@pytest.mark.parametrize("prefix", ["openai", "hosted_vllm"])
def test_errors_become_its_own(options, prefix):
    with pytest.raises(litellm.ContextWindowExceededError):
        ask(options, prefix, messages=[{"role": "user", "content": "word " * (CONTEXT + 10)}])
    with pytest.raises(litellm.NotFoundError):
        ask(options, prefix, model=f"{prefix}/nobody")
    with pytest.raises(litellm.BadRequestError, match="temperature"):
        ask(options, prefix, temperature=-3)


def test_what_it_asks_of_ollama(server):
    info = litellm.get_model_info(f"ollama/{ALIAS}", api_base=server.url)
    assert info["max_input_tokens"] == CONTEXT


@pytest.mark.parametrize("prefix", CHAT)
def test_asynchronous_chat(options, prefix):
    async def all_of_them():
        common = {"messages": QUESTION, "temperature": 0, "max_tokens": 12}

        async def streamed():
            stream = await litellm.acompletion(**options(prefix, **common, stream=True))
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        whole = await asyncio.gather(*[litellm.acompletion(**options(prefix, **common)) for _ in range(2)])
        return [reply.choices[0].message.content for reply in whole] + [await streamed()]

    assert asyncio.run(all_of_them()) == [ANSWER] * 3
