"""A loaded model: its tokenizer, its facts, and what it is asked for."""

import ctypes
import json
import os
import threading
from ctypes import byref, c_size_t
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from ._handle import Handle
from ._interrupt import interruptible
from ._library import (
    ADD_SPECIAL,
    PARSE_SPECIAL,
    RENDER_SPECIAL,
    ProgressCallback,
    call,
    call_for_handle,
    call_for_text,
    invoke,
    path_bytes,
)
from ._tokens import tokens_buffer
from .engine import Engine, options_of
from .errors import CancelledError, TooSmallError
from .generation import Generation, Message
from .request import Request
from .session import Session


class Model(Handle, Generation):
    """A model from a GGUF file.

    Texts, conversations and vectors come from an engine of its own, which is made when it is wanted, or at once where
    it has options. It may be used from any threads and tasks at the same time.
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        *,
        n_threads: Optional[int] = None,
        n_ctx: Optional[int] = None,
        n_batch: Optional[int] = None,
        progress: Optional[Callable[[float], Any]] = None,
        **options: Any,
    ) -> None:
        """Loads a model; Ctrl-C calls it off.

        Args:
            path: A GGUF file, or the first part of a split one.
            n_threads: How many threads compute; None: the processors that the process may use.
            n_ctx: Positions that a sequence may have; None: the model's, or what memory allows.
            n_batch: Tokens of a prompt that are computed together, at the most.
            progress: Is told how far it has come, 0 to 1, on the thread that loads; an exception calls the loading off.
            options: Those of the engine, as `Engine` has them.
        """
        self._options = options
        self._engine: Optional[Engine] = None
        self._lock = threading.Lock()
        self._info: Optional[Dict[str, Any]] = None
        place = path_bytes(path)
        own = options_of({"n_threads": n_threads, "n_ctx": n_ctx, "n_batch": n_batch})
        raised: List[BaseException] = []
        handles: List[int] = []

        def report(fraction: float, _: Any) -> int:
            try:
                if progress is not None and not raised:
                    progress(fraction)
            except BaseException as error:
                raised.append(error)
            return 1 if raised else 0

        def load() -> None:
            handles.append(call_for_handle("apus_model_load", place, own, ProgressCallback(report), None))

        try:
            interruptible(load, lambda: raised.append(KeyboardInterrupt()))
            if raised:
                raise raised[0]  # at the very end
        except BaseException as error:
            for handle in handles:
                _release(handle)
            if raised and isinstance(error, CancelledError):
                raise raised[0] from None
            raise
        super().__init__(handles[0], _release)
        if options:  # what is wrong with them is to be told here, and not with the first request
            try:
                self._engine = Engine(self, **options)
            except BaseException:
                self.close()
                raise

    @property
    def info(self) -> Dict[str, Any]:
        """What is known of the model: `architecture`, `n_vocab`, `n_ctx`, `n_embd`, `eos_token_id`, `metadata`, …."""
        if self._info is None:
            self._info = dict(json.loads(call_for_text("apus_model_info", self.handle)))
        return self._info

    def tokenize(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> List[int]:
        """Cuts a text into tokens.

        Args:
            text: The text.
            add_special: Whether to add the tokens at begin and end that the model wants.
            parse_special: Whether the texts of control tokens become these tokens: only for text that is trusted.
        """
        data = text.encode("utf-8", "surrogatepass")
        flags = (ADD_SPECIAL if add_special else 0) | (PARSE_SPECIAL if parse_special else 0)
        count = c_size_t(len(data) + 8)
        while True:
            tokens = (ctypes.c_int32 * count.value)()
            try:
                call("apus_tokenize", self.handle, data, len(data), flags, tokens, len(tokens), byref(count))
                return tokens[: count.value]
            except TooSmallError:
                continue

    def detokenize(self, tokens: Sequence[int], *, render_special: bool = False) -> str:
        """Makes text of tokens.

        Args:
            tokens: The tokens.
            render_special: Whether control tokens become their texts, and not nothing.
        """
        ids, ids_count = tokens_buffer(tokens)
        count = c_size_t(8 * ids_count + 64)
        flags = RENDER_SPECIAL if render_special else 0
        while True:
            text = ctypes.create_string_buffer(count.value)
            try:
                call("apus_detokenize", self.handle, ids, ids_count, flags, text, len(text), byref(count))
                return text.raw[: count.value].decode()
            except TooSmallError:
                continue

    def apply_template(self, messages: Union[str, Sequence[Message]], **parameters: Any) -> str:
        """The prompt that a conversation becomes by the model's chat template.

        Args:
            messages: The conversation, or a question alone.
            parameters: `add_generation_prompt`, `continue_final_message`, `chat_template`, `tools`,
                `chat_template_kwargs`.
        """
        talk = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
        body = json.dumps({**parameters, "messages": talk}).encode()
        text, length = ctypes.c_void_p(), c_size_t()
        call("apus_apply_template", self.handle, body, len(body), byref(text), byref(length))
        try:
            return ctypes.string_at(text.value or 0, length.value).decode()
        finally:
            invoke("apus_free", text)

    @property
    def engine(self) -> Engine:
        """The engine that the model's own requests go to."""
        engine = self._engine
        if engine is None or engine.closed:
            with self._lock:
                engine = self._engine
                if engine is None or engine.closed:
                    engine = self._engine = Engine(self, **self._options)
        return engine

    def submit(self, body: Dict[str, Any]) -> Request:
        """Starts a request with the model's own engine; see `Engine.submit`."""
        return self.engine.submit(body)

    def session(self, **options: Any) -> Session:
        """Starts an empty sequence, to be extended token by token.

        Args:
            options: `n_kv`: positions of the cache that the sequence and its forks have together.
        """
        return Session(call_for_handle("apus_session_create", self.handle, options_of(options)))

    def close(self) -> None:
        """Gives the model up, and cancels what its own engine has to do. Other engines and sessions go on."""
        if self._engine is not None:
            self._engine.close()
        super().close()


def _release(handle: int) -> None:
    invoke("apus_model_release", handle)
