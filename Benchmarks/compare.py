"""Measures apus and llama.cpp's llama-bench in turn on the same file, threads and sizes: rounds of A B A B.

    python Benchmarks/compare.py --llama-bench PATH [--model smollm2] [--rounds 5] [--threads N] [--json FILE]

Reports prefill and decode in tokens per second of every round, and the ratio apus / llama.cpp of each round: median,
least and greatest. A round's two figures are taken seconds apart, so the ratio is steadier than either on a noisy
machine. apus runs cold, a new process a round; llama-bench warms up first, as it does by itself.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import apus

METRICS = ("prefill", "decode")


def apus_round(binary, model, prompt, decode, threads):
    """Tokens per second of {prefill, decode} and the exact prompt length."""
    long = apus.generate(binary, model, prompt, 1, threads)
    # As llama-bench measures it: from an (almost) empty context. The first token comes with the prompt: one more.
    short = apus.generate(binary, model, "The", decode + 1, threads)
    return {"prefill": long.prefill_rate, "decode": short.decode_rate}, long.prompt_tokens


def llama_round(binary, model, prompt_tokens, decode, threads):
    command = [binary, "-m", model, "-t", threads, "-p", prompt_tokens, "-n", decode, "-fa", 1, "-r", 1, "-o", "json"]
    run = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    rates = {}
    for entry in json.loads(run.stdout):
        rates["prefill" if entry["n_prompt"] else "decode"] = entry["avg_ts"]
    return rates


def prompt_of(binary, model, tokens):
    """English text of `tokens` tokens, or nearly."""
    text = (apus.ROOT / "LICENSE").read_text()
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if apus.count_tokens(binary, model, text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def machine():
    """What the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=apus.ROOT, capture_output=True, text=True).stdout.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform(), "commit": commit}


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--llama-bench", required=True, help="the llama-bench to compare with")
    parser.add_argument("--apus", default=apus.BINARY)
    parser.add_argument("--model", default="smollm2", help="a GGUF file, or a short name of the model folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prefill", type=int, default=512, help="tokens of the prompt")
    parser.add_argument("--decode", type=int, default=64, help="tokens to generate")
    parser.add_argument("--json", help="write all figures there")
    arguments = parser.parse_args()
    if not Path(arguments.llama_bench).is_file():
        parser.error(f"--llama-bench: no such file: '{arguments.llama_bench}'")

    model = apus.model_path(arguments.model)
    prompt = prompt_of(arguments.apus, model, arguments.prefill)
    rounds = []
    for number in range(arguments.rounds):
        ours, prompt_tokens = apus_round(arguments.apus, model, prompt, arguments.decode, arguments.threads)
        theirs = llama_round(arguments.llama_bench, model, prompt_tokens, arguments.decode, arguments.threads)
        ratios = {metric: ours[metric] / theirs[metric] for metric in METRICS}
        rounds.append({"apus": ours, "llama.cpp": theirs, "ratio": ratios})
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)

    names = {"prefill": f"prefill {prompt_tokens}", "decode": f"decode {arguments.decode}"}
    print(
        f"{model.name}, {arguments.threads} threads, tokens/s, median (least-greatest) of {arguments.rounds} rounds\n"
    )
    print("| | apus | llama.cpp | apus / llama.cpp |")
    print("|---|---|---|---|")
    figures = {}
    for metric in METRICS:
        figures[metric] = {who: summary([r[who][metric] for r in rounds]) for who in ("apus", "llama.cpp", "ratio")}
        cells = [
            f"{figure['median']:.{digits}f} ({figure['min']:.{digits}f}-{figure['max']:.{digits}f})"
            for figure, digits in zip(figures[metric].values(), (0, 0, 2), strict=True)
        ]
        print(f"| {names[metric]} | {' | '.join(cells)} |")
    if arguments.json:
        result = {
            "command": sys.argv,
            "machine": machine(),
            "model": model.name,
            "threads": arguments.threads,
            "prompt_tokens": prompt_tokens,
            "decode_tokens": arguments.decode,
            "summary": figures,
            "rounds": rounds,
        }
        Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
