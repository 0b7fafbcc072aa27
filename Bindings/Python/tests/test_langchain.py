"""The models for LangChain of examples/langchain."""

import asyncio
import sys

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from support import ANSWER, PACKAGE, QUESTION, TEXT, TOKENS

sys.path.insert(0, str(PACKAGE / "examples/langchain"))
from langchain_apus import ApusLLM, ChatApus  # noqa: E402

TALK = [SystemMessage("Be brief."), HumanMessage("Hi."), AIMessage("Hello."), HumanMessage(QUESTION)]


@pytest.fixture(scope="module")
def chat(model):
    return ChatApus(model=model, temperature=0, max_tokens=12)


@pytest.fixture(scope="module")
def text(model):
    return ApusLLM(model=model, temperature=0, max_tokens=TOKENS)


def test_chat(chat):
    reply = chat.invoke(QUESTION)
    assert reply.content == ANSWER and reply.response_metadata["finish_reason"] == "length"
    assert reply.usage_metadata["output_tokens"] == 12 and reply.usage_metadata["input_tokens"] > 20
    chunks = list(chat.stream(QUESTION))
    assert len(chunks) > 10 and "".join(chunk.content for chunk in chunks) == ANSWER
    whole = sum(chunks[1:], chunks[0])
    assert whole.usage_metadata["output_tokens"] == 12 and whole.response_metadata["finish_reason"] == "length"
    replies = chat.batch([QUESTION, TALK, QUESTION])
    assert [replies[0].content, replies[2].content] == [ANSWER, ANSWER] and replies[1].content not in ("", ANSWER)
    chain = ChatPromptTemplate.from_messages([("user", "What is {thing}?")]) | chat
    assert chain.invoke({"thing": "gravity"}).content == ANSWER


def test_stop_and_bound_options(chat):
    assert chat.bind(stop=[" physics"]).invoke(QUESTION).content == ANSWER[: ANSWER.index(" physics")]
    reply = chat.bind(logprobs=True, top_logprobs=2).invoke(QUESTION)
    assert len(reply.response_metadata["logprobs"]["content"]) == 12


def test_text(text, expected):
    assert text.invoke(TEXT) == expected["text"]
    pieces = list(text.stream(TEXT))
    assert "".join(pieces) == expected["text"] and len(pieces) > 10
    assert text.generate([TEXT, TEXT]).generations[1][0].text == expected["text"]


def test_asynchronous_use(chat, text, expected):
    async def all_of_them():
        async def streamed(model, question):
            return "".join([getattr(piece, "content", piece) async for piece in model.astream(question)])

        replies = await asyncio.gather(
            chat.ainvoke(QUESTION), streamed(chat, QUESTION), text.ainvoke(TEXT), streamed(text, TEXT)
        )
        return [replies[0].content, *replies[1:]]

    assert asyncio.run(all_of_them()) == [ANSWER, ANSWER, expected["text"], expected["text"]]
