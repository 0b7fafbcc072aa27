"""The command line: which engines, models and probes; then the runs, and what is written of them."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import apus

from . import models, peers, report, results
from .engines import THREADS, Apus, IkLlamaCpp, LlamaCpp, OpenVino
from .page import page
from .probes import PROBES
from .runner import Runner, warm

DEFAULT_MODELS = ["smollm2-135m:q4_1", "llama-3.2-1b:q4_0"]
FULL_MODELS = [
    *(f"smollm2-135m:{kind}" for kind in ("q4_0", "q4_1", "q8_0", "f16")),
    "gemma3-270m:q4_k_m",
    *(f"llama-3.2-1b:{kind}" for kind in ("q4_0", "q4_k_m", "q6_k", "q8_0")),
]
ENGINES = ["apus", "llama.cpp", "ik_llama.cpp", "openvino-genai"]
OUTPUT = apus.ROOT / ".cache/compare"
EPILOG = """Without options: SmolLM2 in Q4_1 and the Llama 3.2 1B shape in Q4_0, prefill of 512 tokens and decoding of
128, five rounds; under ten minutes once peers are built and models made. --full takes hours."""


def arguments_of(words):
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.split("\n")[0], epilog=EPILOG)
    add = parser.add_argument
    add("--apus", type=Path, default=apus.BINARY, help="the apus command (default: .build/release/apus)")
    add("--llama-bench", type=Path, help="llama.cpp's llama-bench, instead of building it")
    add("--llama-bench-avx2", help="one built for AVX2 only, for the probe 'avx2'; 'build' builds it")
    add("--ik-llama-bench", type=Path, help="ik_llama.cpp's llama-bench (no registry package has it)")
    add("--ik-llama-bench-avx2", type=Path, help="one built for AVX2 only, for the probe 'avx2'")
    add("--llama-quantize", type=Path, help="the tool that makes models (default: beside llama-bench)")
    add("--openvino", type=Path, help="a Python that has openvino_genai, instead of installing it")
    add("--engines", nargs="+", choices=ENGINES, default=ENGINES, help="who takes part (default: all)")
    add("--models", nargs="+", metavar="MODEL", help="FAMILY:TYPE or a .gguf file; " + ", ".join(models.FAMILIES))
    add("--model-folder", type=Path, default=OUTPUT / "models", help="where made models are kept")
    add("--probes", nargs="+", choices=PROBES, help="what is measured (default: rates)")
    add("--full", action="store_true", help="all models of the promise, all probes")
    add("--rounds", type=int, default=5)
    add("--threads", type=int, default=THREADS, help="of every engine (default: the cores of this process)")
    add("--timeout", type=int, default=1800, metavar="S", help="a process is killed after that (default: 1800)")
    add("--output", type=Path, default=OUTPUT, help="the folder for compare.json, compare.md, compare.html")
    add("--from", dest="parts", type=Path, nargs="+", metavar="JSON", help="runs nothing: reports on earlier runs")
    add("--results", action="store_true", help="also write Benchmarks/RESULTS.md")
    arguments = parser.parse_args(words)
    arguments.models = arguments.models or (FULL_MODELS if arguments.full else DEFAULT_MODELS)
    arguments.probes = [PROBES[name] for name in arguments.probes or (PROBES if arguments.full else ["rates"])]
    if arguments.rounds < 1 or arguments.threads < 1:
        parser.error("--rounds and --threads: wanted at least 1")
    for option in ("apus", "llama_bench", "ik_llama_bench", "ik_llama_bench_avx2", "llama_quantize", "openvino"):
        path = getattr(arguments, option)
        if not arguments.parts and path and not path.is_file():
            parser.error(f"--{option.replace('_', '-')}: no such file: '{path}'")
        if path:
            setattr(arguments, option, path.absolute())  # links stay: that is what a virtual environment's Python is
    arguments.model_folder = arguments.model_folder.absolute()
    return arguments


def machine():
    """What the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": platform.platform(),
        "features": sorted(flag for flag in flags if flag.startswith(("avx", "fma", "f16c", "amx"))),
    }


def commit():
    """The commit of this work tree; a + says that it has changes."""
    words = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    return subprocess.run(words, cwd=apus.ROOT, capture_output=True, text=True).stdout.strip() or "unknown"


def version(words):
    """The first line that a command for its version prints, or nothing."""
    try:
        done = apus.run(words, seconds=60)
    except OSError:
        return ""
    return (done.output.strip() or done.error.strip()).split("\n")[0][:120] if done.status == 0 else ""


