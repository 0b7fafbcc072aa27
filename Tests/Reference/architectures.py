"""The float64 references by `general.architecture`: what each model does differently from the base decoder.

    python architectures.py MODEL.gguf IDS.json [CONTEXT]     prints mean negative log-likelihood and the last top 20

`load` gives the model of a file.
"""

import json
import sys

import gguf
import numpy as np
from decoder import Decoder, gelu_tanh, log_softmax, negative_log_likelihoods
from rope import Rope


class Llama(Decoder):
    """Llama and its kin; Llama 3's scaling comes as frequency factors."""

    factor_tensors = (*Decoder.factor_tensors, "rope_freqs.weight")

    def freq_factors(self):
        longrope = self.scaling_kind() == "longrope"
        return super().freq_factors() if longrope else self.stored("rope_freqs.weight")


class Qwen2(Decoder):
    """Biases on queries, keys and values (the base takes them wherever they are)."""

    rope_layout = "halves"


class NormedHeads(Decoder):
    """Each query and key head passes an RMSNorm before it is rotated."""

    rope_layout = "halves"

    def project(self, x, block):
        q, k, v = super().project(x, block)
        return self.norm(q, block + "attn_q_norm"), self.norm(k, block + "attn_k_norm"), v


class Qwen3(NormedHeads):
    """Normed heads, no biases."""


class Gemma3(NormedHeads):
    """Sandwich norms, GELU, a scaled embedding; most layers see a window and rotate with a base of their own."""

    def __init__(self, path, context=None, numerics=None):
        super().__init__(path, context, numerics)
        self.window = self.field("attention.sliding_window", 0)
        self.local_rope = Rope(self.rope.dim, theta=self.field("rope.freq_base_swa", 10000.0), layout=self.rope_layout)
        pattern = self.field("attention.sliding_window_pattern", 6)
        if isinstance(pattern, list):
            self.is_local = [bool(local) for local in pattern]
        else:  # the last layer of every `pattern` sees everything; 0: none does
            self.is_local = [not pattern or layer % pattern < pattern - 1 for layer in range(self.layers)]
        if not self.window:
            self.is_local = [False] * self.layers
        if self.layers == 62:  # Gemma 3 27B scales by the width a head has in the residual, not by its own
            self.attention_scale = 1 / np.sqrt(self.dim // self.heads)

    def embed(self, ids):
        return super().embed(ids) * np.sqrt(self.dim)

    def layer_rope(self, layer):
        return self.local_rope if self.is_local[layer] else self.rope

    def layer_window(self, layer):
        return self.window if self.is_local[layer] else None

    def activation(self, x):
        return gelu_tanh(x)

    def apply(self, x, layer):
        block = f"blk.{layer}."
        x = x + self.norm(self.attention(self.norm(x, block + "attn_norm"), layer), block + "post_attention_norm")
        return x + self.norm(self.feed_forward(self.norm(x, block + "ffn_norm"), layer), block + "post_ffw_norm")


class SmolLM3(Llama):
    """Every fourth layer leaves queries and keys as they are: their order is told by the other layers alone."""

    no_rope_interval = 4

    def layer_rope(self, layer):
        return self.rope if (layer + 1) % self.no_rope_interval else Rope(dim=0)


class Phi3(Decoder):
    """One matrix for gate and up; LongRoPE by the context limit, whether the file names it or not."""

    rope_layout = "halves"

    def scaling_kind(self):
        return self.field("rope.scaling.type", "longrope")

    def layer_window(self, layer):
        return self.field("attention.sliding_window", 0) or None

    def gate_and_up(self, x, block):
        return np.split(self.linear(x, block + "ffn_up"), 2, axis=-1)


ARCHITECTURES = {
    "llama": Llama,
    "gemma3": Gemma3,
    "qwen2": Qwen2,
    "qwen3": Qwen3,
    "phi3": Phi3,
    "smollm3": SmolLM3,
}


def load(path, context=None, numerics=None):
    """The reference of a file, by its architecture."""
    name = gguf.GGUFReader(path).fields["general.architecture"].contents()
    if name not in ARCHITECTURES:
        raise ValueError(f"{path}: architecture is {name}, wanted one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name](path, context, numerics)


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        tokens = json.load(file)
    result = load(sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else None).forward(tokens)
    top = np.argsort(-result[-1], kind="stable")[:20]
    print(
        json.dumps(
            {
                "tokens": len(tokens),
                "mean_nll": float(negative_log_likelihoods(log_softmax(result), tokens).mean()),
                "top20": [[int(i), round(float(result[-1][i]), 4)] for i in top],
            }
        )
    )
