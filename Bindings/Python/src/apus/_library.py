"""The C library: where it is, what its functions take, and how they are called. Nothing else here knows ctypes' types.

What each function promises stands in apus.h, whose order this is.
"""

import ctypes
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from .errors import InternalError, InvalidArgumentError, LibraryError, exception

ABI_MAJOR = 1
"""The ABI that this package is written for."""
FILE_NAME = f"libapus.so.{ABI_MAJOR}"

EVENT_TEXT, EVENT_TOKEN, EVENT_PROGRESS, EVENT_DONE, EVENT_ERROR, EVENT_CHUNK = 0, 3, 4, 5, 6, 7
ADD_SPECIAL, PARSE_SPECIAL, RENDER_SPECIAL = 1, 2, 4
ALL_LOGITS = 1


class EventStruct(Structure):
    """apus_event."""

    _fields_ = [
        ("size", c_uint32),
        ("kind", c_int32),
        ("choice", c_int32),
        ("token", c_int32),
        ("logprob", c_float),
        ("status", c_int32),
        ("text", c_char_p),
        ("text_len", c_size_t),
        ("json", c_char_p),
        ("json_len", c_size_t),
    ]


EventCallback = CFUNCTYPE(c_int32, POINTER(EventStruct), c_void_p)
ProgressCallback = CFUNCTYPE(c_int32, c_float, c_void_p)
LogCallback = CFUNCTYPE(None, c_int32, c_void_p, c_size_t, c_void_p)

_out = POINTER(c_void_p)  # a handle, or a text of the library's
_size_out = POINTER(c_size_t)

CALLS: Dict[str, Tuple[Any, ...]] = {
    "apus_system_info": (_out,),
    "apus_model_load": (c_char_p, c_char_p, ProgressCallback, c_void_p, _out),
    "apus_model_info": (c_void_p, _out),
    "apus_tokenize": (c_void_p, c_char_p, c_size_t, c_uint32, c_void_p, c_size_t, _size_out),
    "apus_detokenize": (c_void_p, c_void_p, c_size_t, c_uint32, c_void_p, c_size_t, _size_out),
    "apus_apply_template": (c_void_p, c_char_p, c_size_t, _out, _size_out),
    "apus_engine_create": (c_void_p, c_char_p, _out),
    "apus_engine_stats": (c_void_p, _out),
    "apus_engine_submit": (c_void_p, c_char_p, c_size_t, EventCallback, c_void_p, _out),
    "apus_request_next": (c_void_p, c_int64, POINTER(EventStruct)),
    "apus_request_take": (c_void_p, c_int64, c_int64, POINTER(EventStruct), c_size_t, _size_out),
    "apus_request_notify": (c_void_p, c_int32, c_uint64),
    "apus_request_wait": (c_void_p, c_int64, _out),
    "apus_embed": (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, _size_out),
    "apus_session_create": (c_void_p, c_char_p, _out),
    "apus_session_eval": (c_void_p, c_void_p, c_size_t, c_uint32),
    "apus_session_logits": (c_void_p, c_int64, _out, _size_out),
    "apus_session_sample": (c_void_p, c_char_p, POINTER(c_int32)),
    "apus_session_truncate": (c_void_p, c_size_t),
    "apus_session_fork": (c_void_p, _out),
    "apus_session_save": (c_void_p, c_char_p),
    "apus_session_load": (c_void_p, c_char_p),
}
"""What the functions with a status take, before `error`."""

OTHERS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "apus_abi_version": (c_uint32, ()),
    "apus_version": (c_char_p, ()),
    "apus_set_log_callback": (None, (LogCallback, c_void_p)),
    "apus_free": (None, (c_void_p,)),
    "apus_model_release": (None, (c_void_p,)),
    "apus_engine_release": (None, (c_void_p,)),
    "apus_request_cancel": (None, (c_void_p,)),
    "apus_request_release": (None, (c_void_p,)),
    "apus_session_release": (None, (c_void_p,)),
    "apus_session_length": (c_size_t, (c_void_p,)),
    "apus_session_cancel": (None, (c_void_p,)),
}
"""What the functions without one return and take."""


