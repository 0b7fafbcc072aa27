"""What owns a handle of the C library, and gives it up once."""

import weakref
from typing import Any, Callable, TypeVar

from .errors import InvalidArgumentError

Self = TypeVar("Self", bound="Handle")


class Handle:
    """A handle that is released by `close()`, at the end of a `with` statement, or when nobody has it any more."""

    def __init__(self, handle: int, release: Callable[..., None], *arguments: Any) -> None:
        """Takes a handle over.

        Args:
            handle: The handle.
            release: What gives it up; must not refer to this object.
            arguments: What `release` takes beside the handle, after it.
        """
        self._value = handle
        self._release = weakref.finalize(self, release, handle, *arguments)

    @property
    def handle(self) -> int:
        """The handle, for calls."""
        if not self._release.alive:
            raise InvalidArgumentError(f"the {type(self).__name__.lower()} is closed")
        return self._value

    @property
    def closed(self) -> bool:
        """Whether it was released."""
        return not self._release.alive

    def close(self) -> None:
        """Releases it; once more does nothing."""
        self._release()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
