"""Float64 forward pass of a decoder in numpy, and the pieces that architectures put together (architectures.py).

Weights are what `gguf.quants.dequantize` says they are; all arithmetic is float64. Read from the file's metadata: head
counts (MHA, GQA, MQA), key and value length, rope dimension (partial too), theta, scaling (linear, YaRN, LongRoPE),
biases wherever the file has them, q, k and v in one tensor or three, tied or untied output.
A tensor that the pass did not use is an error, so that no feature of a file is passed over in silence.
"""

import gguf
import numpy as np
from gguf.quants import dequantize
from rope import Rope


class Exact:
    """What happens to numbers between the steps: nothing. simulate.py has the engine's roundings instead."""

    def activations(self, x, kind):
        """x as a product with a matrix of type `kind` takes it."""
        return x

    def store(self, x):
        """Keys and values as the cache gives them back."""
        return x


class Decoder:
    """A model read from a file. `forward` is the pass; an architecture overrides what it does in its own way."""

    rope_layout = "pairs"
    # Read with the metadata, not by the pass.
    factor_tensors = ("rope_factors_long.weight", "rope_factors_short.weight")

    def __init__(self, path, context=None, numerics=None):
        """`context` is the limit that the engine is created with; by default what the model was trained for."""
        reader = gguf.GGUFReader(path)
        self.numerics = numerics or Exact()
        self.tensors = {t.name: t for t in reader.tensors}
        self.fields = {k: f for k, f in reader.fields.items() if not k.startswith("tokenizer.")}
        self.name = self.fields["general.architecture"].contents()
        self.context = context or self.field("context_length")
        self.layers = self.field("block_count")
        self.dim = self.field("embedding_length")
        self.heads = self.same_in_layers("attention.head_count")
        self.kv_heads = self.same_in_layers("attention.head_count_kv", self.heads)
        self.key_length = self.field("attention.key_length", self.dim // self.heads)
        self.value_length = self.field("attention.value_length", self.dim // self.heads)
        self.eps = self.field("attention.layer_norm_rms_epsilon")
        self.attention_scale = 1 / np.sqrt(self.key_length)
        self.logit_cap = self.field("final_logit_softcapping", 0.0)
        self.rope = self.read_rope()
        self.used = set(self.factor_tensors) & self.tensors.keys()

    def field(self, key, default=None):
        """A metadata value of the architecture; without a default it must be there."""
        if field := self.fields.get(f"{self.name}.{key}"):
            return field.contents()
        if default is None:
            raise ValueError(f"{self.name}.{key} is missing")
        return default

    def same_in_layers(self, key, default=None):
        """A number that a file gives once, or once a layer."""
        value = self.field(key, default)
        if isinstance(value, list):
            if len(value) != self.layers or len(set(value)) != 1:
                raise ValueError(f"{self.name}.{key} is {value}, which is not known here")
            return value[0]
        return value

    def scaling_kind(self):
        return self.field("rope.scaling.type", "linear")

    def read_rope(self):
        kind = self.scaling_kind()
        if kind not in ("none", "linear", "yarn", "longrope"):
            raise ValueError(f"rope scaling {kind} is not known here")
        return Rope(
            dim=self.field("rope.dimension_count", self.key_length),
            theta=self.field("rope.freq_base", 10000.0),
            kind="none" if kind == "longrope" else kind,  # which is frequency factors and a magnitude, no more
            factor=self.field("rope.scaling.factor", self.field("rope.scale_linear", 0.0)) or 1.0,
            original_context=self.field("rope.scaling.original_context_length", self.field("context_length")),
            beta_fast=self.field("rope.scaling.yarn_beta_fast", 32.0),
            beta_slow=self.field("rope.scaling.yarn_beta_slow", 1.0),
            ext_factor=self.field("rope.scaling.yarn_ext_factor", 1.0 if kind == "yarn" else 0.0),
            attn_factor=self.field("rope.scaling.attn_factor", 1.0),
            yarn_attn_factor=self.field("rope.scaling.yarn_attn_factor", 0.0) or None,
            freq_factors=self.freq_factors(),
            layout=self.rope_layout,
        )

    def freq_factors(self):
        """Divisors of the frequencies, or None."""
        if self.scaling_kind() != "longrope":
            return None
        original = self.field("rope.scaling.original_context_length", self.field("context_length"))
        return self.stored(f"rope_factors_{'long' if self.context > original else 'short'}.weight")

    def stored(self, name):
        """A small tensor as the file has it, or None."""
        tensor = self.tensors.get(name)
        return None if tensor is None else dequantize(tensor.data, tensor.tensor_type)

    def weight(self, name):
        """A tensor as float64, slowest dimension first."""
        self.used.add(name)
        tensor = self.tensors[name]
        shape = tuple(int(n) for n in reversed(tensor.shape))
        return dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float64)

    def linear(self, x, name):
        """x @ W.T, plus the bias if the file has one."""
        x = self.numerics.activations(x, self.tensors[name + ".weight"].tensor_type)
        return self.biased(x @ self.weight(name + ".weight").T, name)

    def biased(self, y, name):
        return y + self.weight(name + ".bias") if name + ".bias" in self.tensors else y

    def norm(self, x, name):
        """RMSNorm over the last axis."""
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.weight(name + ".weight")

    def embed(self, ids):
        """The first residual, (tokens, dim)."""
        self.used.add("token_embd.weight")
        tensor = self.tensors["token_embd.weight"]
        return dequantize(tensor.data[np.asarray(ids)], tensor.tensor_type).astype(np.float64)

    def project(self, x, block):
        """Queries, keys and values, (tokens, heads, length) each, before rotation."""
        if block + "attn_qkv.weight" in self.tensors:
            q_rows, k_rows = self.heads * self.key_length, self.kv_heads * self.key_length
            fused = self.linear(x, block + "attn_qkv")
            return self.split_heads(*np.split(fused, [q_rows, q_rows + k_rows], axis=-1))
        return self.split_heads(*(self.linear(x, block + name) for name in ("attn_q", "attn_k", "attn_v")))

    def split_heads(self, q, k, v):
        tokens = len(q)
        return (
            q.reshape(tokens, self.heads, self.key_length),
            k.reshape(tokens, self.kv_heads, self.key_length),
            v.reshape(tokens, self.kv_heads, self.value_length),
        )

    def layer_rope(self, layer):
        """The rotation of a layer."""
        return self.rope

    def layer_window(self, layer):
        """How many positions a layer sees, its own included; None: all."""
        return None

    def attention(self, x, layer):
        """x: (tokens, dim), normalised; the result too."""
        tokens, group, block, rope = len(x), self.heads // self.kv_heads, f"blk.{layer}.", self.layer_rope(layer)
        positions = np.arange(tokens)
        q, k, v = self.project(x, block)
        store = self.numerics.store
        q, k, v = rope.rotate(q, positions), store(rope.rotate(k, positions)), store(v)
        k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
        distance = positions[:, None] - positions
        seen = (distance >= 0) & (distance < (self.layer_window(layer) or tokens))
        scores = q.transpose(1, 0, 2) @ k.transpose(1, 2, 0) * self.attention_scale
        weights = np.exp(log_softmax(np.where(seen, scores, -np.inf)))
        mixed = (weights @ v.transpose(1, 0, 2)).transpose(1, 0, 2)
        return self.linear(mixed.reshape(tokens, -1), block + "attn_output")

    def gate_and_up(self, x, block):
        return self.linear(x, block + "ffn_gate"), self.linear(x, block + "ffn_up")

    def activation(self, x):
        return silu(x)

    def feed_forward(self, x, layer):
        """x: (tokens, dim), normalised; the result too."""
        gate, up = self.gate_and_up(x, f"blk.{layer}.")
        return self.linear(self.activation(gate) * up, f"blk.{layer}.ffn_down")

    def apply(self, x, layer):
        """The residual after a layer."""
        x = x + self.attention(self.norm(x, f"blk.{layer}.attn_norm"), layer)
        return x + self.feed_forward(self.norm(x, f"blk.{layer}.ffn_norm"), layer)

    def forward(self, ids):
        """Logits of every position, shape (tokens, vocabulary)."""
        x = self.embed(ids)
        for layer in range(self.layers):
            x = self.apply(x, layer)
        tied = "output.weight" not in self.tensors
        logits = self.linear(self.norm(x, "output_norm"), "token_embd" if tied else "output")
        logits = self.biased(logits, "output") if tied else logits
        if self.logit_cap:
            logits = self.logit_cap * np.tanh(logits / self.logit_cap)
        if unused := self.tensors.keys() - self.used:
            raise ValueError(f"tensors that the reference does not know: {sorted(unused)}")
        return logits


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def log_softmax(z):
    """Over the last axis; masked entries are -inf."""
    shifted = z - z.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def negative_log_likelihoods(log_probs, ids):
    """Entry i is of token i + 1 given tokens 0...i."""
    return -log_probs[np.arange(len(ids) - 1), ids[1:]]
