"""The engines: for each probe a command, and the measures out of what it printed. One class an engine.

An engine that cannot take a probe raises `Unsupported` with the reason, which is reported.
"""

import json
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from .probes import rate_name

BATCH_PROMPT, BATCH_GENERATED = 16, 32


class Unsupported(Exception):
    """Why an engine cannot take a probe."""


@dataclass
class Command:
    """What is run; `environment` is added to this process's."""

    words: list
    environment: dict = field(default_factory=dict)


def rows_of(text):
    """The rows of a JSON list, or of lines of JSON objects among others."""
    start = text.find("[\n")
    if start >= 0:
        return json.loads(text[start : text.rindex("]") + 1])
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    if not rows:
        raise ValueError("no JSON in the output")
    return rows


def table_rows(text):
    """The rows of a table of llama-batched-bench, by the keys that it has in JSON."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:1] == "|"]
    if len(lines) < 3 or not {"B", "S_TG t/s"} <= set(lines[0]):
        raise ValueError("no table in the output")
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
    return [{"pl": int(row["B"]), "speed_tg": float(row["S_TG t/s"])} for row in rows]


def rates(rows, probe):
    """Tokens per second by measure out of llama-bench's rows: the median of a process's repetitions."""
    values = {}
    for row in rows:
        if row["n_prompt"] and row["n_gen"]:
            continue
        name = rate_name(row["n_prompt"], row["n_gen"], row.get("n_depth", 0)) + probe.suffix
        values[name] = statistics.median(row["samples_ts"])
    return values


def row_values(rows, probe):
    """Measures out of rows: of llama-batched-bench (tokens per second of all sequences) or of llama-bench."""
    if probe.sequences:
        return {f"sequences {row['pl']}": row["speed_tg"] for row in rows}
    return rates(rows, probe)


def size_words(probe):
    """llama-bench's options of a probe."""
    words = ["-p", ",".join(map(str, probe.prompts)) or 0, "-n", ",".join(map(str, probe.generations)) or 0]
    return [*words, *(["-d", probe.depth] if probe.depth else []), "-r", probe.repetitions]


def batched_sizes(probe):
    """The options that llama-batched-bench and `apus bench --batched` share."""
    return ["-npp", BATCH_PROMPT, "-ntg", BATCH_GENERATED, "-npl", ",".join(map(str, probe.sequences))]


class Engine:
    """Base of the engines. `variants` are flags to choose from: the fastest is found once per file and probe."""

    variants = ((),)

    def __init__(self, name, path):
        self.name = name
        self.path = Path(path)

    def description(self):
        """What the report says of it."""
        return {"name": self.name, "path": str(self.path), "flags": [" ".join(flags) for flags in self.variants]}

    def command(self, probe, model, threads, flags):
        """The command of a probe."""
        raise NotImplementedError

    def rows(self, probe, text):
        """What a command printed, as rows."""
        return rows_of(text)

    def values(self, probe, rows):
        """Measures out of rows."""
        return row_values(rows, probe)


class Apus(Engine):
    """`apus bench`, and `apus run` for a process that starts, answers one token and ends."""

    def command(self, probe, model, threads, flags):
        environment = {"APUS_ISA": "avx2"} if probe.avx2 else {}
        if probe.start:
            words = ["run", "-m", model, "-t", threads, "-p", "Hello", "-n", 1, "--raw", "--temp", 0]
        elif probe.sequences:
            words = ["bench", "--batched", "-m", model, "-t", threads, *batched_sizes(probe), "-o", "json"]
        else:
            words = ["bench", "-m", model, "-t", threads, *size_words(probe), "-o", "json"]
        return Command([self.path, *words], environment)


class LlamaCpp(Engine):
    """llama-bench, and the tools beside it."""

    variants = (("-fa", "1"), ("-fa", "0"))
    avx2_option = "--llama-bench-avx2"

    def __init__(self, name, path, avx2=None):
        super().__init__(name, path)
        self.avx2 = Path(avx2) if avx2 else None

    def tool(self, name):
        """Another tool of the same build."""
        path = self.path.with_name(name)
        if not path.is_file():
            raise Unsupported(f"no {name} beside {self.path.name}")
        return path

    def command(self, probe, model, threads, flags):
        if probe.sequences:
            tool = self.tool("llama-batched-bench")
            words = ["-m", model, "-t", threads, "-c", max(probe.sequences) * (BATCH_PROMPT + BATCH_GENERATED)]
            return Command([tool, *words, *batched_sizes(probe), *self.tool_flags(flags)])
        if probe.avx2 and not self.avx2:
            raise Unsupported(f"no build for AVX2 only was given ({self.avx2_option})")
        return self.bench(self.avx2 if probe.avx2 else self.path, probe, model, threads, flags)

    def bench(self, path, probe, model, threads, flags):
        words = [path, "-m", model, "-t", threads, *flags, "-o", "json"]
        if probe.start:
            return Command([*words, "-p", 1, "-n", 0, "-r", 1, "--no-warmup"])
        return Command([*words, *size_words(probe)])

    def tool_flags(self, flags):
        return [*flags, "--output-format", "jsonl"]


class IkLlamaCpp(LlamaCpp):
    """ik_llama.cpp's tools, which differ: no depth in llama-bench, but llama-sweep-bench."""

    variants = (("-rtr", "1", "-fa", "1"),)
    avx2_option = "--ik-llama-bench-avx2"

    def bench(self, path, probe, model, threads, flags):
        if probe.depth:
            # Rows at depths 0 and `depth`: it advances by micro-batches, and measures each 'stride'th of them.
            prompt, (generated,) = probe.prompts[0], probe.generations
            words = [self.tool("llama-sweep-bench"), "-m", model, "-t", threads, *self.tool_flags(flags)]
            words += ["-c", probe.depth + prompt, "-b", prompt, "-ub", prompt, "-n", generated]
            return Command([*words, "--sweep-stride", probe.depth // prompt])
        words = [path, "-m", model, "-t", threads, *flags, "-o", "json"]
        if probe.start:
            return Command([*words, "-p", 1, "-n", 0, "-r", 1, "-w", 0])
        return Command([*words, *size_words(probe)])

    def tool_flags(self, flags):
        return ["-rtr", "-fa", "on", "--output-format", "jsonl"]

    def rows(self, probe, text):
        # Its llama-batched-bench prints the table whatever format is asked for.
        return table_rows(text) if probe.sequences else rows_of(text)

    def values(self, probe, rows):
        if not probe.depth:
            return super().values(probe, rows)
        row = next(row for row in rows if row["n_kv"] == probe.depth)
        names = probe.measures()
        return dict(zip(names, (row["speed_pp"], row["speed_tg"]), strict=True))


class OpenVino(Engine):
    """OpenVINO GenAI through a script of ours in its own virtual environment (`path` is that one's Python)."""

    def command(self, probe, model, threads, flags):
        if probe.sequences:
            raise Unsupported("its pipeline for one sequence is what is measured")
        if probe.avx2:
            raise Unsupported("its package is one build for all CPUs")
        script = Path(__file__).with_name("openvino_runner.py")
        sizes = ["-p", 1, "-n", 0, "--no-warmup"] if probe.start else size_words(probe)
        return Command([self.path, script, "-m", model, "-t", threads, *sizes])


THREADS = len(os.sched_getaffinity(0))
