"""Tokens as the C library takes them."""

import array
import ctypes
from typing import Any, Sequence, Tuple

from .errors import InvalidArgumentError


def tokens_buffer(tokens: Sequence[int]) -> Tuple[Any, int]:
    """Numbers of 4 bytes for C.

    Args:
        tokens: Numbers; an array of numpy's too.

    Returns:
        Memory that lives as long as it is kept, and how many there are.
    """
    try:
        numbers = array.array("i", tokens)
    except OverflowError:
        wrong = next(token for token in tokens if not -(2**31) <= token < 2**31)
        raise InvalidArgumentError(f"token {wrong}, wanted: one of the vocabulary") from None
    return (ctypes.c_int32 * len(numbers)).from_buffer(numbers), len(numbers)
