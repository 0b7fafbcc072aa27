"""The model files: real ones as they are or requantized, and big ones with random weights. Missing ones are made.

Every type is written by a peer's llama-quantize, so that all engines read a file as its own tool makes it: the shapes
from F16 files that synthesize.py draws, SmolLM2 from a float32 copy of the Q4_1 file.
"""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import apus

SCRIPT = apus.ROOT / "Benchmarks/synthesize.py"
COPY = apus.ROOT / "Tests/Reference/float_copy.py"


@dataclass(frozen=True)
class Family:
    """Files of one model. `source` is a short name of the model folder, or none where weights are random."""

    name: str
    title: str
    small: bool
    source: str = ""
    source_type: str = ""

    def origin(self, kind):
        """How a file of it is made."""
        if kind == self.source_type:
            return f"fetched (make models: {self.source})"
        if self.source:
            return f"float32 copy of {self.source_type.upper()} (float_copy.py), llama-quantize {kind.upper()}"
        drawn = f"random weights (synthesize.py {self.name} F16)"
        return drawn if kind == "f16" else f"{drawn}, llama-quantize {kind.upper()}"


FAMILIES = {
    family.name: family
    for family in [
        Family("smollm2-135m", "SmolLM2 135M", True, "smollm2", "q4_1"),
        Family("gemma3-270m", "Gemma 3 270M", True, "gemma3", "q4_k_m"),
        Family("llama-3.2-1b", "Llama 3.2 1B (random weights)", False),
        Family("tinyllama-1.1b", "TinyLlama 1.1B (random weights)", False),
        Family("llama-2-7b", "Llama 2 7B (random weights)", False),
    ]
}


@dataclass(frozen=True)
class Model:
    """A file to measure on."""

    name: str
    path: Path
    title: str
    small: bool
    type: str
    origin: str = "a file that was given"

    def description(self):
        """What the report says of it."""
        words = {"name": self.name, "title": self.title, "type": self.type, "small": self.small}
        return {**words, "file": self.path.name, "origin": self.origin}


class Maker:
    """Finds models, and makes the missing ones in a folder."""

    def __init__(self, folder, quantize):
        self.folder = Path(folder)
        self.quantize = quantize  # gives llama-quantize's path when it is needed first

    def model(self, name):
        """The model of `family:type`, or of a file's path."""
        if name.endswith(".gguf"):
            path = Path(name).absolute()
            if not path.is_file():
                raise SystemExit(f"error: no such file: '{path}'")
            kind = path.stem.rsplit("-", 1)[-1].upper()
            return Model(path.stem, path, path.stem, path.stat().st_size < 600_000_000, kind)
        family, _, kind = name.partition(":")
        kind = kind.lower()
        if family not in FAMILIES or not kind:
            raise SystemExit(f"error: model '{name}': wanted a .gguf file, or FAMILY:TYPE of {', '.join(FAMILIES)}")
        family = FAMILIES[family]
        title = f"{family.title} {kind.upper()}"
        return Model(
            f"{family.name}-{kind}", self.path(family, kind), title, family.small, kind.upper(), family.origin(kind)
        )

    def path(self, family, kind):
        """The file of a family and type, made if it is missing."""
        if kind == family.source_type:
            path = apus.model_path(family.source)
            if not path.is_file():
                subprocess.run([apus.ROOT / "Tests/tools/fetch_model.sh", family.source], check=True)
            return path
        path = self.folder / f"{family.name}-{kind}.gguf"
        if path.is_file():
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        if family.source:
            source = self.folder / f"{family.name}-f32.gguf"
            if not source.is_file():
                self.make(f"{source.name} of {family.source_type}", COPY, apus.model_path(family.source), source)
            if kind == "f32":
                return source
        elif kind == "f16":
            vocabulary = ["--vocabulary", self.path(FAMILIES["smollm2-135m"], "q4_1")]
            self.make(path.name, SCRIPT, family.name, "F16", path, *vocabulary)
            return path
        else:
            source = self.path(family, "f16")
        print(f"{path.name} of {source.name}", file=sys.stderr, flush=True)
        partial = path.with_suffix(".partial")
        done = subprocess.run(
            [self.quantize(), source, partial, kind.upper()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != 0:
            partial.unlink(missing_ok=True)
            raise SystemExit(f"error: llama-quantize {kind.upper()} failed:\n{done.stdout[-2000:]}")
        os.replace(partial, path)
        return path

    @staticmethod
    def make(what, script, *words):
        """Runs a script of ours in a process of its own: numpy in this one would count as every child's memory."""
        print(what, file=sys.stderr, flush=True)
        subprocess.run([sys.executable, script, *words], check=True)


def sha256(path, cache):
    """A file's SHA-256, remembered in `cache` by its path, size and time."""
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    known = json.loads(cache.read_text()) if cache.is_file() else {}
    if key not in known:
        with open(path, "rb") as file:
            known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(known, indent=1) + "\n")
    return known[key]
