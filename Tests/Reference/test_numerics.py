"""Holds the built `apus` command to the float64 reference, and to itself: the same bits however it is run.

    python test_numerics.py [--only PART] [--files PART_OF_NAME]

APUS_BIN is the command (default .build/release/apus), APUS_MODELS the folder with the real models (default models).
Ends with the line `N passed, N failed` and exit status 1 if any failed.

What is checked, by section:
reference  the float64 pass against the committed figures, and that each feature of a synthetic file matters to it
synthetic  KL of each synthetic file: 5e-6 with F32 weights; 1.5 times what the roundings of DESIGN.md cost by
           simulation with the others
bits       logits of those files, those that only read differently left out, equal for 1, 2 and 3 threads, chunks of 1,
           7, 64 and 512, every instruction set here
real       SmolLM2 Q4_1: KL <= 0.0045, with an F32 copy 5e-6, the committed likelihoods, greedy texts, the same bits;
           F16 and BF16 copies: KL <= 2e-4, the same bits
gemma      Gemma 3 270M Q4_K_M: the same with KL <= 0.0040, without an F32 copy. Only if asked for: the reference alone
           takes minutes and 5 GB of memory, and each run writes 600 MB of logits
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path

import float_copy
import numpy as np
import op_vectors
import synthesize
from architectures import load
from compare import HERE, cache_folder, compare, file_hash, read_logits, reference_log_probs
from decoder import Decoder, negative_log_likelihoods, silu
from gguf import GGMLQuantizationType as Type
from simulate import Simulated

ROOT = HERE.parents[1]
BINARY = os.environ.get("APUS_BIN", ROOT / ".build/release/apus")
MODELS = Path(os.environ.get("APUS_MODELS", ROOT / "models"))
REAL = MODELS / "smollm2-135m-instruct-q4_1.gguf"
FIXTURES = HERE / "smollm2-135m-instruct-q4_1.json"
GEMMA = MODELS / "gemma3-270m-q4_k_m.gguf"
GEMMA_FIXTURES = HERE / "gemma-3-270m-q4_k_m.json"

F32_LIMIT = 5e-6  # the float16 cache alone costs 1.3e-6 on SmolLM2
Q4_1_LIMIT = 0.0045  # the roundings of DESIGN.md simulate at 0.0040, within 0.0002 by chance
HALF_LIMIT = 2e-4  # activations rounded to bf16 simulate at 1.1e-4
HALF_TOKENS = 128  # the reference of a copy is a pass of its own
GEMMA_LIMIT = 0.0040  # the roundings of DESIGN.md simulate at 0.0024
SIMULATION_SLACK = 1.5
GAP = 0.5  # a reference gap between first and second that the engine's roundings must not turn round
THREADS = [1, 2, 3]
CHUNKS = [1, 7, 64, 512]
WINDOW_AND_MORE = 544  # tokens of Gemma for the same bits: its window is 512
GRID = list(itertools.product(THREADS, CHUNKS))
DIAGONAL = [(1, 512), (2, 64), (3, 7), (2, 1)]  # for the many feature files
WHOLE_GRID = ["long", "gemma3-q4_k_m", "phi3-q4_k"]
SECONDS = 600  # a hang guard

# What the processor must say for a variant to be expected (/proc/cpuinfo's flags or Features).
X86 = {
    "portable": set(),
    "avx2": {"avx2", "fma", "f16c"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512vnni": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
}
ARM = {
    "portable": set(),
    "neon": {"asimd"},
    "neon-dotprod": {"asimd", "asimddp"},
    "neon-i8mm": {"asimd", "asimddp", "i8mm"},
}


class Checks:
    """Counts and prints what was checked."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        print(f"{'ok  ' if holds else 'FAIL'} {name}{': ' if detail else ''}{detail}", flush=True)