def _open(kind: Callable[[str], ctypes.CDLL]) -> Tuple[ctypes.CDLL, str]:
    """Loads the library: $APUS_LIBRARY's, else the one in this package, else the system's."""
    beside = Path(__file__).with_name(FILE_NAME)
    path = os.environ.get("APUS_LIBRARY") or (str(beside) if beside.exists() else FILE_NAME)
    try:
        return kind(path), path
    except OSError as error:
        raise LibraryError(f"cannot load the library {path}: {error}; APUS_LIBRARY may say where it is") from None


def _bind() -> Dict[str, Callable[..., Any]]:
    """The library's functions, when its ABI is the one that is wanted."""
    library, path = _open(ctypes.CDLL)
    try:
        library.apus_abi_version.restype = c_uint32
        abi = library.apus_abi_version()
        if abi >> 16 != ABI_MAJOR:
            raise LibraryError(f"{path} has ABI {abi >> 16}.{abi & 0xFFFF}, wanted: {ABI_MAJOR}")
        functions: Dict[str, Callable[..., Any]] = {}
        for name, (result, arguments) in {
            **{name: (c_int32, (*arguments, _out)) for name, arguments in CALLS.items()},
            **OTHERS,
        }.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            functions[name] = function
        return functions
    except AttributeError as error:
        raise LibraryError(f"{path} is not a library of Apus with ABI {ABI_MAJOR}: {error}") from None


FUNCTIONS = _bind()
"""Called without Python's lock, so others run meanwhile."""


def ready_function(name: str, kind: Callable[[str], ctypes.CDLL]) -> Callable[..., int]:
    """A function with a status, to be called with objects of ctypes' only, which then need no look at their types.

    Args:
        name: The function.
        kind: `ctypes.CDLL`, or `ctypes.PyDLL` for what is over before Python's lock would be handed on.
    """
    function = getattr(_open(kind)[0], name)
    function.restype = c_int32
    return function  # type: ignore[no-any-return]


def take_text(pointer: c_void_p) -> str:
    """A text that the library gave, which is freed."""
    if not pointer.value:
        return ""
    try:
        return ctypes.string_at(pointer.value).decode()
    finally:
        FUNCTIONS["apus_free"](pointer)


def call(name: str, *arguments: Any) -> None:
    """Calls a function with a status.

    Raises:
        ApusError: of the kind that belongs to the status, with the library's message.
    """
    error = c_void_p()
    status = FUNCTIONS[name](*arguments, byref(error))
    if status != 0:
        raise exception(status, take_text(error) or f"{name}: status {status}")


def call_for_text(name: str, *arguments: Any) -> str:
    """Calls a function whose last argument before `error` is a text that it gives."""
    text = c_void_p()
    call(name, *arguments, byref(text))
    return take_text(text)


def call_for_handle(name: str, *arguments: Any) -> int:
    """Calls a function whose last argument before `error` is a handle that it gives."""
    handle = c_void_p()
    call(name, *arguments, byref(handle))
    if handle.value is None:
        raise InternalError(f"{name}: no handle")
    return handle.value


def invoke(name: str, *arguments: Any) -> Any:
    """Calls a function without a status."""
    return FUNCTIONS[name](*arguments)


def path_bytes(path: Union[str, "os.PathLike[str]"]) -> bytes:
    """A path as the library takes it, which would not see what follows a NUL."""
    place = os.fsencode(path)
    if b"\0" in place:
        raise InvalidArgumentError(f"the path {path!r} has a NUL")
    return place


def version() -> str:
    """The version of the library."""
    return str(invoke("apus_version").decode())


_log_callbacks: List[Any] = []  # never freed: a call may be under way on another thread


def set_log_callback(callback: Optional[Callable[[int, str], None]]) -> None:
    """Sends the library's log to a function, or nowhere with None, as it is at first.

    Args:
        callback: Gets the level (1 error, 2 warning, 3 information) and a line, on any thread, on several at once too.
            It must call nothing of this package.
    """
    if callback is None:
        invoke("apus_set_log_callback", LogCallback(), None)
        return
    function = callback

    def receive(level: int, message: int, length: int, _: Any) -> None:
        function(level, ctypes.string_at(message, length).decode())

    _log_callbacks.append(LogCallback(receive))
    invoke("apus_set_log_callback", _log_callbacks[-1], None)
