"""LangChain's chat models, texts and embeddings, over OpenAI's and Ollama's API."""

import asyncio

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from serving import ALIAS, ANSWER, CONTEXT, PATIENCE

QUESTION = "What is gravity?"
TALK = [SystemMessage("Be brief."), HumanMessage("Hi."), AIMessage("Hello."), HumanMessage(QUESTION)]


@pytest.fixture(scope="module")
def models(server):
    """The two chat models, set up alike."""
    openai = {"base_url": server.url + "/v1", "api_key": "none", "timeout": PATIENCE, "max_retries": 0}
    ollama = {"base_url": server.url, "client_kwargs": {"timeout": PATIENCE}}
    return {
        "openai": ChatOpenAI(model=ALIAS, temperature=0, max_tokens=12, **openai),
        "ollama": ChatOllama(model=ALIAS, temperature=0, num_predict=12, **ollama),
        "openai text": OpenAI(model=ALIAS, temperature=0, max_tokens=6, **openai),
        "ollama text": OllamaLLM(model=ALIAS, temperature=0, num_predict=12, **ollama),
        # Without the check it sends token ids of a tokenizer that is not the model's.
        "openai vectors": OpenAIEmbeddings(model=ALIAS, check_embedding_ctx_length=False, **openai),
        "ollama vectors": OllamaEmbeddings(model=ALIAS, base_url=server.url, client_kwargs={"timeout": PATIENCE}),
    }


@pytest.mark.parametrize("name", ["openai", "ollama"])
def test_chat(models, name):
    reply = models[name].invoke(QUESTION)
    assert reply.content == ANSWER
    assert reply.usage_metadata["output_tokens"] == 12 and reply.usage_metadata["input_tokens"] > 20
    chunks = list(models[name].stream(QUESTION))
    assert len(chunks) > 10 and "".join(chunk.content for chunk in chunks) == ANSWER
    replies = models[name].batch([QUESTION, TALK, QUESTION])
    assert [replies[0].content, replies[2].content] == [ANSWER, ANSWER] and replies[1].content


def test_both_apis_are_one_engine(models):
    assert models["openai"].invoke(TALK).content == models["ollama"].invoke(TALK).content


@pytest.mark.parametrize("name", ["openai", "ollama"])
def test_asynchronous_chat(models, name):
    async def all_of_them():
        async def streamed():
            return "".join([chunk.content async for chunk in models[name].astream(QUESTION)])

        replies = await asyncio.gather(models[name].ainvoke(QUESTION), streamed(), streamed())
        return [replies[0].content, *replies[1:]]

    assert asyncio.run(all_of_them()) == [ANSWER] * 3


def test_stop_and_bound_options(models):
    assert models["openai"].bind(stop=[" physics"]).invoke(QUESTION).content == ANSWER[: ANSWER.index(" physics")]
    assert models["ollama"].bind(stop=[" physics"]).invoke(QUESTION).content == ANSWER[: ANSWER.index(" physics")]
    reply = models["openai"].bind(logprobs=True, top_logprobs=2).invoke(QUESTION)
    assert len(reply.response_metadata["logprobs"]["content"]) == 12
    assert reply.response_metadata["finish_reason"] == "length"


def test_texts(models):
    assert models["openai text"].invoke("The capital of France is").startswith(" Paris.")
    assert "".join(models["openai text"].stream("The capital of France is")).startswith(" Paris.")
    assert models["openai text"].generate(["The capital of France is"] * 3).generations[2][0].text.startswith(" Paris.")
    assert models["ollama text"].invoke(QUESTION) == ANSWER
    assert "".join(models["ollama text"].stream(QUESTION)) == ANSWER


def test_vectors(models):
    texts = ["A cat sat on the mat.", "Stock prices fell."]
    ours = models["openai vectors"].embed_documents(texts)
    theirs = models["ollama vectors"].embed_documents(texts)
    for a, b in zip(ours, theirs, strict=True):
        assert len(a) == 576 and a == pytest.approx(b, abs=1e-5)
    assert models["openai vectors"].embed_query(texts[0]) == pytest.approx(ours[0], abs=1e-6)


def test_a_prompt_over_the_context(models):
    with pytest.raises(openai.BadRequestError, match="context_length_exceeded") as error:
        models["openai"].invoke("word " * (CONTEXT + 10))
    assert error.value.code == "context_length_exceeded"
