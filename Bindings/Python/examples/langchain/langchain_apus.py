"""A chat model and a text model for LangChain, on a model of Apus in this process.

chat = ChatApus(model=apus.Model("model.gguf"), temperature=0)
chat.invoke("What is gravity?")
"""

from typing import Any, AsyncIterator, Dict, Iterator, List, Optional

import apus
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LLM, BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, GenerationChunk
from pydantic import BaseModel, ConfigDict, Field


class _Parameters(BaseModel):
    """What both models are set up with."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: apus.Model = Field(exclude=True)
    """Who computes."""
    max_tokens: Optional[int] = None
    """The most tokens of a reply."""
    temperature: Optional[float] = None
    """0 always takes the likeliest token."""
    seed: Optional[int] = None
    """The same seed gives the same reply."""
    model_kwargs: Dict[str, Any] = Field(default_factory=dict)
    """Any other member of a request of the HTTP API."""

    def _request(self, stop: Optional[List[str]], arguments: Dict[str, Any]) -> Dict[str, Any]:
        own = {"max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}
        return {**own, **self.model_kwargs, "stop": stop, **arguments}

    @property
    def _identifying_params(self) -> Dict[str, Any]:
        return {"model": self.model.info["path"], **self._request(None, {})}


class ApusLLM(_Parameters, LLM):
    """Continues texts."""

    @property
    def _llm_type(self) -> str:
        return "apus"

    def _call(
        self,
        prompt: str,
        stop: Optional[List[str]] = None,
        run_manager: Optional[CallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> str:
        return self.model.generate(prompt, **self._request(stop, kwargs))

    async def _acall(
        self,
        prompt: str,
        stop: Optional[List[str]] = None,
        run_manager: Optional[AsyncCallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> str:
        return await self.model.agenerate(prompt, **self._request(stop, kwargs))

    def _stream(
        self,
        prompt: str,
        stop: Optional[List[str]] = None,
        run_manager: Optional[CallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        for piece in self.model.stream(prompt, **self._request(stop, kwargs)):
            chunk = GenerationChunk(text=piece)
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        prompt: str,
        stop: Optional[List[str]] = None,
        run_manager: Optional[AsyncCallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> AsyncIterator[GenerationChunk]:
        async for piece in self.model.stream(prompt, **self._request(stop, kwargs)):
            chunk = GenerationChunk(text=piece)
            if run_manager:
                await run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk


class ChatApus(_Parameters, BaseChatModel):
    """Answers conversations."""

    @property
    def _llm_type(self) -> str:
        return "apus-chat"

    def _generate(
        self,
        messages: List[BaseMessage],
        stop: Optional[List[str]] = None,
        run_manager: Optional[CallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(self.model.chat(convert_to_openai_messages(messages), **self._request(stop, kwargs)))

    async def _agenerate(
        self,
        messages: List[BaseMessage],
        stop: Optional[List[str]] = None,
        run_manager: Optional[AsyncCallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await self.model.achat(convert_to_openai_messages(messages), **self._request(stop, kwargs)))

    def _stream(
        self,
        messages: List[BaseMessage],
        stop: Optional[List[str]] = None,
        run_manager: Optional[CallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        stream = self.model.chat(convert_to_openai_messages(messages), stream=True, **self._request(stop, kwargs))
        for data in stream:
            chunk = _chunk(data)
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
        yield _usage_chunk(stream)

    async def _astream(
        self,
        messages: List[BaseMessage],
        stop: Optional[List[str]] = None,
        run_manager: Optional[AsyncCallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        stream = self.model.chat(convert_to_openai_messages(messages), stream=True, **self._request(stop, kwargs))
        async for data in stream:
            chunk = _chunk(data)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
        yield _usage_chunk(stream)


def _usage(reply: Dict[str, Any]) -> UsageMetadata:
    usage = reply["usage"]
    return UsageMetadata(
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        total_tokens=usage["total_tokens"],
    )


def _result(reply: Dict[str, Any]) -> ChatResult:
    def generation(choice: Dict[str, Any]) -> ChatGeneration:
        facts = {"finish_reason": choice["finish_reason"], "logprobs": choice.get("logprobs")}
        message = AIMessage(
            choice["message"]["content"], usage_metadata=_usage(reply), response_metadata=facts, id=reply["id"]
        )
        return ChatGeneration(message=message, generation_info=facts)

    return ChatResult(generations=[generation(choice) for choice in reply["choices"]])


def _chunk(data: Dict[str, Any]) -> ChatGenerationChunk:
    choice = data["choices"][0]
    facts = {"finish_reason": choice["finish_reason"]} if choice["finish_reason"] else {}
    text = choice["delta"].get("content") or ""
    return ChatGenerationChunk(message=AIMessageChunk(text, id=data["id"], response_metadata=facts))


def _usage_chunk(stream: "apus.Stream[Dict[str, Any]]") -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=_usage(stream.reply or {})))
