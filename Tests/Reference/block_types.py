"""The weight types: ids, sizes, a quantizer for each, and random blocks. Decoding is left to `gguf.quants`.

Python's `gguf` quantizes all but the K and IQ4 types; for those a plain quantizer stands here that scales by the
extremes (worse than llama.cpp's search, which does not matter: the reference uses the weights that come out, whatever
they are).
"""

import numpy as np
from gguf import GGML_QUANT_SIZES, quants
from gguf import GGMLQuantizationType as Type

NAMES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
NAMES += ["Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS", "MXFP4"]
TYPES = {name: Type[name] for name in NAMES}

# Byte offsets of the float16 numbers in a block.
HALVES = {
    "Q8_0": [0],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
    "MXFP4": [],
}
# Byte offsets of E8M0 exponents.
EXPONENTS = {"MXFP4": [0]}


def sizes(name):
    """(values a block, bytes a block)."""
    return GGML_QUANT_SIZES[TYPES[name]]


def quantize(values, name):
    """values: (..., row) float32 -> what GGUFWriter.add_tensor takes: float32/float16, or bytes (..., row bytes)."""
    values = np.ascontiguousarray(values, np.float32)
    if name not in QUANTIZERS:
        return quants.quantize(values, TYPES[name])
    packed = QUANTIZERS[name](values.reshape(-1, sizes(name)[0]))
    return packed.reshape(*values.shape[:-1], -1)


def divide(a, b):
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape), np.float32), where=b != 0)


def halves(values):
    """Float16 of (n, 1) as bytes (n, 2)."""
    return np.ascontiguousarray(values.astype(np.float16)).view(np.uint8)


def quantize_q45_k(blocks, bits):
    """w = d * scale * q - dmin * minimum; 8 sub-blocks of 32 with 6-bit scales and minima."""
    n, top = len(blocks), 2**bits - 1
    sub = blocks.reshape(n, 8, 32)
    low = np.minimum(sub.min(-1), 0)
    step = (np.maximum(sub.max(-1), 0) - low) / top
    d, dmin = (halves(a.max(-1, keepdims=True) / 63) for a in (step, -low))
    d32, dmin32 = (a.view(np.float16).astype(np.float32) for a in (d, dmin))
    scale = np.clip(np.rint(divide(step, d32)), 0, 63).astype(np.uint8)
    minimum = np.clip(np.rint(divide(-low, dmin32)), 0, 63).astype(np.uint8)
    q = divide(sub + (dmin32 * minimum)[..., None], (d32 * scale)[..., None])
    q = np.clip(np.rint(q), 0, top).astype(np.uint8)
    # Scales 0-3, minima 0-3 (upper two bits from 4-7), then the lower four bits of scales and minima 4-7.
    scales = np.concatenate(
        [
            scale[:, :4] | (scale[:, 4:] >> 4) << 6,
            minimum[:, :4] | (minimum[:, 4:] >> 4) << 6,
            (scale[:, 4:] & 15) | (minimum[:, 4:] & 15) << 4,
        ],
        axis=-1,
    )
    pairs = q.reshape(n, 4, 2, 32)
    nibbles = (pairs[:, :, 0] & 15) | (pairs[:, :, 1] & 15) << 4
    parts = [d, dmin, scales, nibbles.reshape(n, 128)]
    if bits == 5:
        high = ((q >> 4) << np.arange(8, dtype=np.uint8)[:, None]).sum(1, dtype=np.uint8)
        parts.insert(3, high)
    return np.concatenate(parts, axis=-1)


def quantize_q6_k(blocks):
    """w = d * scale * (q - 32); 16 sub-blocks of 16 with int8 scales."""
    n = len(blocks)
    sub = blocks.reshape(n, 16, 16)
    extreme = np.take_along_axis(sub, np.abs(sub).argmax(-1)[..., None], -1)[..., 0]
    step = extreme / -32
    d = halves(np.abs(step).max(-1, keepdims=True) / 127)
    d32 = d.view(np.float16).astype(np.float32)
    scale = np.clip(np.rint(divide(step, d32)), -128, 127).astype(np.int8)
    q = np.clip(np.rint(divide(sub, (d32 * scale)[..., None])), -32, 31).astype(np.int8) + 32
    # Per half block of 128: values 0-31, 32-63 in low nibbles, 64-95, 96-127 in high nibbles; top bits apart.
    q = q.astype(np.uint8).reshape(n, 2, 4, 32)
    low = (q[:, :, :2] & 15) | (q[:, :, 2:] & 15) << 4
    high = ((q >> 4) << np.array([0, 2, 4, 6], np.uint8)[:, None]).sum(2, dtype=np.uint8)
    return np.concatenate([low.reshape(n, 128), high.reshape(n, 64), scale.view(np.uint8), d], axis=-1)


