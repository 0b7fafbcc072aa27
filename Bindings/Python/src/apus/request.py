"""A request to an engine, and the events that come of it: the lowest level, beneath texts and streams."""

import ctypes
import json
import time
from collections import deque
from ctypes import CDLL, PyDLL, byref, c_int64, c_size_t, c_void_p, sizeof
from struct import Struct
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ._handle import Handle
from ._interrupt import SLICE
from ._library import (
    EVENT_DONE,
    EVENT_ERROR,
    EventCallback,
    EventStruct,
    call,
    call_for_handle,
    call_for_text,
    invoke,
    ready_function,
)
from ._mailbox import FEW, PACE, mailbox, new_number
from .errors import BusyError, NoMoreEventsError, WaitTimeoutError, exception

if TYPE_CHECKING:
    from .engine import Engine

_ROOM = 32  # events that are taken at once
_take_waiting = ready_function("apus_request_take", CDLL)
_take_now = ready_function("apus_request_take", PyDLL)
_TIMEOUT, _CLOSED = WaitTimeoutError.status, NoMoreEventsError.status
_MEMBERS = Struct("@IiiifiPNPN")
_new = tuple.__new__


class Event(NamedTuple):
    """Something that came of a request."""

    kind: int
    """What it tells: `EVENT_…`."""
    choice: int
    """Which choice of the request ("n"), and of which prompt: prompt * n + choice."""
    token: Optional[int]
    """The token that was drawn, if one was."""
    logprob: float
    """Its log probability, if the request asks for them; else NaN."""
    status: int
    """How the request ended, in the last event."""
    text: str
    """How the reply goes on: whole characters. In an error the message."""
    json: Optional[str]
    """What the kind says; with "stream" the chunk that the server would send."""

    @property
    def is_last(self) -> bool:
        """Whether no other follows."""
        return self.kind in (EVENT_DONE, EVENT_ERROR)

    def check(self) -> None:
        """Raises what the request failed with, if this event says that it did."""
        if self.kind == EVENT_ERROR:
            raise exception(self.status, self.text)


def _event(struct: EventStruct) -> Event:
    _, kind, choice, token, logprob, status, place, length, data, _ = _MEMBERS.unpack_from(struct)
    text = struct.text if length else b""
    if len(text) != length:  # it has a NUL
        text = ctypes.string_at(place, length)
    json_text = struct.json.decode() if data else None
    return _new(Event, (kind, choice, token if token >= 0 else None, logprob, status, text.decode(), json_text))


def _release(handle: int, _: List[Any]) -> None:
    invoke("apus_request_release", handle)


