"""A plug-in for llm: `llm -m apus/smollm2 hi` computes with a GGUF file in this process."""

import functools
import os
from collections import Counter
from pathlib import Path
from typing import Any, AsyncIterator, Dict, Iterator, List, Optional

import apus
import llm
from pydantic import Field


def folders() -> List[Path]:
    """Where models are looked for."""
    return [Path(os.environ.get("APUS_MODELS", "models")), llm.user_dir() / "apus"]


def short_names(stems: List[str]) -> Dict[str, List[str]]:
    """The beginnings of names, up to a "-", that mean one model alone."""
    beginnings = {stem: ["-".join(stem.split("-")[:n]) for n in range(1, stem.count("-") + 1)] for stem in stems}
    counts = Counter(name for names in beginnings.values() for name in names)
    return {stem: [n for n in names if counts[n] == 1 and n not in stems] for stem, names in beginnings.items()}


@llm.hookimpl
def register_models(register: Any) -> None:
    """Registers every GGUF file as apus/NAME, and by the beginnings of its name."""
    files: Dict[str, Path] = {}
    for folder in folders():
        for file in sorted(folder.glob("*.gguf")) if folder.is_dir() else []:
            files.setdefault(file.stem, file)
    aliases = short_names(list(files))
    for stem, file in files.items():
        register(
            Chat(f"apus/{stem}", file),
            AsyncChat(f"apus/{stem}", file),
            aliases=[f"apus/{name}" for name in aliases[stem]],
        )


@functools.lru_cache(maxsize=1)
def load(file: Path) -> apus.Model:
    """The model of a file, which stays until another one is wanted."""
    context = os.environ.get("APUS_CONTEXT")
    return apus.Model(file, n_ctx=int(context) if context else None)


class Options(llm.Options):
    """What may be said with -o."""

    max_tokens: Optional[int] = Field(default=None, ge=1, description="The most tokens of a reply")
    temperature: Optional[float] = Field(default=None, ge=0, description="0 always takes the likeliest token")
    top_p: Optional[float] = Field(default=None, gt=0, le=1, description="Of the likeliest tokens, up to this share")
    top_k: Optional[int] = Field(default=None, ge=0, description="Of this many tokens; 0: of all")
    min_p: Optional[float] = Field(default=None, ge=0, le=1, description="Of those of this share of the likeliest")
    seed: Optional[int] = Field(default=None, ge=0, description="The same seed gives the same reply")
    stop: Optional[str] = Field(default=None, description="Where the reply ends")


class _Shared:
    can_stream = True
    Options = Options

    def __init__(self, model_id: str, file: Path) -> None:
        self.model_id = model_id
        self._file = file

    def _start(self, prompt: Any) -> "apus.Stream[Dict[str, Any]]":
        messages = [
            {"role": message.role, "content": "".join(getattr(part, "text", "") for part in message.parts)}
            for message in prompt.messages
        ]
        parameters = prompt.options.model_dump(exclude_none=True)
        return load(self._file).chat(messages, stream=True, **parameters)

    def _finish(self, stream: "apus.Stream[Dict[str, Any]]", response: Any) -> None:
        usage = (stream.reply or {}).get("usage", {})
        response.set_usage(input=usage.get("prompt_tokens"), output=usage.get("completion_tokens"))


def _text(chunk: Dict[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


class Chat(_Shared, llm.Model):
    """A model for llm."""

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        """Answers, in pieces whether they are shown or not."""
        reply = self._start(prompt)
        for chunk in reply:
            yield _text(chunk)
        self._finish(reply, response)


class AsyncChat(_Shared, llm.AsyncModel):
    """The same for llm's asynchronous use."""

    async def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> AsyncIterator[str]:
        """Answers in pieces."""
        reply = self._start(prompt)
        async for chunk in reply:
            yield _text(chunk)
        self._finish(reply, response)