class Apus:
    """The command under test; every file that it writes lies in one scratch folder."""

    def __init__(self, scratch):
        self.scratch = Path(scratch)
        self.logits = self.scratch / "logits.f32"
        self.ids = self.scratch / "ids.json"

    def call(self, *arguments, isa=None):
        """Runs the command and returns its JSON; its standard error is in the exception if it failed."""
        environment = {**os.environ, **({"APUS_ISA": isa} if isa else {})}
        command = [str(a) for a in (BINARY, *arguments)]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS)
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit {run.returncode}: {run.stderr.strip()[-500:]}")
        return json.loads(run.stdout)

    def perplexity(self, model, ids, threads=2, chunk=64, isa=None, context=None):
        """The command's answer for given ids; the logits file is left at `self.logits`."""
        self.ids.write_text(json.dumps(ids))
        self.logits.unlink(missing_ok=True)
        options = ["--ids", self.ids, "-t", threads, "-b", chunk, "--logits-out", self.logits, "--json"]
        options += ["-c", context] if context else []
        return self.call("perplexity", "-m", model, *options, isa=isa)

    def logits_hash(self, *arguments, **options):
        self.perplexity(*arguments, **options)
        return file_hash(self.logits)[:16]

    def compare(self, model, ids, reference=None, context=None, **options):
        """Figures against the reference of `model` (or of another file)."""
        answer = self.perplexity(model, ids, context=context, **options)
        truth = reference_log_probs(reference or model, ids, context)
        figures = compare(truth, read_logits(self.logits, len(ids)), ids)
        figures["reported"] = answer
        return figures

    def generate(self, model, text, count, threads=2, chunk=64, context=None):
        options = ["--raw", "--parse-special", "--ignore-eos", "--temp", 0, "-n", count, "-t", threads, "-b", chunk]
        options += ["-c", context] if context else []
        return self.call("run", "-m", model, "-p", text, *options, "--json")


def describe(figures):
    """The figures in a line."""
    return ", ".join(
        f"{label} {figures[key]:.3g}"
        for label, key in [
            ("KL", "mean_kl"),
            ("largest", "max_kl"),
            ("logits within", "max_logit_error"),
            ("top 1", "top1_agreement"),
            ("worst flip", "worst_flip"),
        ]
    )


def check_reported(check, name, figures, ids):
    """The command's own summary must say what its logits say."""
    reported = figures["reported"]
    check(f"{name} answers about the ids given", reported["ids"] == ids and reported["tokens"] == len(ids))
    close = np.isclose(reported["mean_nll"], figures["mean_nll"], rtol=1e-5, atol=1e-5)
    listed = np.isclose(np.mean(reported["nll"]), figures["mean_nll"], rtol=1e-5, atol=1e-5)
    exponent = np.isclose(np.log(reported["perplexity"]), figures["mean_nll"], rtol=1e-5, atol=1e-5)
    check(
        f"{name} likelihoods follow from its logits",
        close and listed and exponent and len(reported["nll"]) == len(ids) - 1,
        f"{reported['mean_nll']:.6f} reported, {figures['mean_nll']:.6f} from the logits",
    )