class Request(Handle):
    """A request that is under way. Iterating, by `for` or `async for`, gives its events; closing cancels it."""

    def __init__(self, engine: "Engine", body: Dict[str, Any]) -> None:
        """Starts a request.

        Args:
            engine: Who computes it.
            body: The body of an HTTP request, and "endpoint": "chat/completions" (the default), "completions" or
                "embeddings".
        """
        data = json.dumps(body).encode()
        self._engine = engine  # must not be finalized before this
        # No callback: to enter Python on a thread of the engine's costs more than its caller's waiting for events.
        handle = call_for_handle("apus_engine_submit", engine.handle, data, len(data), EventCallback(), None)
        # Where events come to lie, whose texts are the library's, and what gets them there. All is made once: what a
        # token costs is mostly code that has left the caches before the next one.
        self._structs, self._count = (EventStruct * _ROOM)(EventStruct(size=sizeof(EventStruct))), c_size_t()
        place = (self._structs, c_size_t(_ROOM), byref(self._count), None)
        self._now = (c_void_p(handle), c_int64(0), c_int64(0), *place)
        self._waiting = (c_void_p(handle), c_int64(int(2e9 * PACE)), c_int64(int(1e9 * PACE)), *place)
        self._places = [self._structs]  # empty while a thread reads
        self._taken: Deque[Event] = deque()
        self._kept: List[Any] = []  # until the release
        super().__init__(handle, _release, self._kept)

    def next(self, timeout: Optional[float] = None) -> Event:
        """Waits for the next event.

        Args:
            timeout: For how many seconds; None: without end. Ctrl-C interrupts it.

        Raises:
            WaitTimeoutError: The time is over.
            NoMoreEventsError: The last event was given.
        """
        if not self._taken:
            self._wait(timeout, self._take_within)
        return self._taken.popleft()

    def wait(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """Waits for the end.

        Args:
            timeout: For how many seconds; None: without end. Ctrl-C interrupts it.

        Returns:
            The whole reply, as the server would send it.

        Raises:
            WaitTimeoutError: The time is over.
            ApusError: What the request failed with.
        """
        reply = self._wait(timeout, lambda wait: call_for_text("apus_request_wait", self.handle, wait))
        return dict(json.loads(reply))

    @staticmethod
    def _wait(timeout: Optional[float], attempt: Callable[[c_int64], Any]) -> Any:
        """Waits in slices, since Python handles signals between calls only."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = SLICE if end is None else min(SLICE, max(0.0, end - time.monotonic()))
            try:
                return attempt(c_int64(int(left * 1e9)))
            except WaitTimeoutError:
                if end is not None and time.monotonic() >= end:
                    raise

    def __iter__(self) -> Iterator[Event]:
        """The events. Those of a fast model come several at a time, 10 to 20 times a second."""
        for taken in self.batches():
            while taken:
                yield taken.popleft()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The same in asyncio. For one task."""
        async for taken in self.batches_as_they_come():
            while taken:
                yield taken.popleft()

    def batches(self) -> Iterator[Deque[Event]]:
        """The events that come at a time, which are to be popped."""
        taken = self._taken
        while taken or self._take(_take_waiting, self._waiting) != _CLOSED:
            yield taken

    async def batches_as_they_come(self) -> AsyncIterator[Deque[Event]]:
        """The same in asyncio. For one task."""
        box, number = mailbox(), new_number()
        self._kept.append(box)
        taken = self._taken
        is_fast, woken, pace = False, 0.0, PACE
        while taken or self._take(_take_now, self._now) != _CLOSED:
            if taken:
                woken, is_last, may_wait = time.monotonic(), taken[-1].is_last, is_fast and len(taken) < _ROOM
                tokens = sum(event.token is not None for event in taken)
                pace = PACE if tokens * PACE >= FEW * pace else 2 * PACE
                yield taken
                if is_last:
                    return
                if may_wait:
                    await box.tick(pace)
            else:
                call("apus_request_notify", self.handle, box.descriptor, number)
                await box.news(number)
                is_fast = time.monotonic() - woken < PACE

    def _take(self, function: Callable[..., int], arguments: Tuple[Any, ...]) -> int:
        """Adds what there is to `_taken`.

        Returns:
            The status: of no error, of nothing in time, or of the end.
        """
        try:
            structs = self._places.pop()
        except IndexError:
            raise BusyError("another thread waits for this request's events") from None
        try:
            status = function(*arguments)
            if status in (_TIMEOUT, _CLOSED):
                return status
            if status != 0:  # comes again, with a message
                call("apus_request_take", self.handle, *arguments[1:-1])
            for index in range(self._count.value):
                self._taken.append(_event(structs[index]))
            return 0
        finally:
            self._places.append(structs)

    def _take_within(self, limit: c_int64) -> None:
        """Waits for something, and adds it to `_taken`."""
        status = self._take(_take_waiting, (self._now[0], limit, *self._now[2:]))
        if status != 0:
            raise exception(status, "there was no event in time" if status == _TIMEOUT else "there are no more events")

    def cancel(self) -> None:
        """Calls the request off; its last event then says so. After the end it does nothing."""
        if not self.closed:
            invoke("apus_request_cancel", c_void_p(self.handle))
