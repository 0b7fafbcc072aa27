"""What wakes the tasks of asyncio that wait for events, without a thread of Python's in between."""

import asyncio
import itertools
import os
import struct
import threading
import weakref
from typing import Dict, List

PACE = 1 / 20
"""Seconds. Who takes events faster than this is not woken for each one: waking costs more than all else."""
FEW = 5
"""Of fewer tokens in that time, those of twice the time are taken at once."""

_TAG = struct.Struct("=Q")
_numbers = itertools.count(1)


class Mailbox:
    """A pipe into which the library puts the numbers of requests. Each loop has one, for any number of requests."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._reader, self.descriptor = os.pipe()
        for descriptor in (self._reader, self.descriptor):
            os.set_blocking(descriptor, False)
        # The loop has them, so what nobody waits for any more can go.
        self._waiting: Dict[int, "asyncio.Future[None]"] = {}
        self._ticking: Dict[float, List["asyncio.Future[None]"]] = {}
        loop.add_reader(self._reader, self._read)
        # At the end of the process requests may outlive it.
        weakref.finalize(self, _close, self._reader, self.descriptor).atexit = False

    async def news(self, number: int) -> None:
        """Waits until the library writes a number."""
        waiter = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            del self._waiting[number]

    def tick(self, pace: float) -> "asyncio.Future[None]":
        """What comes at the next multiple of so many seconds, at the same time for all who wait for it."""
        loop = asyncio.get_running_loop()
        time = (loop.time() // pace + 1) * pace
        waiter = loop.create_future()
        waiters = self._ticking.get(time)
        if waiters is None:
            self._ticking[time] = [waiter]
            loop.call_at(time, self._beat, time)
        else:
            waiters.append(waiter)
        return waiter

    def _read(self) -> None:
        for (number,) in _TAG.iter_unpack(os.read(self._reader, 4096)):
            waiter = self._waiting.get(number)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def _beat(self, time: float) -> None:
        for waiter in self._ticking.pop(time):
            if not waiter.done():
                waiter.set_result(None)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


_mailboxes: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def mailbox() -> Mailbox:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    with _lock:
        found = _mailboxes.get(loop)
        if found is None:
            found = _mailboxes[loop] = Mailbox(loop)
        return found


def new_number() -> int:
    """A number that no other request has."""
    return next(_numbers)
