"""Writes tiny GGUF files with random weights: every architecture and feature, every weight type.

    python synthesize.py OUTPUT_FOLDER [NAME...]

The files are complete: byte-level BPE vocabulary (256 bytes, some merges, three specials), so that `apus run` takes
them. Same name, same bytes, always (the seed is the name's). Sizes are odd on purpose: heads no power of two,
vocabulary no multiple of 16, head sizes from 20 to 128. Weights are drawn so that activations stay near 1 and logits
spread by about 2, hence errors of arithmetic show in the probabilities as they do in real models.
"""

import os
import sys
import zlib
from dataclasses import dataclass, replace

import gguf
import numpy as np
from block_types import NAMES, TYPES, quantize, sizes
from rope import llama3_freq_factors

LOGIT_SPREAD = 2.0
MERGES = ["Ġ t", "h e", "i n", "Ġ a", "e r", "o n", "Ġt he", "r e", "Ġ s", "a t", "Ġ Ġ", "e n", "Ġ Ċ", "in g", "ĠĠ ĠĠ"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QKV = ("attn_q", "attn_k", "attn_v")
ATTENTION = (*QKV, "attn_output")
FEED_FORWARD = ("ffn_gate", "ffn_up", "ffn_down")


@dataclass(frozen=True)
class Spec:
    """What a synthetic file has; `weights` is the type of all matrices, `others` overrides by tensor suffix."""

    name: str
    architecture: str = "llama"
    dim: int = 160
    hidden: int = 416
    layers: int = 2
    heads: int = 5
    kv_heads: int = 5
    head_dim: int | None = None
    rope_dim: int | None = None
    theta: float = 10000.0
    context: int = 512
    eps: float = 1e-5
    weights: str = "F32"
    others: tuple = ()
    tied: bool = False
    biases: tuple = ()  # the matrices that have one
    scaling: str | None = None
    factor: float = 1.0
    original_context: int | None = None
    attn_factor: float | None = None
    betas: tuple | None = None
    llama3: bool = False
    longrope: bool = False
    yarn_attn_factor: float | None = None
    fused: bool = False  # q, k and v in one tensor
    fused_gate: bool = False  # gate and up in one tensor
    head_norms: bool = False
    post_norms: bool = False
    output_bias: bool = False
    logit_cap: float | None = None
    window: int | None = None
    pattern: int | tuple | None = None  # of so many layers the last has no window; or whether each has one
    swa_theta: float | None = None
    arrays: tuple = ()  # the fields that are given once a layer
    without: tuple = ()  # the fields that the file leaves out
    only_reading: bool = False  # another file has the same pass: not run again and again for the same bits
    extra_vocab: int = 0
    tokens: int = 333  # length of the test text
    limit: int | None = None  # the context limit to run with; None: what the file says

    @property
    def key_length(self):
        return self.head_dim or self.dim // self.heads

    @property
    def value_length(self):
        return self.dim // self.heads if "attention.value_length" in self.without else self.key_length


def type_specs():
    """One file a weight type, and mixtures of types as Q4_K_M and Q4_0 files have them."""
    narrow = {"dim": 160, "hidden": 416, "heads": 6, "kv_heads": 3, "head_dim": 80}
    wide = {"dim": 512, "hidden": 768, "heads": 6, "kv_heads": 2, "head_dim": 128}  # every row a multiple of 256
    for name in NAMES:
        yield Spec(f"type-{name.lower()}", weights=name, **(wide if sizes(name)[0] == 256 else narrow))
    yield Spec(
        "type-mixed-k",
        weights="Q4_K",
        tied=True,
        **wide,
        others=(("attn_v", "Q6_K"), ("ffn_down", "Q5_K"), ("token_embd", "Q6_K")),
    )
    yield Spec(
        "type-mixed-32",
        dim=160,
        hidden=416,
        heads=5,
        kv_heads=1,
        weights="Q4_0",
        tied=True,
        others=(("attn_v", "Q5_1"), ("ffn_down", "Q8_0"), ("ffn_up", "F16"), ("token_embd", "Q8_0")),
    )


def feature_specs():
    """One file a feature of the architecture, weights F32."""
    yield Spec("mha")
    yield Spec("gqa", dim=192, heads=6, kv_heads=2)
    yield Spec("mqa", dim=336, heads=7, kv_heads=1, head_dim=48)
    yield Spec("tied", dim=144, heads=3, kv_heads=3, tied=True)
    yield Spec("key-length", dim=96, heads=5, kv_heads=5, head_dim=64)
    yield Spec("wide-heads", dim=256, heads=3, kv_heads=1, head_dim=128)
    yield Spec("attention-bias", dim=192, heads=3, kv_heads=1, biases=ATTENTION)
    yield Spec("all-biases", biases=ATTENTION + FEED_FORWARD)
    yield Spec("odd-rows", dim=100, hidden=150, heads=5, kv_heads=5)
    yield Spec("one-layer", layers=1, dim=32, hidden=32, heads=1, kv_heads=1)
    yield Spec("deep", layers=5, dim=96, heads=3, kv_heads=1, hidden=224)
    yield Spec("partial-rope", heads=5, kv_heads=5, rope_dim=16)
    yield Spec("theta", dim=320, heads=5, kv_heads=5, theta=500000.0)
    yield Spec("linear", scaling="linear", factor=4.0, original_context=128)
    yield Spec("yarn", dim=320, heads=5, kv_heads=5, scaling="yarn", factor=4.0, original_context=128)
    yield Spec(
        "yarn-options",
        dim=320,
        heads=5,
        kv_heads=5,
        scaling="yarn",
        factor=8.0,
        original_context=64,
        attn_factor=0.9,
        betas=(16.0, 2.0),
    )
    yield Spec(
        "yarn-attn-factor", only_reading=True, scaling="yarn", factor=4.0, original_context=128, yarn_attn_factor=1.3
    )
    yield Spec("longrope", longrope=True, scaling="longrope", original_context=256, attn_factor=1.1)
    yield Spec(
        "longrope-limit",
        only_reading=True,
        longrope=True,
        scaling="longrope",
        original_context=256,
        limit=256,
        tokens=250,
    )
    yield Spec("llama3", dim=320, heads=5, kv_heads=1, theta=500000.0, llama3=True)
    yield Spec("no-scaling", scaling="none", factor=4.0)
    yield Spec("epsilon", eps=1e-3)
    yield Spec("long", dim=96, hidden=96, heads=3, kv_heads=1, context=2048, tokens=1333)
    yield Spec("large-vocab", extra_vocab=1731)
    yield Spec("fused-bias", dim=192, heads=6, kv_heads=2, fused=True, biases=("attn_qkv",))
    yield Spec(
        "bare",
        only_reading=True,
        without=("attention.head_count_kv", "rope.dimension_count", "rope.freq_base", "vocab_size"),
        arrays=("attention.head_count", "feed_forward_length"),
    )
    yield Spec("arrays", only_reading=True, heads=6, kv_heads=2, dim=192, arrays=("attention.head_count_kv",))
    yield Spec("key-length-only", only_reading=True, head_dim=64, dim=160, without=("attention.value_length",))


def gemma3_specs():
    """Windows shorter and longer than a page of the cache and a chunk, on layers told by default and by the file."""
    base = Spec("gemma3", "gemma3", dim=120, hidden=200, layers=7, heads=3, kv_heads=1, head_dim=40, tied=True)
    base = replace(base, theta=1e6, window=37, tokens=200, head_norms=True, post_norms=True)
    yield base
    yield replace(
        base, name="gemma3-scaled", layers=7, window=100, theta=50000.0, swa_theta=3000.0, scaling="linear", factor=8.0
    )
    yield replace(base, name="gemma3-pattern", layers=5, heads=4, kv_heads=4, window=64, pattern=2)
    yield replace(base, name="gemma3-all-global", layers=6, pattern=1)
    # As Rnj-1: no window, YaRN, a cap on the logits (lower here, so that it shows).
    yarn = {"scaling": "yarn", "factor": 4.0, "original_context": 128}
    yield replace(base, name="gemma3-no-window", window=None, theta=20000.0, fused=True, logit_cap=4.0, **yarn)
    reading = replace(base, only_reading=True)
    yield replace(reading, name="gemma3-window-0", layers=2, window=0, pattern=6)
    yield replace(reading, name="gemma3-all-local", layers=3, pattern=0)
    yield replace(reading, name="gemma3-listed", layers=5, pattern=(False, True, True, False, True))
    yield replace(reading, name="gemma3-listed-numbers", layers=3, pattern=(1, 0, 1))
    yield replace(base, name="gemma3-62-layers", dim=32, hidden=40, layers=62, heads=2, head_dim=24, tokens=50)
    yield replace(base, name="gemma3-long", dim=64, hidden=96, heads=2, window=512, context=2048, tokens=700)
    others = (("attn_v", "Q8_0"), ("attn_output", "Q4_K"), ("ffn_down", "Q6_K"), ("token_embd", "Q8_0"))
    yield replace(base, name="gemma3-q4_k_m", dim=160, hidden=512, heads=4, head_dim=64, weights="Q5_0", others=others)
    yield replace(base, name="gemma3-q4_0", dim=96, hidden=160, heads=5, head_dim=32, weights="Q4_0")


def qwen_specs():
    """Qwen 2 with its biases, Qwen 3 with its normed heads, both with YaRN too."""
    qwen2 = Spec("qwen2", "qwen2", dim=180, hidden=250, heads=9, kv_heads=3, theta=1e6, biases=QKV)
    qwen3 = Spec("qwen3", "qwen3", dim=100, hidden=150, heads=5, kv_heads=1, head_dim=56, theta=1e6, head_norms=True)
    yarn = {"scaling": "yarn", "factor": 4.0, "original_context": 128}
    yield qwen2
    yield replace(qwen2, name="qwen2-yarn", dim=192, heads=3, kv_heads=1, tied=True, **yarn)
    yield replace(qwen2, name="qwen2-tied", dim=144, tied=True, output_bias=True)
    yield replace(qwen2, name="qwen2-fused", only_reading=True, fused=True, biases=("attn_qkv",), output_bias=True)
    yield replace(qwen2, name="qwen2-q4_0", dim=160, hidden=416, heads=5, kv_heads=1, weights="Q4_0")
    yield qwen3
    yield replace(qwen3, name="qwen3-yarn", layers=3, head_dim=64, kv_heads=5, **yarn)
    yield replace(
        qwen3, name="qwen3-q4_k", dim=256, hidden=512, heads=4, kv_heads=2, head_dim=128, tied=True, weights="Q4_K"
    )


def phi3_specs():
    """Fused matrices; LongRoPE's factors on both sides of the limit that chooses between them.

    Published files have the factors without a type of scaling; `longrope` stands in those of other converters."""
    phi3 = Spec("phi3", "phi3", dim=140, hidden=150, heads=5, kv_heads=5, fused=True, fused_gate=True)
    longrope = {"longrope": True, "original_context": 256, "attn_factor": 1.19}
    yield phi3
    yield replace(phi3, name="phi3-gqa", dim=192, heads=6, kv_heads=2, rope_dim=24, tied=True)
    yield replace(phi3, name="phi3-window", window=75)
    yield replace(phi3, name="phi3-long", **longrope)
    yield replace(phi3, name="phi3-short", context=256, tokens=250, **longrope)
    yield replace(phi3, name="phi3-limit", limit=256, tokens=250, **longrope)
    reading = replace(phi3, only_reading=True, tokens=250)
    for name, limit in [("phi3-longrope-short", 256), ("phi3-longrope-long", 257)]:
        yield replace(reading, name=name, scaling="longrope", limit=limit, **longrope)
    yield replace(reading, name="phi3-no-original", scaling="longrope", context=256, longrope=True)
    yield replace(reading, name="phi3-split", fused=False, biases=QKV)
    # Phi-4 mini: fewer rotated dimensions than a head has, tied, a window wider than the context.
    yield replace(
        phi3, name="phi3-4-mini", kv_heads=1, head_dim=32, dim=160, rope_dim=24, tied=True, window=262144, **longrope
    )
    yield replace(phi3, name="phi3-over-limit", limit=257, tokens=250, rope_dim=20, **longrope)
    yield replace(
        phi3, name="phi3-q4_k", dim=256, hidden=512, heads=4, kv_heads=2, weights="Q4_K", others=(("qkv", "Q5_K"),)
    )
    yield replace(phi3, name="phi3-q8_0", dim=96, hidden=160, heads=3, kv_heads=1, weights="Q8_0", **longrope)


def smollm3_specs():
    """The last of four layers does not rotate; depths at which that is the last layer, a middle one, and none."""
    base = Spec("smollm3", "smollm3", dim=140, hidden=200, layers=5, heads=7, kv_heads=1, theta=2e6, tied=True)
    yield base
    yield replace(base, name="smollm3-untied", dim=64, hidden=96, layers=8, heads=2, kv_heads=2, theta=5e6, tied=False)
    yarn = {"scaling": "yarn", "factor": 4.0, "original_context": 128, "attn_factor": 0.7}
    yield replace(base, name="smollm3-yarn", layers=4, theta=1e4, **yarn)
    yield replace(base, name="smollm3-three-layers", only_reading=True, layers=3)
    yield replace(base, name="smollm3-q4_0", dim=160, hidden=416, layers=4, heads=5, kv_heads=1, weights="Q4_0")


def token_ids(spec):
    """The text that a file of `spec` is tested on: random ids of its vocabulary, specials among them."""
    rng = np.random.default_rng(zlib.crc32(b"ids " + spec.name.encode()))
    return rng.integers(0, len(vocabulary(spec.extra_vocab)[0]), spec.tokens).tolist()


def all_specs():
    """Every specification by name."""
    specs = [*feature_specs(), *type_specs(), *gemma3_specs(), *qwen_specs(), *phi3_specs(), *smollm3_specs()]
    # Every type with biases too would be many; one of each family shows that bias and quantized product join well.
    specs += [
        replace(s, name=s.name + "-bias", biases=ATTENTION + FEED_FORWARD)
        for s in specs
        if s.name in ("type-q4_1", "type-q6_k")
    ]
    return {s.name: s for s in specs}


def byte_alphabet():
    """The characters that stand for the 256 bytes: printable Latin-1 as itself, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


def vocabulary(extra):
    """(tokens, types): bytes, merged pieces, specials, then `extra` unused tokens."""
    tokens = byte_alphabet() + [m.replace(" ", "") for m in MERGES]
    types = [1] * len(tokens) + [3] * len(SPECIALS) + [5] * extra
    return tokens + SPECIALS + [f"<unused{i}>" for i in range(extra)], types


def attention_matrices(spec):
    """(name, rows, columns, spread) of a layer's attention."""
    q_rows, k_rows, v_rows = (
        spec.heads * spec.key_length,
        spec.kv_heads * spec.key_length,
        spec.kv_heads * spec.value_length,
    )
    if spec.fused:
        yield "attn_qkv", q_rows + k_rows + v_rows, spec.dim, 1.5
    else:
        yield "attn_q", q_rows, spec.dim, 1.5
        yield "attn_k", k_rows, spec.dim, 1.5
        yield "attn_v", v_rows, spec.dim, 1.0
    yield "attn_output", spec.dim, spec.heads * spec.value_length, 1.0


def feed_forward_matrices(spec):
    """(name, rows, columns, spread) of a layer's feed-forward."""
    if spec.fused_gate:
        yield "ffn_up", 2 * spec.hidden, spec.dim, 1.0
    else:
        yield "ffn_gate", spec.hidden, spec.dim, 1.0
        yield "ffn_up", spec.hidden, spec.dim, 1.0
    yield "ffn_down", spec.dim, spec.hidden, 1.0


def write(spec, path):
    """Writes the file of `spec`."""
    rng = np.random.default_rng(zlib.crc32(spec.name.encode()))
    writer = gguf.GGUFWriter(path, spec.architecture)
    tokens, token_types = vocabulary(spec.extra_vocab)
    write_metadata(writer, spec, tokens, token_types)

    def matrix(name, rows, columns, spread=1.0):
        kind = next((t for suffix, t in spec.others if name.endswith(suffix)), spec.weights)
        values = rng.standard_normal((rows, columns), np.float32) * np.float32(spread / np.sqrt(columns))
        data = quantize(values, kind)
        writer.add_tensor(name + ".weight", data, raw_dtype=TYPES[kind] if data.dtype == np.uint8 else None)

    def vector(name, mean, spread, length):
        writer.add_tensor(name, (mean + spread * rng.standard_normal(length)).astype(np.float32))

    def matrices(block, shapes):
        for name, rows, columns, spread in shapes:
            matrix(block + name, rows, columns, spread)
            if name in spec.biases:
                vector(block + name + ".bias", 0, 0.3, rows)

    write_rope_factors(writer, spec, rng)
    matrix("token_embd", len(tokens), spec.dim, LOGIT_SPREAD)
    for layer in range(spec.layers):
        block = f"blk.{layer}."
        vector(block + "attn_norm.weight", 1, 0.1, spec.dim)
        matrices(block, attention_matrices(spec))
        if spec.head_norms:
            vector(block + "attn_q_norm.weight", 1.2, 0.3, spec.key_length)
            vector(block + "attn_k_norm.weight", 1.2, 0.3, spec.key_length)
        vector(block + "ffn_norm.weight", 1, 0.1, spec.dim)
        matrices(block, feed_forward_matrices(spec))
        if spec.post_norms:
            # All layers together outweigh the scaled embedding (tied, it would have every token follow itself), but
            # none does alone: deep files would blow up each rounding.
            gain = 4 / np.sqrt(spec.layers)
            vector(block + "post_attention_norm.weight", gain, 0.2 * gain, spec.dim)
            vector(block + "post_ffw_norm.weight", gain, 0.2 * gain, spec.dim)
    vector("output_norm.weight", 1, 0.1, spec.dim)
    if not spec.tied:
        matrix("output", len(tokens), spec.dim, LOGIT_SPREAD)
    if spec.output_bias:
        vector("output.bias", 0, 1, len(tokens))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_rope_factors(writer, spec, rng):
    """The tensors of frequency factors, for the files that have them."""
    pairs = (spec.rope_dim or spec.key_length) // 2
    if spec.llama3:
        factors = llama3_freq_factors(2 * pairs, spec.theta, original_context=256)
        writer.add_tensor("rope_freqs.weight", factors)
    if spec.longrope:
        for name, largest in [("long", 30.0), ("short", 1.5)]:
            factors = np.sort(rng.uniform(1, largest, pairs)).astype(np.float32)
            writer.add_tensor(f"rope_factors_{name}.weight", factors)


def write_metadata(writer, spec, tokens, token_types):
    writer.add_name("apus-" + spec.name)
    writer.add_block_count(spec.layers)
    writer.add_context_length(spec.context)
    writer.add_embedding_length(spec.dim)
    writer.add_feed_forward_length(spec.hidden)
    writer.add_head_count(spec.heads)
    writer.add_head_count_kv(spec.kv_heads)
    writer.add_layer_norm_rms_eps(spec.eps)
    writer.add_rope_freq_base(spec.theta)
    writer.add_vocab_size(len(tokens))
    if spec.head_dim:
        writer.add_key_length(spec.head_dim)
        writer.add_value_length(spec.value_length)
    writer.add_rope_dimension_count(spec.rope_dim or spec.key_length)
    write_rope_metadata(writer, spec)
    if spec.logit_cap:
        writer.add_final_logit_softcapping(spec.logit_cap)
    if spec.window is not None:
        writer.add_sliding_window(spec.window)
    if spec.pattern is not None:
        add = writer.add_array if isinstance(spec.pattern, tuple) else writer.add_uint32
        add(f"{spec.architecture}.attention.sliding_window_pattern", spec.pattern)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(token_types)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(tokens.index("<|im_start|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_unk_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    fields = writer.kv_data[0]
    for name in spec.without:
        del fields[f"{spec.architecture}.{name}"]
    for name in spec.arrays:
        field = fields[f"{spec.architecture}.{name}"]
        field.value, field.type, field.sub_type = [field.value] * spec.layers, gguf.GGUFValueType.ARRAY, field.type


def write_rope_metadata(writer, spec):
    prefix = f"{spec.architecture}.rope."
    if spec.swa_theta:
        writer.add_float32(prefix + "freq_base_swa", spec.swa_theta)
    if spec.scaling:
        writer.add_string(prefix + "scaling.type", spec.scaling)
        writer.add_float32(prefix + "scaling.factor", spec.factor)
    if spec.original_context:
        writer.add_uint32(prefix + "scaling.original_context_length", spec.original_context)
    if spec.attn_factor:
        writer.add_float32(prefix + "scaling.attn_factor", spec.attn_factor)
    if spec.yarn_attn_factor:
        writer.add_float32(prefix + "scaling.yarn_attn_factor", spec.yarn_attn_factor)
    if spec.betas:
        writer.add_float32(prefix + "scaling.yarn_beta_fast", spec.betas[0])
        writer.add_float32(prefix + "scaling.yarn_beta_slow", spec.betas[1])


if __name__ == "__main__":
    folder, names = sys.argv[1], sys.argv[2:]
    specs = all_specs()
    os.makedirs(folder, exist_ok=True)
    for name in names or specs:
        write(specs[name], os.path.join(folder, name + ".gguf"))
        print(os.path.join(folder, name + ".gguf"))
