"""Apus: language models on the CPU, in this process.

model = apus.Model("model.gguf")
print(model.generate("The capital of France is", max_tokens=8))
print(model.chat("Who are you?")["choices"][0]["message"]["content"])

for piece in model.stream("Once upon a time"): ...        # or `async for`, any number at a time
"""

import json
from typing import Any, Dict

from ._library import ABI_MAJOR, call_for_text, set_log_callback, version
from .engine import Engine
from .errors import (
    ApusError,
    BadGrammarError,
    BadModelError,
    BusyError,
    CancelledError,
    ContextFullError,
    FileError,
    ForkedError,
    InternalError,
    InvalidArgumentError,
    LibraryError,
    NoMoreEventsError,
    NotFoundError,
    OutOfMemoryError,
    TooSmallError,
    UnsupportedError,
    WaitTimeoutError,
)
from .generation import Generation
from .model import Model
from .request import Event, Request
from .session import Session
from .stream import Stream

__version__ = version()


def system_info() -> Dict[str, Any]:
    """What the library makes of the machine: `version`, `abi`, `isa`, `threads`, `team`, and `handles` in use."""
    return dict(json.loads(call_for_text("apus_system_info")))


__all__ = [
    "ABI_MAJOR",
    "ApusError",
    "BadGrammarError",
    "BadModelError",
    "BusyError",
    "CancelledError",
    "ContextFullError",
    "Engine",
    "Event",
    "FileError",
    "ForkedError",
    "Generation",
    "InternalError",
    "InvalidArgumentError",
    "LibraryError",
    "Model",
    "NoMoreEventsError",
    "NotFoundError",
    "OutOfMemoryError",
    "Request",
    "Session",
    "Stream",
    "TooSmallError",
    "UnsupportedError",
    "WaitTimeoutError",
    "set_log_callback",
    "system_info",
    "version",
]
