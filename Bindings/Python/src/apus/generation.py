"""What a model is asked for: texts, conversations and vectors, at once, in pieces, and in asyncio."""

import base64
import operator
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Sequence, Union, overload

from .errors import InvalidArgumentError
from .request import Request
from .stream import Stream, chunk_of, reply_of, text_of

if TYPE_CHECKING:
    import numpy

Prompt = Union[str, Sequence[int]]
"""A text, or tokens as `Model.tokenize` gives them."""
Message = Dict[str, Any]
"""A message of a conversation: "role" and "content", as in OpenAI's API."""
Vector = Union["numpy.ndarray", memoryview]
"""Numbers of 4 bytes: a numpy array where numpy is installed, and a memoryview of floats otherwise."""


def vector(data: Union[bytes, memoryview]) -> Vector:
    """Floats over given memory, which they keep."""
    floats = memoryview(data).cast("B").cast("f").toreadonly()
    try:
        import numpy
    except ImportError:
        return floats
    return numpy.frombuffer(floats, numpy.float32)


class Generation:
    """The ways to ask.

    All `parameters` are members of the HTTP API's requests: `max_tokens`, `temperature`, `seed`, `stop`, `top_p`,
    `logprobs`, …; None is the same as nothing, and a name that the engine does not know is an error, unless
    `strict=False`.
    """

    def submit(self, body: Dict[str, Any]) -> Request:
        """Starts a request, and returns at once; see `Request`."""
        raise NotImplementedError

    @overload
    def generate(self, prompt: Prompt, *, stream: Literal[False] = False, **parameters: Any) -> str: ...

    @overload
    def generate(self, prompt: Prompt, *, stream: Literal[True], **parameters: Any) -> Stream[str]: ...

    def generate(self, prompt: Prompt, *, stream: bool = False, **parameters: Any) -> Union[str, Stream[str]]:
        """Continues a text as it is, without a chat template.

        Args:
            prompt: The text, or its tokens.
            stream: Whether the text is wanted in pieces.
            parameters: Members of the request.

        Returns:
            The text that follows, or a `Stream` of its pieces.
        """
        if stream:
            return self.stream(prompt, **parameters)
        return _text(self.complete(prompt, **_single(parameters)))

    async def agenerate(self, prompt: Prompt, **parameters: Any) -> str:
        """As `generate`, in asyncio. Cancelling the task cancels the request."""
        return _text(await reply_of(self.submit, _completion(prompt, _single(parameters))))

    def stream(self, prompt: Prompt, **parameters: Any) -> Stream[str]:
        """The text that follows in pieces, for `for` and for `async for`."""
        return Stream(self.submit, _completion(prompt, _single(parameters)), text_of)

    def complete(self, prompt: Union[Prompt, Sequence[Prompt]], **parameters: Any) -> Dict[str, Any]:
        """The reply of /v1/completions: choices, why they end, how many tokens there were.

        Args:
            prompt: A text or tokens, or a list of texts or lists of tokens.
            parameters: Members of the request, `n`, `echo` and `logprobs` among them.
        """
        with self.submit(_completion(prompt, parameters)) as request:
            return request.wait()

    @overload
    def chat(
        self, messages: Union[str, Sequence[Message]], *, stream: Literal[False] = False, **parameters: Any
    ) -> Dict[str, Any]: ...

    @overload
    def chat(
        self, messages: Union[str, Sequence[Message]], *, stream: Literal[True], **parameters: Any
    ) -> Stream[Dict[str, Any]]: ...

    def chat(
        self, messages: Union[str, Sequence[Message]], *, stream: bool = False, **parameters: Any
    ) -> Union[Dict[str, Any], Stream[Dict[str, Any]]]:
        """Answers a conversation.

        Args:
            messages: The conversation, or a question alone.
            stream: Whether the reply is wanted in pieces.
            parameters: Members of the request.

        Returns:
            The reply of /v1/chat/completions, or a `Stream` of its chunks, which is for `async for` too.
        """
        body = _chat(messages, parameters)
        if stream:
            return Stream(self.submit, {**body, "stream": True}, chunk_of)
        with self.submit(body) as request:
            return request.wait()

    async def achat(self, messages: Union[str, Sequence[Message]], **parameters: Any) -> Dict[str, Any]:
        """As `chat`, in asyncio. Cancelling the task cancels the request."""
        return await reply_of(self.submit, _chat(messages, parameters))

    @overload
    def embed(self, inputs: str, **parameters: Any) -> Vector: ...

    @overload
    def embed(self, inputs: Sequence[Prompt], **parameters: Any) -> List[Vector]: ...

    def embed(self, inputs: Union[str, Sequence[Prompt]], **parameters: Any) -> Union[Vector, List[Vector]]:
        """The vector of a text, of length 1, or those of a list of texts or lists of tokens."""
        with self.submit(_embedding(inputs, parameters)) as request:
            return _vectors(inputs, request.wait())

    async def aembed(self, inputs: Union[str, Sequence[Prompt]], **parameters: Any) -> Union[Vector, List[Vector]]:
        """As `embed`, in asyncio."""
        return _vectors(inputs, await reply_of(self.submit, _embedding(inputs, parameters)))


def _given(parameters: Dict[str, Any]) -> Dict[str, Any]:
    return {"strict": True, **{name: value for name, value in parameters.items() if value is not None}}


def _single(parameters: Dict[str, Any]) -> Dict[str, Any]:
    for name in ("n", "best_of"):
        if parameters.get(name) not in (None, 1):
            raise InvalidArgumentError(f"{name} is {parameters[name]!r}, wanted: 1; complete() gives several texts")
    return parameters


def _listed(tokens: Any) -> Any:
    """Tokens of any kind (an array of numpy's too) as a list for JSON."""
    if isinstance(tokens, str):
        return tokens
    if isinstance(tokens, (bytes, bytearray)):
        raise TypeError("bytes are neither a text nor tokens; decode() them")
    return [_listed(item) if hasattr(item, "__len__") else operator.index(item) for item in tokens]


def _completion(prompt: Any, parameters: Dict[str, Any]) -> Dict[str, Any]:
    return {**_given(parameters), "endpoint": "completions", "prompt": _listed(prompt)}


def _chat(messages: Union[str, Sequence[Message]], parameters: Dict[str, Any]) -> Dict[str, Any]:
    talk = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    return {**_given(parameters), "endpoint": "chat/completions", "messages": talk}


def _embedding(inputs: Any, parameters: Dict[str, Any]) -> Dict[str, Any]:
    # As bytes: the same numbers, without cutting them into digits and back.
    body = {"endpoint": "embeddings", "input": _listed(inputs), "encoding_format": "base64"}
    return {**_given(parameters), **body}


def _text(reply: Dict[str, Any]) -> str:
    return str(reply["choices"][0]["text"])


def _vectors(inputs: Any, reply: Dict[str, Any]) -> Union[Vector, List[Vector]]:
    found = [vector(_native(base64.b64decode(item["embedding"]))) for item in reply["data"]]
    return found[0] if isinstance(inputs, str) else found


def _native(little: bytes) -> bytes:
    """Numbers of 4 bytes in the machine's order."""
    if sys.byteorder == "little":
        return little
    import array

    numbers = array.array("f", little)
    numbers.byteswap()
    return numbers.tobytes()
