"""Writes test vectors of every weight type for the C kernel test: block bytes and what `gguf.quants` decodes them to.

    python quant_vectors.py OUTPUT_FOLDER [BLOCKS]

One file a type, `<name>.vec`, little-endian, no padding:

    offset  size
    0       8               magic "APUSVEC1"
    8       16              type name, zero-filled ("Q4_K")
    24      4               uint32 ggml type id
    28      4               uint32 values a block
    32      4               uint32 bytes a block
    36      4               uint32 n, number of blocks
    40      n * bytes       the blocks
    …       n * values * 4  float32, the decoded values, in order

First come crafted blocks (all bytes 0, all 255, and every special float16 or every E8M0 number as each of the block's
scales), then random bytes (NaN and infinite scales among them), then as many random blocks whose scales are finite and
sane. For F32, F16 and BF16 a block is one value; F16 and BF16 come in all 65,536 patterns. Decoding must give the same
bits; any NaN equals any NaN.
"""

import struct
import sys
import warnings
from pathlib import Path

import numpy as np
from block_types import EXPONENTS, HALVES, NAMES, TYPES, random_blocks, sizes
from gguf import quants

SPECIAL_HALVES = [
    0x0000,
    0x8000,
    0x0001,
    0x8001,
    0x03FF,
    0x0400,
    0x7BFF,
    0xFBFF,
    0x7C00,
    0xFC00,
    0x7C01,
    0x7E00,
    0xFFFF,
]
SPECIAL_FLOATS = [
    0x00000000,
    0x80000000,
    0x00000001,
    0x807FFFFF,
    0x00800000,
    0x7F7FFFFF,
    0x7F800000,
    0xFF800000,
    0x7F800001,
    0x7FC00000,
    0xFFFFFFFF,
    0x3F800000,
]


def blocks_of(name, count, rng):
    """(n, block bytes) uint8."""
    if name in ("F16", "BF16"):
        return np.arange(65536, dtype="<u2").view(np.uint8).reshape(-1, 2)
    if name == "F32":
        patterns = np.concatenate([SPECIAL_FLOATS, rng.integers(0, 2**32, count)]).astype("<u4")
        return patterns.view(np.uint8).reshape(-1, 4)
    size = sizes(name)[1]
    crafted = [np.zeros((1, size), np.uint8), np.full((1, size), 255, np.uint8)]
    for offset in HALVES[name]:
        special = random_blocks(name, len(SPECIAL_HALVES), rng, sane=True)
        special[:, offset : offset + 2] = np.array(SPECIAL_HALVES, "<u2").view(np.uint8).reshape(-1, 2)
        crafted.append(special)
    for offset in EXPONENTS.get(name, []):
        special = random_blocks(name, 256, rng, sane=True)
        special[:, offset] = np.arange(256)
        crafted.append(special)
    return np.concatenate([*crafted, random_blocks(name, count, rng, False), random_blocks(name, count, rng, True)])


def write(folder, name, count=2000):
    """Writes one type's file; the same bytes each time."""
    values, size = sizes(name)
    blocks = blocks_of(name, count, np.random.default_rng(int(TYPES[name])))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # NaN and infinite scales are meant
        decoded = quants.dequantize(blocks.copy(), TYPES[name]).astype("<f4")
    if decoded.size != len(blocks) * values:
        raise ValueError(f"{name}: {decoded.size} values decoded, wanted {len(blocks) * values}")
    header = struct.pack("<8s16s4I", b"APUSVEC1", name.encode(), int(TYPES[name]), values, size, len(blocks))
    (Path(folder) / f"{name.lower()}.vec").write_bytes(header + blocks.tobytes() + decoded.tobytes())


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    for type_name in NAMES:
        write(sys.argv[1], type_name, int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