def name_builds(data):
    """Names the engines that do not tell their version by what their rows say of the build."""
    for engine in data["engines"]:
        rows = [row for run in data["runs"] if run["engine"] == engine["name"] for row in run.get("rows", [])]
        if not engine["version"] and rows and "build_commit" in rows[0]:
            engine["version"] = f"build {rows[0]['build_number']} ({rows[0]['build_commit']})"


class Line:
    """The engines that take part: built, installed or found; those that cannot are failures."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.engines, self.descriptions, self.failures = [], [], []
        self.llama_bin = None
        makers = {"apus": self.apus, "llama.cpp": self.llama, "ik_llama.cpp": self.ik, "openvino-genai": self.openvino}
        for name in ENGINES:
            if name not in arguments.engines:
                continue
            try:
                engine, called = makers[name](name)
            except peers.PeerError as reason:
                self.failures.append({"engine": name, "kind": "not there", "reason": str(reason)})
                print(f"{name}: not there: {reason}", file=sys.stderr, flush=True)
                continue
            self.engines.append(engine)
            self.descriptions.append({**engine.description(), "version": called})
            if name != "openvino-genai":
                self.descriptions[-1]["sha256"] = models.sha256(engine.path, OUTPUT / "sha256.json")

    def apus(self, name):
        engine = Apus(name, self.arguments.apus)
        return engine, version([engine.path, "--version"])

    def llama(self, name):
        path = self.arguments.llama_bench
        avx2 = self.arguments.llama_bench_avx2
        if avx2 == "build":
            avx2 = peers.llama_cpp(peers.AVX2, "avx2") / "llama-bench"
        elif avx2:
            avx2 = Path(avx2).absolute()
        if path:
            return LlamaCpp(name, path, avx2), version([path, "--version"])
        return LlamaCpp(name, peers.llama_cpp() / "llama-bench", avx2), f"of {peers.LLAMA_PACKAGE}"

    def ik(self, name):
        path = self.arguments.ik_llama_bench
        if not path:
            raise peers.PeerError("no registry package has it; give a build's llama-bench with --ik-llama-bench")
        return IkLlamaCpp(name, path, self.arguments.ik_llama_bench_avx2), version([path, "--version"])

    def openvino(self, name):
        python = self.arguments.openvino or peers.openvino()
        code = "import openvino_genai; print(openvino_genai.__version__)"
        called = version([python, "-c", code])
        if not called:
            raise peers.PeerError(f"{python} cannot import openvino_genai")
        return OpenVino(name, python), called

    def quantize(self):
        """The path of llama-quantize."""
        if self.arguments.llama_quantize:
            return self.arguments.llama_quantize
        beside = self.arguments.llama_bench and self.arguments.llama_bench.with_name("llama-quantize")
        if beside and beside.is_file():
            return beside
        try:
            return peers.llama_cpp() / "llama-quantize"
        except peers.PeerError as reason:
            raise SystemExit(f"error: no llama-quantize to make models with: {reason}") from None


def write(data, arguments):
    """The JSON, the table and the page."""
    found = results.results(data)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "compare.json").write_text(json.dumps({**data, "results": found}, indent=1) + "\n")
    (arguments.output / "compare.md").write_text(report.markdown(data, found))
    (arguments.output / "compare.html").write_text(page(data, found))
    if arguments.results:
        (apus.ROOT / "Benchmarks/RESULTS.md").write_text(report.markdown(data, found))
    return found


def compare(arguments):
    """Runs the comparison; what is known is written after each model, so an end halfway loses little."""
    line = Line(arguments)
    maker = models.Maker(arguments.model_folder, line.quantize)
    runner = Runner(line.engines, arguments.threads, arguments.timeout)
    runner.failures += line.failures
    data = {
        "format": 1,
        "commands": [["python", "Benchmarks/compare", *sys.argv[1:]]],
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "engines": line.descriptions,
        "models": [],
        "runs": runner.runs,
        "failures": runner.failures,
    }
    for model in [maker.model(name) for name in arguments.models]:
        size, digest = model.path.stat().st_size, models.sha256(model.path, OUTPUT / "sha256.json")
        data["models"].append({**model.description(), "bytes": size, "sha256": digest})
        warm(model.path)
        runner.measure(model, arguments.probes, arguments.rounds)
        name_builds(data)
        write(data, arguments)
    return data


def main(words=None):
    """The command."""
    arguments = arguments_of(words)
    if arguments.parts:
        data = results.merged([json.loads(path.read_text()) for path in arguments.parts])
    else:
        data = compare(arguments)
    found = write(data, arguments)
    print(report.table(data, found))
    if data["failures"]:
        print("Not measured:\n\n" + report.failures(data) + "\n")
    print(f"{arguments.output / 'compare.html'}")
    ours = any(run["engine"] == "apus" for run in data["runs"])
    return 0 if ours else 1
