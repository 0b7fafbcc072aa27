"""Writes big llama GGUF files with random weights, in seconds, to measure speed and memory on.

    python Benchmarks/synthesize.py SHAPE TYPE OUTPUT.gguf      (shapes: see SHAPES; types: Q4_0, Q8_0, Q4_K, F16 …)

The vocabulary is SmolLM2's, cut or filled up to the shape's size, so the file tokenizes text. A pool of rows is drawn
from the normal distribution and quantized; every matrix takes its rows from the pool at random, which costs no more
than a copy. Activations stay near 1, as in a real model; the text that comes out means nothing.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/Reference"))

from block_types import NAMES, TYPES, quantize  # noqa: E402
from rope import llama3_freq_factors  # noqa: E402

POOL_ROWS = 256


@dataclass(frozen=True)
class Shape:
    """The sizes of a published model."""

    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool
    theta: float = 10000.0
    context: int = 8192
    llama3: bool = False


SHAPES = {
    "smollm2-135m": Shape(576, 1536, 30, 9, 3, 49152, tied=True, theta=100000.0),
    "tinyllama-1.1b": Shape(2048, 5632, 22, 32, 4, 32000, tied=False),
    "llama-3.2-1b": Shape(2048, 8192, 16, 32, 8, 128256, tied=True, theta=500000.0, llama3=True),
    "llama-2-7b": Shape(4096, 11008, 32, 32, 32, 32000, tied=False, context=4096),
    "mistral-7b": Shape(4096, 14336, 32, 32, 8, 32000, tied=False),
}


class Pool:
    """Quantized rows by type and width."""

    def __init__(self, rng):
        self.rng = rng
        self.rows = {}

    def matrix(self, kind, rows, columns):
        """rows x columns with a variance of 1 / columns, as add_tensor takes it."""
        if (kind, columns) not in self.rows:
            values = self.rng.standard_normal((POOL_ROWS, columns), np.float32) / np.float32(np.sqrt(columns))
            self.rows[kind, columns] = quantize(values, kind)
        return self.rows[kind, columns][self.rng.integers(0, POOL_ROWS, rows)]


def vocabulary(model, size):
    """SmolLM2's tokens, types and merges: the first `size`, or filled up with unused ones."""
    reader = gguf.GGUFReader(model)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()[:size]
    types = reader.fields["tokenizer.ggml.token_type"].contents()[:size]
    known = set(tokens)
    merges = [
        merge
        for merge in reader.fields["tokenizer.ggml.merges"].contents()
        if merge.replace(" ", "") in known and all(part in known for part in merge.split(" "))
    ]
    fill = range(size - len(tokens))
    return tokens + [f"<unused{i}>" for i in fill], types + [gguf.TokenType.UNUSED for _ in fill], merges


def write(shape, kind, path, vocabulary_model):
    """Writes a file of `shape` with every matrix of type `kind`; renamed to `path` when complete."""
    rng = np.random.default_rng(0)
    pool = Pool(rng)
    partial = f"{path}.partial"
    writer = gguf.GGUFWriter(partial, "llama")
    tokens, types, merges = vocabulary(vocabulary_model, shape.vocabulary)
    writer.add_name(Path(path).stem)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.dim)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(shape.theta)
    writer.add_rope_dimension_count(shape.dim // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)

    def matrix(name, rows, columns):
        data = pool.matrix(kind, rows, columns)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=TYPES[kind] if data.dtype == np.uint8 else None)

    ones = np.ones(shape.dim, np.float32)
    kv_rows = shape.dim // shape.heads * shape.kv_heads
    if shape.llama3:
        factors = llama3_freq_factors(shape.dim // shape.heads, shape.theta)
        writer.add_tensor("rope_freqs.weight", factors)
    matrix("token_embd", shape.vocabulary, shape.dim)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        writer.add_tensor(f"{block}attn_norm.weight", ones)
        matrix(f"{block}attn_q", shape.dim, shape.dim)
        matrix(f"{block}attn_k", kv_rows, shape.dim)
        matrix(f"{block}attn_v", kv_rows, shape.dim)
        matrix(f"{block}attn_output", shape.dim, shape.dim)
        writer.add_tensor(f"{block}ffn_norm.weight", ones)
        matrix(f"{block}ffn_gate", shape.hidden, shape.dim)
        matrix(f"{block}ffn_up", shape.hidden, shape.dim)
        matrix(f"{block}ffn_down", shape.dim, shape.hidden)
    writer.add_tensor("output_norm.weight", ones)
    if not shape.tied:
        matrix("output", shape.vocabulary, shape.dim)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("type", choices=NAMES)
    parser.add_argument("output")
    models = Path(os.environ.get("APUS_MODELS", ROOT / "models"))
    default = models / "smollm2-135m-instruct-q4_1.gguf"
    parser.add_argument("--vocabulary", default=default, help="a GGUF file to take the vocabulary from")
    arguments = parser.parse_args()
    write(SHAPES[arguments.shape], arguments.type, arguments.output, arguments.vocabulary)


if __name__ == "__main__":
    main()
