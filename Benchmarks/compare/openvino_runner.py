"""Measures OpenVINO GenAI on a GGUF file, with llama-bench's options and JSON; runs in its virtual environment.

    python openvino_runner.py -m FILE.gguf -t THREADS -p 512 -n 128 [-d DEPTH] [-r 1] [--no-warmup]

Prefill is the prompt's tokens over the time to the first token; decoding the tokens after the first over the rest
(greedy, past any end of text), as its own performance metrics tell them. The pipeline keeps the cache of prompts
that it has seen: every prompt is new, but for a test at a depth, before which that many of its tokens are computed.
"""

import argparse
import json
import statistics
import sys

import numpy as np
import openvino
import openvino_genai


def tokens(count, seed):
    """Tokens unlike those of any other seed: the pipeline knows prompts again that it has seen."""
    return np.random.default_rng((count, seed)).integers(1000, 30000, (1, count), np.int64)


def generate(pipeline, ids, generated):
    """Seconds to the first token, and seconds of the tokens after it."""
    inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids)))
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = config.min_new_tokens = generated
    config.ignore_eos = True
    config.do_sample = False
    metrics = pipeline.generate(inputs, config).perf_metrics
    if metrics.get_num_generated_tokens() != generated:
        sys.exit(f"generated {metrics.get_num_generated_tokens()} tokens, wanted {generated}")
    first = metrics.get_ttft().mean / 1000
    return first, (metrics.get_tpot().mean / 1000 * (generated - 1) if generated > 1 else 0.0)


def sample(pipeline, prompt, generated, depth, seed):
    """Seconds of a test."""
    ids = tokens(depth + (prompt or 1), seed)
    if generated:
        return generate(pipeline, ids, generated + 1)[1]
    if depth:
        generate(pipeline, ids[:, :depth], 1)
    return generate(pipeline, ids, 1)[0]


def main():
    numbers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-m", required=True)
    parser.add_argument("-t", type=int, required=True)
    parser.add_argument("-p", type=numbers, default=[512])
    parser.add_argument("-n", type=numbers, default=[128])
    parser.add_argument("-d", type=int, default=0)
    parser.add_argument("-r", type=int, default=1)
    parser.add_argument("--no-warmup", action="store_true")
    arguments = parser.parse_args()
    pipeline = openvino_genai.LLMPipeline(arguments.m, "CPU", INFERENCE_NUM_THREADS=arguments.t)
    tests = [(prompt, 0) for prompt in arguments.p if prompt] + [(0, count) for count in arguments.n if count]
    rows = []
    for prompt, generated in tests:
        if not arguments.no_warmup:
            generate(pipeline, tokens(prompt or 1, 0), 1)
        seconds = [sample(pipeline, prompt, generated, arguments.d, seed) for seed in range(1, arguments.r + 1)]
        rates = [(prompt or generated) / value for value in seconds]
        row = {"engine": "openvino-genai", "version": openvino_genai.__version__, "n_threads": arguments.t}
        row |= {"n_prompt": prompt, "n_gen": generated, "n_depth": arguments.d}
        rows.append(row | {"avg_ts": statistics.mean(rates), "samples_ts": rates})
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
