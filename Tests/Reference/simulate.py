"""The engine's numerics, simulated: what its roundings alone cost in KL, with float64 arithmetic everywhere else.

    python simulate.py MODEL.gguf IDS.json LOGITS     writes logits as `apus perplexity --logits-out` does

Activations of a quantized matrix are int8 per 32 values, with a float32 scale of largest magnitude / 127, rounded to
nearest even; those of an F16 or BF16 matrix are rounded to bfloat16 (the coarsest that DESIGN.md allows); keys and
values are kept as float16. An engine may be better than this; much worse means that something else is wrong. The
tests derive their limits for quantized models from it.
"""

import json
import sys

import numpy as np
from architectures import load
from decoder import Exact
from gguf import GGMLQuantizationType as Type


def round_int8(x):
    """x as int8 per block of 32 with a float32 scale would give it back."""
    blocks = x.reshape(*x.shape[:-1], -1, 32).astype(np.float32)
    scale = np.abs(blocks).max(-1, keepdims=True) / np.float32(127)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    return (np.rint(blocks * inverse).astype(np.float64) * scale).reshape(x.shape)


def round_bf16(x):
    """x rounded to nearest even bfloat16."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)


class Simulated(Exact):
    """The engine's roundings, to be given to the reference."""

    def activations(self, x, kind):
        if kind == Type.F32:
            return x
        return round_bf16(x) if kind in (Type.F16, Type.BF16) else round_int8(x)

    def store(self, x):
        return x.astype(np.float16).astype(np.float64)


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        ids = json.load(file)
    load(sys.argv[1], numerics=Simulated()).forward(ids).astype("<f4").tofile(sys.argv[3])
