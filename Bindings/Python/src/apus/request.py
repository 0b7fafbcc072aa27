"""A request to an engine, and the events that come of it: the lowest level, beneath texts and streams."""

import ctypes
import json
import threading
import time
from ctypes import byref, c_int64, c_void_p, sizeof
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, Iterator, List, NamedTuple, Optional

from ._handle import Handle
from ._interrupt import SLICE
from ._library import (
    EVENT_DONE,
    EVENT_ERROR,
    FUNCTIONS,
    QUICK_FUNCTIONS,
    EventCallback,
    EventStruct,
    call,
    call_for_handle,
    call_for_text,
    invoke,
)
from ._mailbox import PACE, mailbox, new_number
from .errors import BusyError, NoMoreEventsError, WaitTimeoutError, exception

if TYPE_CHECKING:
    from .engine import Engine

_NANOSECONDS = int(SLICE * 1e9)
_next = FUNCTIONS["apus_request_next"]
_poll = QUICK_FUNCTIONS["apus_request_next"]
_TIMEOUT = WaitTimeoutError.status


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
    text, data, token = struct.text or b"", struct.json, struct.token
    if len(text) != struct.text_len:  # it has a NUL
        text = ctypes.string_at(
            ctypes.c_void_p.from_buffer(struct, EventStruct.text.offset).value or 0, struct.text_len
        )
    return Event(
        struct.kind,
        struct.choice,
        token if token >= 0 else None,
        struct.logprob,
        struct.status,
        text.decode(),
        data.decode() if data else None,
    )


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
        # Where an event comes to lie, for one thread at a time: its texts are the library's.
        self._struct = EventStruct(size=sizeof(EventStruct))
        self._reading = threading.Lock()
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
        self._begin_reading()
        try:
            # Once a token, so this is quick; what is not an event comes again below.
            if _next(self.handle, _NANOSECONDS if timeout is None else 0, self._struct, None) != 0:
                self._wait(timeout, lambda wait: call("apus_request_next", self.handle, wait, byref(self._struct)))
            return _event(self._struct)
        finally:
            self._reading.release()

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
        """The events. Those of a fast model come several at a time, at most 30 times a second."""
        is_fast, woken = False, 0.0
        while True:
            try:
                event = self._poll()
                if event is None and is_fast:
                    time.sleep(max(0.0, woken + PACE - time.monotonic()))
                    event = self._poll()
                    woken = woken if event is None else time.monotonic()
                if event is None:
                    event = self.next()
                    now = time.monotonic()
                    is_fast, woken = now - woken < PACE, now
            except NoMoreEventsError:
                return
            yield event
            if event.is_last:
                return

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The same in asyncio. For one task."""
        box, number = mailbox(), new_number()
        self._kept.append(box)
        is_fast, woken = False, 0.0
        while True:
            try:
                event = self._poll()
                if event is None and is_fast:
                    await box.tick()
                    event = self._poll()
                    woken = woken if event is None else time.monotonic()
            except NoMoreEventsError:
                return
            if event is None:
                call("apus_request_notify", self.handle, box.descriptor, number)
                await box.news(number)
                now = time.monotonic()
                is_fast, woken = now - woken < PACE, now
                continue
            yield event
            if event.is_last:
                return

    def _poll(self) -> Optional[Event]:
        """An event that is there already."""
        self._begin_reading()
        try:
            status = _poll(self.handle, 0, self._struct, None)
            if status == 0:
                return _event(self._struct)
            if status != _TIMEOUT:
                call("apus_request_next", self.handle, 0, byref(self._struct))
            return None
        finally:
            self._reading.release()

    def _begin_reading(self) -> None:
        if not self._reading.acquire(blocking=False):
            raise BusyError("another thread waits for this request's events")

    def cancel(self) -> None:
        """Calls the request off; its last event then says so. After the end it does nothing."""
        if not self.closed:
            invoke("apus_request_cancel", c_void_p(self.handle))