def features_that_matter():
    """(synthetic file, what is taken away, how): without it the reference must give other logits."""

    def rope(**changes):
        return lambda model: setattr(model, "rope", replace(model.rope, **changes))

    def without_biases(model):
        model.tensors = {name: t for name, t in model.tensors.items() if not name.endswith(".bias")}

    def attribute(**changes):
        return lambda model: vars(model).update(changes)

    def local_rope(**changes):
        return lambda model: setattr(model, "local_rope", replace(model.local_rope, **changes))

    def without_normed_heads(model):
        model.project = lambda x, block: Decoder.project(model, x, block)
        model.used |= {name for name in model.tensors if name.endswith(("_q_norm.weight", "_k_norm.weight"))}

    def long_factors(model):
        rope(freq_factors=model.stored("rope_factors_long.weight"))(model)

    def short_factors(model):
        rope(freq_factors=model.stored("rope_factors_short.weight"))(model)

    def magnitude_everywhere(model):
        still = replace(model.rope, freq_factors=np.full(model.rope.dim // 2, np.inf))
        rotates = [model.layer_rope(layer).dim > 0 for layer in range(model.layers)]
        model.layer_rope = lambda layer: model.rope if rotates[layer] else still

    yield "partial-rope", "rope dimension", rope(dim=32)
    yield "theta", "theta", rope(theta=10000.0)
    yield "linear", "scaling", rope(factor=1.0)
    yield "no-scaling", "scaling none", rope(kind="linear")
    yield "yarn", "YaRN's mixture", rope(ext_factor=0.0, attn_factor=1 + 0.1 * np.log(4.0))
    yield "yarn", "YaRN's magnitude", rope(attn_factor=1 / (1 + 0.1 * np.log(4.0)))
    yield "yarn-options", "betas", rope(beta_fast=32.0, beta_slow=1.0)
    yield "yarn-options", "attention factor", rope(attn_factor=1.0)
    yield "yarn-attn-factor", "its factor", rope(yarn_attn_factor=None)
    yield "longrope", "long factors", short_factors
    yield "longrope-limit", "short factors", long_factors
    yield "llama3", "frequency factors", rope(freq_factors=None)
    yield "fused-bias", "biases", without_biases
    yield "attention-bias", "attention biases", without_biases
    yield "all-biases", "feed-forward biases", without_biases
    yield "epsilon", "epsilon", attribute(eps=1e-5)
    yield "gemma3", "the window", attribute(window=333)
    yield "gemma3", "the window's exact length", attribute(window=38)
    yield "gemma3", "GELU", attribute(activation=silu)
    yield "gemma3", "normed heads", without_normed_heads
    yield "gemma3", "halves", lambda model: (rope(layout="pairs")(model), local_rope(layout="pairs")(model))
    yield "gemma3", "the local base", lambda model: setattr(model, "local_rope", model.rope)
    yield "gemma3-scaled", "the file's local base", local_rope(theta=10000.0)
    yield "gemma3-scaled", "the global layers' scaling", rope(factor=1.0)
    yield "gemma3-scaled", "the local layers' lack of scaling", local_rope(kind="linear", factor=8.0)
    yield "gemma3-pattern", "its pattern", attribute(is_local=[True] * 5)
    yield "gemma3-all-global", "its pattern", attribute(is_local=[True] * 5 + [False])
    yield "gemma3-no-window", "its theta", rope(theta=10000.0)
    yield "gemma3-no-window", "the cap", attribute(logit_cap=0)
    yield "gemma3-all-local", "its pattern", attribute(is_local=[True, True, False])
    yield "gemma3-listed", "its list", attribute(is_local=[True] * 5)
    yield "gemma3-listed-numbers", "its list", attribute(is_local=[True] * 3)
    yield "gemma3-long", "the window", attribute(window=1100)
    yield "gemma3-62-layers", "its scale", attribute(attention_scale=24**-0.5)
    yield "qwen2", "biases", without_biases
    yield "qwen2-tied", "output bias", lambda model: model.tensors.pop("output.bias")
    yield "qwen2", "halves", rope(layout="pairs")
    yield "qwen3", "normed heads", without_normed_heads
    yield "qwen3", "halves", rope(layout="pairs")
    yield "phi3", "halves", rope(layout="pairs")
    yield "phi3-gqa", "rope dimension", rope(dim=32)
    yield "phi3-window", "the window", attribute(layer_window=lambda layer: None)
    yield "phi3-long", "long factors", short_factors
    yield "phi3-long", "magnitude", rope(attn_factor=1.0)
    yield "phi3-short", "short factors", rope(freq_factors=None)
    yield "phi3-limit", "short factors", long_factors
    yield "phi3-over-limit", "long factors", short_factors
    yield "phi3-longrope-short", "short factors", long_factors
    yield "phi3-longrope-long", "long factors", short_factors
    yield "phi3-longrope-long", "magnitude", rope(attn_factor=1.0)
    yield "phi3-4-mini", "rope dimension", rope(dim=32, freq_factors=None)
    yield "phi3-no-original", "short factors", long_factors
    yield "smollm3", "the layer without rotation", attribute(no_rope_interval=6)
    yield "smollm3", "the rotation of the others", attribute(no_rope_interval=1)
    yield "smollm3", "which layer it is", attribute(no_rope_interval=5)
    yield "smollm3", "pairs", rope(layout="halves")
    yield "smollm3-untied", "the second layer without rotation", attribute(no_rope_interval=5)
    yield "smollm3-yarn", "YaRN's magnitude", rope(attn_factor=1 / (1 + 0.1 * np.log(4.0)))
    yield "smollm3-yarn", "the last layer's lack of it", magnitude_everywhere


def check_reference_figures(check, model, fixtures):
    """The reference against figures that another program made."""
    for text in json.loads(fixtures.read_text()):
        got = negative_log_likelihoods(reference_log_probs(model, text["ids"]), text["ids"])
        error = np.abs(got - text["nll"]).max()
        check(f"reference of {text['name']}", error < 1e-5, f"{error:.2g} from the committed likelihoods")


def check_reference(check, files, apus):
    specs = synthesize.all_specs()
    if len(files) == len(specs):  # none was chosen
        check_reference_figures(check, REAL, FIXTURES)
        difference = op_vectors.largest_difference(op_vectors.FILE.read_text())
        check("rope_tables.json is what op_vectors.py writes", difference < 1e-9, f"within {difference:.2g}")
    for name, feature, change in features_that_matter():
        if specs[name].name not in files:  # not chosen; a name that no file has is an error
            continue
        path, ids, spec = files[name]
        model = load(path, spec.limit)
        change(model)
        kl = compare(reference_log_probs(path, ids, spec.limit), model.forward(ids), ids)["mean_kl"]
        check(f"{name} without {feature} shows", kl > 20 * F32_LIMIT, f"KL {kl:.3g}")


def check_synthetic(check, files, apus):
    for name, (path, ids, spec) in files.items():
        limit = F32_LIMIT
        if spec.weights != "F32":
            simulated = load(path, spec.limit, Simulated()).forward(ids)
            simulated = compare(reference_log_probs(path, ids, spec.limit), simulated, ids)
            limit = SIMULATION_SLACK * simulated["mean_kl"]
        figures = apus.compare(path, ids, context=spec.limit)
        check(f"{name} KL <= {limit:.3g}", figures["mean_kl"] <= limit, describe(figures))
        check(
            f"{name} greedy choices",
            figures["worst_flip"] <= GAP,
            f"worst flip at a gap of {figures['worst_flip']:.3g}",
        )
        check_reported(check, name, figures, ids)


def variants(check):
    """The instruction sets that this processor has; that the command agrees is checked."""
    known = ARM if platform.machine() == "aarch64" else X86
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((set(line.split(":")[1].split()) for line in lines if line.startswith(("flags", "Features"))), set())
    return {name: needs <= flags for name, needs in known.items()}


def check_bits(check, files, apus):
    here = variants(check)
    small = next(iter(files.values()))
    for name, present in here.items():
        if present:
            apus.perplexity(*small[:2], isa=name)
            check(f"APUS_ISA={name} runs", True)
    for name in [n for n, present in here.items() if not present] + ["no-such-set"]:
        run = subprocess.run(
            [str(BINARY), "perplexity", "-m", str(small[0]), "--ids", str(apus.ids), "--json"],
            capture_output=True,
            text=True,
            env={**os.environ, "APUS_ISA": name},
            timeout=SECONDS,
        )
        lists = all(other in run.stderr for other, present in here.items() if present)
        check(f"APUS_ISA={name} is refused and the others listed", run.returncode == 1 and lists, run.stderr.strip())
    for name, (path, ids, spec) in files.items():
        if spec.only_reading:
            continue
        grid = GRID if name.startswith("type-") or name in WHOLE_GRID else DIAGONAL
        hashes = {pair: apus.logits_hash(path, ids, *pair, context=spec.limit) for pair in grid}
        check_equal(check, f"{name} same bits, {len(grid)} pairs of threads and chunk", hashes)
        present = [isa for isa, is_present in here.items() if is_present]
        hashes = {isa: apus.logits_hash(path, ids, isa=isa, context=spec.limit) for isa in present}
        check_equal(check, f"{name} same bits on {', '.join(hashes)}", hashes)
        hashes = {
            pair: apus.generate(path, "the swift", 40, *pair, context=spec.limit)["logits_hash"]
            for pair in [(1, 1), (2, 7), (3, 512)]
        }
        check_equal(check, f"{name} same bits while generating", hashes)


def check_equal(check, name, hashes):
    """Most common hash against the others, which are named."""
    values = list(hashes.values())
    usual = max(set(values), key=values.count)
    others = [str(key) for key, value in hashes.items() if value != usual]
    check(name, not others, f"different for {', '.join(others)}" if others else usual)


def check_real(check, files, apus):
    texts = {text["name"]: text for text in json.loads(FIXTURES.read_text())}
    for label, model, limit in [("Q4_1", REAL, Q4_1_LIMIT), ("F32 copy", copy_of_real(Type.F32), F32_LIMIT)]:
        check_texts(check, apus, f"SmolLM2 {label}", model, REAL, texts, limit)
    for name, special in [("capital", False), ("code", False), ("chat", True)]:
        text = texts[name]
        got = apus.call("tokenize", "-m", REAL, "-p", text["text"], *(["--parse-special"] if special else []))
        check(f"SmolLM2 tokens of {name}", got == text["ids"], "" if got == text["ids"] else str(got))
    check_real_bits(check, apus, "SmolLM2", REAL, texts["gpl3-512"]["ids"], texts["chat"])
    for kind in (Type.F16, Type.BF16):
        ids, model = texts["gpl3-512"]["ids"][:HALF_TOKENS], copy_of_real(kind)
        figures = apus.compare(model, ids)
        check(f"SmolLM2 {kind.name} copy KL <= {HALF_LIMIT}", figures["mean_kl"] <= HALF_LIMIT, describe(figures))
        check_real_bits(check, apus, f"SmolLM2 {kind.name} copy", model, ids, texts["chat"], DIAGONAL)


def copy_of_real(kind):
    """SmolLM2 with its weights as floats, kept beside the references."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    path = cache_folder() / f"{REAL.stem}-{file_hash(REAL)[:16]}.{kind.name.lower()}.gguf"
    if not path.exists():
        float_copy.copy(REAL, path, kind)
    return path


def check_gemma(check, files, apus):
    if not GEMMA.exists():
        print(f"skip Gemma: {GEMMA} is not there, make models fetches it")
        return
    texts = {text["name"]: text for text in json.loads(GEMMA_FIXTURES.read_text())}
    check_reference_figures(check, GEMMA, GEMMA_FIXTURES)
    check_texts(check, apus, "Gemma 3 Q4_K_M", GEMMA, GEMMA, texts, GEMMA_LIMIT)
    check_real_bits(check, apus, "Gemma 3", GEMMA, texts["gpl3-600"]["ids"][:WINDOW_AND_MORE], texts["capital"])


def check_texts(check, apus, title, model, reference, texts, limit):
    """A real model's KL over the long text, likelihoods and greedy continuations of all."""
    for name, text in texts.items():
        ids = text["ids"]
        figures = apus.compare(model, ids, reference=reference)
        if name.startswith("gpl3-"):
            check(f"{title} {name} KL <= {limit}", figures["mean_kl"] <= limit, describe(figures))
        check_reported(check, f"{title} {name}", figures, ids)
        # A KL of d moves one token's log-likelihood by about sqrt(2 d); five deviations of the mean of n.
        allowed = 5 * np.sqrt(2 * limit / (len(ids) - 1))
        error = abs(figures["mean_nll"] - text["mean_nll"])
        check(f"{title} {name} mean NLL within {allowed:.2g}", error <= allowed, f"off by {error:.2g}")
        if "greedy" in text:
            check_greedy(check, apus, f"{title} {name}", model, text)


def check_real_bits(check, apus, title, model, ids, prompt, grid=GRID):
    """The same bits of a real model over `ids` and while it continues `prompt`."""
    hashes = {pair: apus.logits_hash(model, ids, *pair) for pair in grid}
    check_equal(check, f"{title} same bits, {len(grid)} pairs of threads and chunk", hashes)
    present = [isa for isa, is_present in variants(check).items() if is_present]
    hashes = {isa: apus.logits_hash(model, prompt["ids"], isa=isa) for isa in present}
    check_equal(check, f"{title} same bits on {', '.join(hashes)}", hashes)
    hashes = {pair: apus.generate(model, prompt["text"], 24, *pair)["logits_hash"] for pair in grid}
    check_equal(check, f"{title} same bits while generating", hashes)


def check_greedy(check, apus, name, model, text):
    """Free-running until a small gap lets the texts part, then with the reference's text given, over all of it."""
    answer = apus.generate(model, text["text"], len(text["greedy"]))
    check(f"{name} prompt ids", answer["prompt_ids"] == text["ids"])
    pairs = zip(answer["ids"], text["greedy"], text["greedy_gap"], strict=True)
    parted = next(((i, gap) for i, (ours, theirs, gap) in enumerate(pairs) if ours != theirs), None)
    detail = f"parted after {parted[0]} tokens at a gap of {parted[1]}" if parted else "all equal"
    check(f"{name} greedy text", parted is None or parted[1] <= GAP, detail)
    apus.perplexity(model, text["ids"] + text["greedy"])
    logits = read_logits(apus.logits, len(text["ids"]) + len(text["greedy"]))
    chosen = logits[len(text["ids"]) - 1 : -1].argmax(-1)
    wrong = [i for i, gap in enumerate(text["greedy_gap"]) if gap > GAP and chosen[i] != text["greedy"][i]]
    check(f"{name} greedy choices along the reference's text", not wrong, f"wrong at {wrong}" if wrong else "")
    apus.perplexity(model, text["ids"] + answer["ids"])
    chosen = read_logits(apus.logits, len(text["ids"]) + len(answer["ids"]))[len(text["ids"]) - 1 : -1].argmax(-1)
    check(f"{name} generating and scoring choose alike", chosen.tolist() == answer["ids"])


SECTIONS = {
    "reference": check_reference,
    "synthetic": check_synthetic,
    "bits": check_bits,
    "real": check_real,
    "gemma": check_gemma,
}
USUAL = ["reference", "synthetic", "bits", "real"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", choices=SECTIONS, action="append", help="run this section (repeatable); usually all but gemma"
    )
    parser.add_argument(
        "--files",
        help="of the synthetic files, only those whose name has this in it; `reference` then checks no real one",
    )
    arguments = parser.parse_args()
    check = Checks()
    with tempfile.TemporaryDirectory(prefix="apus-numerics-") as scratch:
        files = {}
        for name, spec in synthesize.all_specs().items():
            if arguments.files and arguments.files not in name:
                continue
            path = Path(scratch) / f"{name}.gguf"
            synthesize.write(spec, path)
            files[name] = path, synthesize.token_ids(spec), spec
        for name in arguments.only or USUAL:
            try:
                SECTIONS[name](check, files, Apus(scratch))
            except Exception:  # one broken section must not hide the others
                traceback.print_exc()
                check(f"section {name} ran to its end", False)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed or not check.passed else 0


if __name__ == "__main__":
    sys.exit(main())
