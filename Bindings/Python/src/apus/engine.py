"""An engine: any number of requests on a model at the same time."""

import json
from typing import TYPE_CHECKING, Any, Dict

from ._handle import Handle
from ._library import call_for_handle, call_for_text, invoke
from .generation import Generation
from .request import Request

if TYPE_CHECKING:
    from .model import Model


def options_of(values: Dict[str, Any]) -> bytes:
    """Options as the library takes them; None is the same as nothing, and a name that it does not know an error."""
    return json.dumps({**{name: value for name, value in values.items() if value is not None}, "strict": True}).encode()


class Engine(Handle, Generation):
    """Runs any number of requests, from any threads and tasks, on a model; takes no processor time without any."""

    def __init__(self, model: "Model", /, **options: Any) -> None:
        """Makes an engine.

        Args:
            model: The model.
            options: `n_parallel`, `n_kv`, `max_queue`, `cache_prompt`, `speculate`, `pooling`, `chat_template`, `model`
                (its name in replies), and what holds where a request says nothing: `max_tokens`, `temperature`, ….
        """
        super().__init__(call_for_handle("apus_engine_create", model.handle, options_of(options)), _release)

    def submit(self, body: Dict[str, Any]) -> Request:
        """Starts a request, and returns at once.

        Args:
            body: The body of an HTTP request, and "endpoint": "chat/completions" (the default), "completions" or
                "embeddings".
        """
        return Request(self, body)

    def stats(self) -> Dict[str, Any]:
        """What the engine holds and has done: requests, pages of the cache, tokens, steps."""
        return dict(json.loads(call_for_text("apus_engine_stats", self.handle)))


def _release(handle: int) -> None:
    invoke("apus_engine_release", handle)
