"""Writes rope_tables.json: rotary tables in float64 for every scaling kind, to hold the engine's tables against.

    python op_vectors.py [OUTPUT.json]      default: rope_tables.json beside this script
    python op_vectors.py --check            exit status 1 if the committed file is not what the code gives

A list of {name, ropeDim, theta, scaling, factor, origContext, betaFast, betaSlow, extFactor, attnFactor, freqFactors
(absent: ones), positions, mscale, cos, sin}; cos and sin are [position][pair], mscale included. `scaling` is none,
linear or yarn; Llama 3's scaling is its freqFactors. All parameters are exact in float32. The angle of a pair does not
depend on the layout (adjacent or halves). See rope.py for the definition.
"""

import json
import sys
from pathlib import Path

from rope import Rope, llama3_freq_factors

FILE = Path(__file__).resolve().parent / "rope_tables.json"
NEAR = [0, 1, 511]
FAR = [1, 8191, 131071]

CASES = [
    ("plain", Rope(64), NEAR),
    ("far", Rope(64, theta=500000.0), FAR),
    ("odd-dim", Rope(20, theta=100000.0), [3, 100]),
    ("linear", Rope(32, kind="linear", factor=4.0), FAR),
    ("linear-attn-factor", Rope(16, kind="linear", factor=2.5, attn_factor=1.25), NEAR),
    ("none-ignores-factor", Rope(16, kind="none", factor=4.0), NEAR),
    ("llama3", Rope(64, theta=500000.0, freq_factors=llama3_freq_factors(64, 500000.0, factor=32.0)), FAR),
    (
        "llama3-short",
        Rope(48, theta=500000.0, freq_factors=llama3_freq_factors(48, 500000.0, original_context=256)),
        NEAR,
    ),
    ("yarn", Rope(64, kind="yarn", factor=4.0, original_context=4096, ext_factor=1.0), FAR),
    ("yarn-128", Rope(128, theta=1e6, kind="yarn", factor=4.0, original_context=32768, ext_factor=1.0), [131071]),
    (
        "yarn-betas",
        Rope(
            64,
            kind="yarn",
            factor=8.0,
            original_context=64,
            beta_fast=16.0,
            beta_slow=2.0,
            ext_factor=1.0,
            attn_factor=0.875,
        ),
        NEAR,
    ),
    ("yarn-half-ext", Rope(32, kind="yarn", factor=16.0, original_context=2048, ext_factor=0.5), FAR),
    ("yarn-no-ext", Rope(16, kind="yarn", factor=16.0, original_context=2048, ext_factor=0.0), NEAR),
    ("yarn-factor-1", Rope(16, kind="yarn", factor=1.0, original_context=2048, ext_factor=1.0), NEAR),
    (
        "yarn-freq-factors",
        Rope(
            32,
            kind="yarn",
            factor=4.0,
            original_context=512,
            ext_factor=1.0,
            freq_factors=llama3_freq_factors(32, 10000.0, original_context=256),
        ),
        NEAR,
    ),
]


def entry(name, rope, positions):
    cos, sin = rope.table(positions)
    factors = {} if rope.freq_factors is None else {"freqFactors": [float(f) for f in rope.freq_factors]}
    return {
        "name": name,
        "ropeDim": rope.dim,
        "theta": rope.theta,
        "scaling": rope.kind,
        "factor": rope.factor,
        "origContext": rope.original_context,
        "betaFast": rope.beta_fast,
        "betaSlow": rope.beta_slow,
        "extFactor": rope.ext_factor,
        "attnFactor": rope.attn_factor,
        **factors,
        "positions": positions,
        "mscale": rope.mscale,
        # Eleven digits: far finer than float32, and the same on every platform's libm.
        "cos": [[round(v, 11) for v in row] for row in cos.tolist()],
        "sin": [[round(v, 11) for v in row] for row in sin.tolist()],
    }


def tables():
    return "[\n" + ",\n".join(json.dumps(entry(*case)) for case in CASES) + "\n]\n"


def largest_difference(committed):
    """Between the numbers of a committed text and what the code gives; infinite if anything else differs."""
    ours, theirs = json.loads(tables()), json.loads(committed)

    def difference(a, b):
        if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
            return max((difference(a[k], b[k]) for k in a), default=0)
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            return max((difference(x, y) for x, y in zip(a, b, strict=True)), default=0)
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            return abs(a - b)
        return 0 if a == b else float("inf")

    return difference(ours, theirs)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(largest_difference(FILE.read_text()) > 1e-9)
    Path(sys.argv[1] if len(sys.argv) > 1 else FILE).write_text(tables())
