"""Rotary position embedding in float64: frequencies, scaling kinds and the cos/sin tables that kernels are held to.

The definition, for a pair p of ropeDim/2, at position t:

    extrapolated = t * theta^(-2p/ropeDim) / freqFactors[p]
    interpolated = extrapolated / factor
    angle        = interpolated * (1 - mix[p]) + extrapolated * mix[p]
    table        = mscale * (cos angle, sin angle)

mix is zero but for YaRN, where it falls from extFactor (pairs that turn often within the original context: kept as
trained) to zero (pairs that turn less than betaSlow times: interpolated) along a straight line between the
pairs that turn betaFast and betaSlow times, rounded outwards to whole pairs. mscale is attnFactor, times
1 + 0.1 ln(factor) where YaRN is on and factor > 1. This is what llama.cpp computes for architecture `llama`. Where a
file has yarn_attn_factor, that stands instead of the 1 + 0.1 ln(factor), as `attention_factor` does in the
configuration that it was converted from (llama.cpp does not read it).
"""

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Rope:
    """The parameters of a rotary embedding; `kind` is none, linear or yarn (llama3 is frequency factors).

    `layout` says which dimensions turn together: pairs (2p and 2p + 1) or halves (p and p + dim / 2)."""

    dim: int
    theta: float = 10000.0
    kind: str = "none"
    factor: float = 1.0
    original_context: int = 0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    ext_factor: float = 0.0
    attn_factor: float = 1.0
    yarn_attn_factor: float | None = None
    freq_factors: np.ndarray | None = field(default=None, compare=False)
    layout: str = "pairs"

    def pair_of_turns(self, turns):
        """The (fractional) pair whose angle goes round `turns` times within the original context."""
        return self.dim * math.log(self.original_context / (turns * 2 * math.pi)) / (2 * math.log(self.theta))

    @property
    def mix(self):
        """Share of the unscaled angle per pair, shape (dim / 2)."""
        if self.kind != "yarn" or self.ext_factor == 0:
            return np.zeros(self.dim // 2)
        low = max(0.0, math.floor(self.pair_of_turns(self.beta_fast)))
        high = min(self.dim - 1.0, math.ceil(self.pair_of_turns(self.beta_slow)))
        ramp = (np.arange(self.dim // 2) - low) / max(0.001, high - low)
        return (1 - np.clip(ramp, 0, 1)) * self.ext_factor

    @property
    def mscale(self):
        """The factor on cos and sin."""
        if self.kind != "yarn" or self.ext_factor == 0:
            return self.attn_factor
        return self.attn_factor * (self.yarn_attn_factor or 1 + 0.1 * math.log(max(1, self.factor)))

    def angles(self, positions):
        """Angles in radians, shape (positions, dim / 2)."""
        frequency = self.theta ** (-np.arange(0, self.dim, 2, dtype=np.float64) / self.dim)
        if self.freq_factors is not None:
            frequency = frequency / np.asarray(self.freq_factors, np.float64)
        factor = 1.0 if self.kind == "none" else self.factor
        scaled = frequency / factor * (1 - self.mix) + frequency * self.mix
        return np.asarray(positions, np.float64)[:, None] * scaled

    def table(self, positions):
        """(cos, sin), each of shape (positions, dim / 2), with mscale applied."""
        angle = self.angles(positions)
        return self.mscale * np.cos(angle), self.mscale * np.sin(angle)

    def rotate(self, x, positions):
        """Rotates x, shape (positions, heads, headDim); dimensions beyond `dim` stay."""
        cos, sin = (t[:, None] for t in self.table(positions))
        if self.layout == "halves":
            first, second = slice(0, self.dim // 2), slice(self.dim // 2, self.dim)
        else:
            first, second = slice(0, self.dim, 2), slice(1, self.dim, 2)
        out = x.copy()
        out[..., first] = x[..., first] * cos - x[..., second] * sin
        out[..., second] = x[..., first] * sin + x[..., second] * cos
        return out


def llama3_freq_factors(dim, theta, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_context=8192):
    """The contents of `rope_freqs.weight` for Llama 3.1's scaling, shape (dim / 2), float32.

    Wavelengths below original/high stay, those above original/low are stretched by `factor`, and between the two
    the frequency is interpolated."""
    wavelength = 2 * math.pi * theta ** (np.arange(0, dim, 2) / dim)
    smooth = (original_context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor)
    between = 1 / ((1 - smooth) / factor + smooth)
    factors = np.where(wavelength < original_context / high_freq_factor, 1.0, between)
    return np.where(wavelength > original_context / low_freq_factor, factor, factors).astype(np.float32)
