"""The exceptions, one for each status of the C library."""

from typing import Dict, Type


class ApusError(Exception):
    """What Apus could not do: one line, which names the file or member at fault, with the value found and wanted."""

    status = 99


class InvalidArgumentError(ApusError, ValueError):
    """A handle, option or member of a request is not what is wanted."""

    status = 1


class NotFoundError(ApusError, FileNotFoundError):
    """There is no such file."""

    status = 2


class BadModelError(ApusError, ValueError):
    """A file is damaged or contradicts itself."""

    status = 3


class UnsupportedError(ApusError, NotImplementedError):
    """Sound, but this version does not do it."""

    status = 4


class OutOfMemoryError(ApusError, MemoryError):
    """The memory wanted is more than is free; the message has the figures."""

    status = 5


class ContextFullError(ApusError, ValueError):
    """The tokens do not fit the context."""

    status = 6


class CancelledError(ApusError):
    """Called off, by `cancel()`, by a callback, or because the engine was closed. (Not asyncio's.)"""

    status = 7


class WaitTimeoutError(ApusError, TimeoutError):
    """The time is over; nothing else has changed."""

    status = 8


class BusyError(ApusError):
    """Too many requests, or another thread uses the session or waits for the request's events."""

    status = 9


class BadGrammarError(ApusError, ValueError):
    """A grammar or schema cannot be used."""

    status = 10


class NoMoreEventsError(ApusError):
    """A request has no more events."""

    status = 11


class ForkedError(ApusError, RuntimeError):
    """The process is a fork of the one that loaded the model.

    A process that is to use models itself starts anew (multiprocessing's "spawn"), or is forked before anything is
    loaded.
    """

    status = 12


class TooSmallError(ApusError):
    """A buffer is too small. (The package asks again with a larger one.)"""

    status = 13


class FileError(ApusError, OSError):
    """A file cannot be opened, read or written."""

    status = 14


class InternalError(ApusError, RuntimeError):
    """A fault of Apus itself, or a status that this version of the package does not know."""

    status = 99


class LibraryError(ApusError, ImportError):
    """The C library is not there, or has another ABI."""


BY_STATUS: Dict[int, Type[ApusError]] = {
    kind.status: kind for kind in ApusError.__subclasses__() if kind is not LibraryError
}
"""The exception that each status is raised as."""


def exception(status: int, message: str) -> ApusError:
    """The exception for a status that is not 0."""
    return BY_STATUS.get(status, InternalError)(message)
