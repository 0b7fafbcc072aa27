"""Replies that come in pieces, for `for` and for `async for`."""

import json
from typing import Any, AsyncIterator, Callable, Dict, Generic, Iterator, List, Optional, TypeVar

from ._library import EVENT_CHUNK, EVENT_TEXT
from .errors import InvalidArgumentError
from .request import Event, Request

Piece = TypeVar("Piece")
_parse = json.JSONDecoder().raw_decode
Submit = Callable[..., Request]
"""Starts a request: takes its body and who gets the events."""


def text_of(event: Event) -> Optional[str]:
    """The text that an event brings, if any."""
    return event.text if event.kind == EVENT_TEXT and event.text else None


def chunk_of(event: Event) -> Optional[Dict[str, Any]]:
    """The chunk of OpenAI's API that an event brings, if any."""
    return _parse(event.json)[0] if event.json and event.kind in (EVENT_TEXT, EVENT_CHUNK) else None


class Stream(Generic[Piece]):
    """The pieces of a reply. It starts with the iteration, by `for` or by `async for`, of which there may be one.

    When the iteration is left, by an exception or a cancelled task too, the request is cancelled.
    """

    def __init__(self, submit: Submit, body: Dict[str, Any], piece: Callable[[Event], Optional[Piece]]) -> None:
        """Makes a stream.

        Args:
            submit: Starts the request.
            body: What is asked for.
            piece: What an event brings, or None.
        """
        self._submit = submit
        self._body = body
        self._piece = piece
        self._request: Optional[Request] = None
        self._is_used = False
        self.ids: List[int] = []
        """The tokens that were drawn so far, of all choices."""
        self.reply: Optional[Dict[str, Any]] = None
        """The whole reply, as the server would send it, once it is there."""

    def cancel(self) -> None:
        """Calls the reply off, from any thread or task. Whoever iterates gets a CancelledError."""
        self._is_used = True
        request = self._request
        if request is not None:
            request.cancel()

    def __iter__(self) -> Iterator[Piece]:
        self._use()
        return self._pieces()

    def __aiter__(self) -> AsyncIterator[Piece]:
        self._use()
        return self._pieces_as_they_come()

    def _use(self) -> None:
        if self._is_used:
            raise InvalidArgumentError("the stream was used before; ask for another one")
        self._is_used = True

    def _pieces(self) -> Iterator[Piece]:
        with self._submit(self._body) as request:
            self._request = request
            for taken in request.batches():
                while taken:
                    piece = self._take(taken.popleft())
                    if piece is not None:
                        yield piece

    async def _pieces_as_they_come(self) -> AsyncIterator[Piece]:
        with self._submit(self._body) as request:
            self._request = request
            async for taken in request.batches_as_they_come():
                while taken:
                    piece = self._take(taken.popleft())
                    if piece is not None:
                        yield piece

    def _take(self, event: Event) -> Optional[Piece]:
        if event.token is not None:
            self.ids.append(event.token)
        elif event.is_last:
            event.check()
            self.reply = json.loads(event.json or "{}")
        return self._piece(event)

    def __enter__(self) -> "Stream[Piece]":
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    async def __aenter__(self) -> "Stream[Piece]":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()


async def reply_of(submit: Submit, body: Dict[str, Any]) -> Dict[str, Any]:
    """Waits for a whole reply without holding the loop up. Cancelling the task cancels the request.

    Args:
        submit: Starts the request.
        body: What is asked for.

    Returns:
        The reply, as the server would send it.
    """
    with submit(body) as request:
        async for event in request:
            last = event
    last.check()
    return dict(json.loads(last.json or "{}"))
