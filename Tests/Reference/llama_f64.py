"""Float64 forward pass of a llama-architecture GGUF file, in numpy: the truth that the engine is held against.

    python llama_f64.py MODEL.gguf IDS.json     prints mean negative log-likelihood and the last position's top 20

Weights are what `gguf.quants.dequantize` says they are; all arithmetic is float64. Read from the file's metadata: head
counts (MHA, GQA, MQA), key and value length, rope dimension (partial too), theta, scaling (linear, YaRN), frequency
factors (`rope_freqs.weight`, Llama 3's scaling), biases wherever the file has them, tied or untied output.
A tensor that the pass did not use is an error, so that no feature of a file is passed over in silence.
"""

import json
import sys

import gguf
import numpy as np
from gguf.quants import dequantize
from rope import Rope


class Llama:
    """A model read from a file. `forward` is the pass; subclasses override `linear` and `store` to simulate."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tensors = {t.name: t for t in reader.tensors}
        self.fields = {k: f for k, f in reader.fields.items() if not k.startswith("tokenizer.")}
        if (name := self.fields["general.architecture"].contents()) != "llama":
            raise ValueError(f"{path}: architecture is {name}, wanted llama")
        self.layers = self.field("block_count")
        self.dim = self.field("embedding_length")
        self.heads = self.field("attention.head_count")
        self.kv_heads = self.field("attention.head_count_kv", self.heads)
        self.key_length = self.field("attention.key_length", self.dim // self.heads)
        self.value_length = self.field("attention.value_length", self.dim // self.heads)
        self.eps = self.field("attention.layer_norm_rms_epsilon")
        self.rope = self.read_rope()
        self.used = {"rope_freqs.weight"} & self.tensors.keys()

    def field(self, key, default=None):
        """A metadata value of the architecture; without a default it must be there."""
        if field := self.fields.get("llama." + key):
            return field.contents()
        if default is None:
            raise ValueError(f"llama.{key} is missing")
        return default

    def read_rope(self):
        kind = self.field("rope.scaling.type", "linear")
        if kind not in ("none", "linear", "yarn"):
            raise ValueError(f"rope scaling {kind} is not known here")
        factors = self.tensors.get("rope_freqs.weight")
        return Rope(
            dim=self.field("rope.dimension_count", self.key_length),
            theta=self.field("rope.freq_base", 10000.0),
            kind=kind,
            factor=self.field("rope.scaling.factor", self.field("rope.scale_linear", 0.0)) or 1.0,
            original_context=self.field("rope.scaling.original_context_length", self.field("context_length")),
            beta_fast=self.field("rope.scaling.yarn_beta_fast", 32.0),
            beta_slow=self.field("rope.scaling.yarn_beta_slow", 1.0),
            ext_factor=self.field("rope.scaling.yarn_ext_factor", 1.0 if kind == "yarn" else 0.0),
            attn_factor=self.field("rope.scaling.attn_factor", 1.0),
            freq_factors=None if factors is None else dequantize(factors.data, factors.tensor_type),
        )

    def weight(self, name):
        """A tensor as float64, slowest dimension first."""
        self.used.add(name)
        tensor = self.tensors[name]
        shape = tuple(int(n) for n in reversed(tensor.shape))
        return dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float64)

    def linear(self, x, name):
        """x @ W.T, plus the bias if the file has one."""
        y = x @ self.weight(name + ".weight").T
        return y + self.weight(name + ".bias") if name + ".bias" in self.tensors else y

    def store(self, x):
        """Keys and values as the cache gives them back."""
        return x

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.weight(name + ".weight")

    def attention(self, x, block):
        """x: (tokens, dim), normalised; the result too."""
        tokens, group = len(x), self.heads // self.kv_heads
        positions = np.arange(tokens)
        q = self.linear(x, block + "attn_q").reshape(tokens, self.heads, self.key_length)
        k = self.linear(x, block + "attn_k").reshape(tokens, self.kv_heads, self.key_length)
        v = self.linear(x, block + "attn_v").reshape(tokens, self.kv_heads, self.value_length)
        q, k, v = self.rope.rotate(q, positions), self.store(self.rope.rotate(k, positions)), self.store(v)
        k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
        scores = q.transpose(1, 0, 2) @ k.transpose(1, 2, 0) / np.sqrt(self.key_length)
        weights = np.exp(log_softmax(scores + np.triu(np.full((tokens, tokens), -np.inf), 1)))
        return self.linear(
            (weights @ v.transpose(1, 0, 2)).transpose(1, 0, 2).reshape(tokens, -1), block + "attn_output"
        )

    def feed_forward(self, x, block):
        gate = self.linear(x, block + "ffn_gate")
        return self.linear(gate / (1 + np.exp(-gate)) * self.linear(x, block + "ffn_up"), block + "ffn_down")

    def forward(self, ids):
        """Logits of every position, shape (tokens, vocabulary)."""
        x = self.weight("token_embd.weight")[np.asarray(ids)]
        for layer in range(self.layers):
            block = f"blk.{layer}."
            x = x + self.attention(self.norm(x, block + "attn_norm"), block)
            x = x + self.feed_forward(self.norm(x, block + "ffn_norm"), block)
        tied = "output.weight" not in self.tensors
        logits = self.linear(self.norm(x, "output_norm"), "token_embd" if tied else "output")
        if unused := self.tensors.keys() - self.used:
            raise ValueError(f"tensors that the reference does not know: {sorted(unused)}")
        return logits


def log_softmax(z):
    """Over the last axis; masked entries are -inf."""
    shifted = z - z.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def negative_log_likelihoods(log_probs, ids):
    """Entry i is of token i + 1 given tokens 0...i."""
    return -log_probs[np.arange(len(ids) - 1), ids[1:]]


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        tokens = json.load(file)
    result = Llama(sys.argv[1]).forward(tokens)
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
