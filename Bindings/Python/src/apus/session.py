"""The token level: a sequence that its caller extends."""

import json
import os
import weakref
from ctypes import byref, c_float, c_int32, c_size_t, c_void_p
from typing import Any, Optional, Sequence, Union

from ._handle import Handle
from ._interrupt import interruptible
from ._library import ALL_LOGITS, call, call_for_handle, invoke, path_bytes
from ._tokens import tokens_buffer
from .errors import InvalidArgumentError
from .generation import Vector, vector

_INLINE_TOKENS = 16
"""How many tokens are computed without a look at signals."""


class _Sequence(Handle):
    """A session's handle, and what is looked at of its memory."""

    def __init__(self, handle: int) -> None:
        super().__init__(handle, _release)
        self.views: "weakref.WeakSet[_View]" = weakref.WeakSet()


class _View:
    """What an array over a session's memory holds, so that the memory stays."""

    def __init__(self, sequence: _Sequence) -> None:
        self.sequence = sequence
        sequence.views.add(self)


class Session:
    """A sequence of tokens: evaluate, look at logits, sample, go back, fork, save. For one thread at a time.

    An array that `logits` gave stays what it is as long as somebody has it, whatever becomes of the session: before the
    session changes that memory it moves on to a fork of itself. Who drops the array first saves that work, and the
    page of 64 positions that the fork needs.
    """

    def __init__(self, handle: int) -> None:
        """Takes a handle over. `Model.session()` starts a session."""
        self._sequence: Optional[_Sequence] = _Sequence(handle)

    def _open(self) -> _Sequence:
        sequence = self._sequence
        if sequence is None:
            raise InvalidArgumentError("the session is closed")
        return sequence

    @property
    def handle(self) -> int:
        """The handle, for calls."""
        return self._open().handle

    def _change(self) -> int:
        """The handle, with memory that nobody looks at."""
        if len(self._open().views) > 0:
            self._sequence = _Sequence(call_for_handle("apus_session_fork", self.handle))
        return self.handle

    def __len__(self) -> int:
        """How many tokens the sequence has."""
        return int(invoke("apus_session_length", self.handle))

    def eval(self, tokens: Sequence[int], *, all_logits: bool = False) -> None:
        """Appends tokens and computes the logits after the last one. Ctrl-C calls it off.

        Args:
            tokens: At least one; an array of numpy's too.
            all_logits: Whether the logits after each of them are kept.
        """
        ids, count = tokens_buffer(tokens)
        arguments = ("apus_session_eval", self._change(), ids, count, ALL_LOGITS if all_logits else 0)
        if count <= _INLINE_TOKENS:
            call(*arguments)
            return
        interruptible(lambda: call(*arguments), self.cancel)

    def cancel(self) -> None:
        """Calls off what another thread evaluates, which gets a CancelledError."""
        if not self.closed:
            invoke("apus_session_cancel", self.handle)

    def logits(self, index: int = -1) -> Vector:
        """The logits after a token of the last `eval`, before temperature, penalties and all sampling.

        Args:
            index: Which token of it, from 0, with `all_logits`; -1 for the last one.

        Returns:
            An array over the session's own memory, not a copy, that cannot be written to.
        """
        sequence = self._open()
        if abs(index) >= 2**31:  # ctypes would pass its last bits
            raise InvalidArgumentError(f"index is {index}, wanted: -1, or a token of the last evaluation")
        row, count = c_void_p(), c_size_t()
        call("apus_session_logits", sequence.handle, index, byref(row), byref(count))
        memory: Any = (c_float * count.value).from_address(row.value or 0)
        memory.view = _View(sequence)
        return vector(memory)

    def sample(self, **sampling: Any) -> int:
        """Draws a token after the last one, which does not join the sequence by that.

        Args:
            sampling: Parameters of a request: `temperature`, `top_k`, `seed`, …. While they stay the same the random
                generator goes on.
        """
        token = c_int32()
        values = {"strict": True, **{name: value for name, value in sampling.items() if value is not None}}
        call("apus_session_sample", self.handle, json.dumps(values, sort_keys=True).encode(), byref(token))
        return token.value

    def truncate(self, length: int) -> None:
        """Drops tokens from the end; keeps the first `length`."""
        if not 0 <= length <= len(self):
            raise InvalidArgumentError(f"length is {length}, wanted: 0 to {len(self)}")
        call("apus_session_truncate", self._change(), length)

    def fork(self) -> "Session":
        """Another session that begins with the same tokens and logits, whose computation it shares."""
        return Session(call_for_handle("apus_session_fork", self.handle))

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Saves the tokens, and what is computed for them, to a file."""
        call("apus_session_save", self.handle, path_bytes(path))

    def load(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Replaces the sequence by a saved one. Logits are there after the next evaluation."""
        call("apus_session_load", self._change(), path_bytes(path))

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._sequence is None

    def close(self) -> None:
        """Gives the session up. Its memory goes with the last array over it."""
        self._sequence = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _release(handle: int) -> None:
    invoke("apus_session_release", handle)
