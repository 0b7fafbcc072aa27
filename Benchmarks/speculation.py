"""Measures what guessing tokens (`--speculate lookup`) gains on texts that repeat themselves, and costs on others.

    python Benchmarks/speculation.py [--rounds N] [--model NAME=FILE]... [--only CASE...] [--json FILE]

Each case runs with and without in turn. Speed is tokens a second after the prompt; CPU time is the process's, that of a
run of one token taken off, per token. Ids and logits must be the same. Exits with 1 where a text that repeats itself is
not at least 1.5 times as fast, or another one takes over 3 % more CPU time.

edit, code   SmolLM2 copies a text with one name changed; goes on with a third version of a class
cycle        a synthetic 1B model (random weights) with few tokens left to draw from falls into a cycle
story, noise SmolLM2 writes, with temperature; the 1B model says what random weights say
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from operator import truediv
from pathlib import Path

import apus

LEAST_SPEEDUP = 1.5
MOST_CPU = 1.03

LETTER = """Copy this text word by word, but call the woman Maria instead of Anna:

Anna lived in a small house by the sea. Every morning Anna walked along the beach and looked for shells. One day Anna \
found a bottle with a letter in it. The letter was from a sailor who had lost his way. Anna read it twice, put it into \
her pocket, and went to the harbour to ask whether anybody knew him. An old fisherman said that the ship had passed \
the lighthouse in the storm, ten years ago, and that nobody had seen it since. Anna thanked him and walked home."""

CLASS = '''class {name}:
    """Keeps an amount of money, and what was done with it."""

    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance
        self.history = []

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        self.balance += amount
        self.history.append(("deposit", amount))

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError("there is not enough money")
        self.balance -= amount
        self.history.append(("withdraw", amount))

'''
CODE = CLASS.format(name="Account") + CLASS.format(name="SavingsAccount") + "class BusinessAccount:\n"


@dataclass
class Case:
    """A text to generate: whether it repeats itself, the model, the prompt, tokens and options."""

    repeats: bool
    model: str
    prompt: str
    tokens: int
    options: list


CASES = {
    "edit": Case(True, "smollm2", LETTER, 160, ["--temp", 0]),
    "code": Case(True, "smollm2", CODE, 180, ["--temp", 0, "--raw"]),
    "cycle": Case(
        True, "1b", "a", 128, ["--temp", 0, "--raw", *(f"--logit-bias={id}+10" for id in range(300, 900, 75))]
    ),
    "story": Case(False, "smollm2", "Write a story about a lighthouse keeper and a storm.", 300, ["--temp", 0.8]),
    "noise": Case(False, "1b", "a", 100, ["--temp", 0, "--raw"]),
}


def synthetic():
    """The 1B model, made where it is missing."""
    path = apus.ROOT / ".cache/bench/llama-3.2-1b-q4_0.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        script = Path(__file__).with_name("synthesize.py")
        subprocess.run([sys.executable, script, "llama-3.2-1b", "Q4_0", path], check=True)
    return path


def generate(path, case, speculate, tokens):
    """One run: what --json says, and the CPU time."""
    command = [apus.BINARY, "run", "-m", path, "-n", tokens, "--seed", 1, "--json", "--ignore-eos", *case.options]
    done = apus.checked([*command, "--speculate", speculate], case.prompt)
    return json.loads(done.output), done.cpu_seconds


def measure(name, case, path, rounds):
    """Runs a case in turn with and without; gives the row of the table."""
    samples = {"off": [], "lookup": []}
    generate(path, case, "off", 1)  # the file is in memory from here on
    for round in range(rounds):
        for speculate in ("off", "lookup") if round % 2 == 0 else ("lookup", "off"):
            _, start = generate(path, case, speculate, 1)
            result, cpu = generate(path, case, speculate, case.tokens)
            samples[speculate].append((result, (cpu - start) / len(result["ids"])))
    first = samples["off"][0][0]
    for result, _ in samples["off"] + samples["lookup"]:
        if any(result[key] != first[key] for key in ("ids", "text", "logits_hash")):
            raise SystemExit(f"{name}: guessing changed what was generated")
    speed = {key: [r["timings"]["generated_per_second"] for r, _ in value] for key, value in samples.items()}
    cpu = {key: [seconds for _, seconds in value] for key, value in samples.items()}
    return {
        "case": name,
        "repeats": case.repeats,
        "model": path.name,
        "tokens": len(first["ids"]),
        "tokens_per_second": speed,
        "cpu_seconds_per_token": cpu,
        "speculation": samples["lookup"][-1][0]["speculation"],
        # Of each round, whose runs came right after each other: the machine's speed drifts.
        "speedup": statistics.median(map(truediv, speed["lookup"], speed["off"])),
        "cpu": statistics.median(map(truediv, cpu["lookup"], cpu["off"])),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE", help="smollm2=FILE or 1b=FILE")
    parser.add_argument("--json", help="write the figures there")
    arguments = parser.parse_args()
    given = dict(word.split("=", 1) for word in arguments.model)
    rows = []
    for name in arguments.only:
        case = CASES[name]
        path = Path(given[case.model]) if case.model in given else None
        path = path or (synthetic() if case.model == "1b" else apus.model_path(case.model))
        row = measure(name, case, path, arguments.rounds)
        row["ok"] = row["speedup"] >= LEAST_SPEEDUP if case.repeats else row["cpu"] <= MOST_CPU
        rows.append(row)
        guesses = row["speculation"]
        print(
            f"{'ok  ' if row['ok'] else 'MISS'} {name}, {path.name}, {row['tokens']} tokens: {row['speedup']:.2f} x "
            f"the speed, {row['cpu']:.3f} x the CPU time, {guesses['accepted']} of {guesses['drafted']} guesses right",
            flush=True,
        )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