def quantize_q2_k(blocks):
    """w = d * scale * q - dmin * minimum; 16 sub-blocks of 16 with 4-bit scales and minima."""
    n = len(blocks)
    sub = blocks.reshape(n, 16, 16)
    low = np.minimum(sub.min(-1), 0)
    step = (np.maximum(sub.max(-1), 0) - low) / 3
    d, dmin = (halves(a.max(-1, keepdims=True) / 15) for a in (step, -low))
    d32, dmin32 = (a.view(np.float16).astype(np.float32) for a in (d, dmin))
    scale = np.clip(np.rint(divide(step, d32)), 0, 15).astype(np.uint8)
    minimum = np.clip(np.rint(divide(-low, dmin32)), 0, 15).astype(np.uint8)
    q = divide(sub + (dmin32 * minimum)[..., None], (d32 * scale)[..., None])
    q = np.clip(np.rint(q), 0, 3).astype(np.uint8)
    return np.concatenate([scale | minimum << 4, two_bits(q), d, dmin], axis=-1)


def two_bits(q):
    """(n, 256) values below 4 as (n, 64) bytes: of 128 values, byte i holds values i, 32 + i, 64 + i and 96 + i."""
    quarters = q.reshape(len(q), 2, 4, 32) << np.array([0, 2, 4, 6], np.uint8)[:, None]
    return quarters.sum(2, dtype=np.uint8).reshape(len(q), 64)


def signed_scales(blocks, size, largest):
    """(d as bytes, scales + 32, their products): 6-bit scales of sub-blocks whose extreme becomes `largest`."""
    sub = blocks.reshape(len(blocks), -1, size)
    extreme = np.take_along_axis(sub, np.abs(sub).argmax(-1)[..., None], -1)[..., 0]
    step = extreme / np.float32(largest)
    d = halves(np.abs(step).max(-1, keepdims=True) / 31)
    d32 = d.view(np.float16).astype(np.float32)
    scale = np.clip(np.rint(divide(step, d32)), -32, 31)
    return d, (scale + 32).astype(np.uint8), d32 * scale


def quantize_q3_k(blocks):
    """w = d * (scale - 32) * (q - 4); 16 sub-blocks of 16 with 6-bit scales."""
    n = len(blocks)
    d, scale, step = signed_scales(blocks, 16, -4)
    q = np.clip(np.rint(divide(blocks.reshape(n, 16, 16), step[..., None])), -4, 3).astype(np.int8) + 4
    q = q.astype(np.uint8).reshape(n, 256)
    high = ((q >> 2).reshape(n, 8, 32) << np.arange(8, dtype=np.uint8)[:, None]).sum(1, dtype=np.uint8)
    low_scales = (scale[:, :8] & 15) | (scale[:, 8:] & 15) << 4
    high_scales = ((scale >> 4).reshape(n, 4, 4) << np.array([0, 2, 4, 6], np.uint8)[:, None]).sum(1, dtype=np.uint8)
    return np.concatenate([high, two_bits(q & 3), low_scales, high_scales, d], axis=-1)


def nearest_levels(values, scale):
    """Indices of the IQ4 levels that are nearest: (…, 32) values, (…, 1) scales, as (…, 16) bytes of two halves."""
    levels = np.array(quants.IQ4_NL.kvalues, np.float32)
    middles = (levels[1:] + levels[:-1]) / 2
    index = np.searchsorted(middles, divide(values, scale)).astype(np.uint8)
    return index[..., :16] | index[..., 16:] << 4


def quantize_iq4_nl(blocks):
    """w = d * level."""
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    d = halves(extreme / -127)
    return np.concatenate([d, nearest_levels(blocks, d.view(np.float16).astype(np.float32))], axis=-1)


def quantize_iq4_xs(blocks):
    """w = d * (scale - 32) * level; 8 sub-blocks of 32 with 6-bit scales."""
    n = len(blocks)
    d, scale, step = signed_scales(blocks, 32, -127)
    high = ((scale >> 4).reshape(n, 2, 4) << np.array([0, 2, 4, 6], np.uint8)).sum(2, dtype=np.uint8)
    low = (scale[:, 0::2] & 15) | (scale[:, 1::2] & 15) << 4
    index = nearest_levels(blocks.reshape(n, 8, 32), step[..., None]).reshape(n, 128)
    return np.concatenate([d, high, low, index], axis=-1)


QUANTIZERS = {
    "Q2_K": quantize_q2_k,
    "Q3_K": quantize_q3_k,
    "Q4_K": lambda blocks: quantize_q45_k(blocks, 4),
    "Q5_K": lambda blocks: quantize_q45_k(blocks, 5),
    "Q6_K": quantize_q6_k,
    "IQ4_NL": quantize_iq4_nl,
    "IQ4_XS": quantize_iq4_xs,
}


def random_blocks(name, count, rng, sane):
    """(count, block bytes) of random bytes. Sane: every scale in a block is finite, of magnitude 1e-4 to 1e-1."""
    blocks = rng.integers(0, 256, (count, sizes(name)[1]), dtype=np.uint8)
    if sane:
        for offset in HALVES[name]:
            magnitude = 10 ** rng.uniform(-4, -1, count) * rng.choice([-1, 1], count)
            blocks[:, offset : offset + 2] = halves(magnitude[:, None])
        for offset in EXPONENTS.get(name, []):
            blocks[:, offset] = rng.integers(115, 125, count)
    return blocks
