"""Tests of Benchmarks/compare: real processes that print what engines print, down to the page. Nothing is timed.

python Tests/BenchmarkTests/test_compare.py
"""

import json
import sys
import tempfile
import unittest
from contextlib import redirect_stderr
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks"))

from compare import floors, report, results  # noqa: E402
from compare.command import arguments_of  # noqa: E402
from compare.engines import Apus, IkLlamaCpp, LlamaCpp, rows_of  # noqa: E402
from compare.models import COPY, SCRIPT, Model  # noqa: E402
from compare.page import page  # noqa: E402
from compare.probes import PROBES, measure  # noqa: E402
from compare.runner import Runner  # noqa: E402

# An engine that prints llama-bench's rows; `rates` says its tokens per second as an expression of the words `w`, the
# test's name `t` and the number of times it was started, `n`.
FAKE = """#!{python}
import json, sys
from pathlib import Path
w = sys.argv[1:]
log = Path(__file__ + ".log")
n = len(log.read_text().splitlines()) if log.exists() else 0
log.write_text((log.read_text() if n else "") + json.dumps(w) + "\\n")
def sizes(option):
    return [int(x) for x in w[w.index(option) + 1].split(",") if x.isdigit() and x != "0"] if option in w else []
tests = [("pp", p) for p in sizes("-p")] + [("tg", g) for g in sizes("-n")]
d = int(w[w.index("-d") + 1]) if "-d" in w else 0
rows = []
for kind, size in tests:
    t = kind + str(size)
    rate = {rates}
    row = dict(n_prompt=size if kind == "pp" else 0, n_gen=size if kind == "tg" else 0, n_depth=d)
    rows.append(row | dict(avg_ts=rate, samples_ts=[rate]) | {more})
print("loading: a line before the rows")
print(json.dumps(rows, indent=2))
"""
FAILING = "#!{python}\nimport sys\nprint('unknown tensor type 99', file=sys.stderr)\nsys.exit(3)\n"


class Balanced(HTMLParser):
    """Checks that elements close in order, and counts them."""

    VOID = {"meta", "line", "circle", "rect", "path"}

    def __init__(self):
        super().__init__()
        self.open, self.count, self.links = [], {}, []

    def handle_starttag(self, name, attributes):
        self.count[name] = self.count.get(name, 0) + 1
        self.links += [value for key, value in attributes if key in ("src", "href")]
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.count[name] = self.count.get(name, 0) + 1

    def handle_endtag(self, name):
        assert self.open.pop() == name, f"</{name}> closes nothing"


class Comparison(unittest.TestCase):
    """A comparison of three engines, one of which fails."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "model.gguf"
        self.file.write_bytes(b"GGUF")
        self.model = Model("tiny-q4_0", self.file, "Tiny <Q4_0>", True, "Q4_0")

    def engine(self, kind, name, script, **words):
        path = self.folder / name
        path.write_text(script.format(python=sys.executable, **words))
        path.chmod(0o755)
        return kind(name, path)

    def measured(self, probes, rounds=3):
        shares = "dict(engine='apus', read_share=0.5, compute_share=0.25)"
        engines = [
            self.engine(Apus, "apus", FAKE, rates="(400 if t == 'pp512' else 60) + n", more=shares),
            # Faster without flash attention; twice as fast in its fourth run, the second round.
            self.engine(
                LlamaCpp,
                "llama.cpp",
                FAKE,
                rates="(100 if '0' == w[w.index('-fa') + 1] else 80) * (1 + (n == 3))",
                more="{}",
            ),
            self.engine(IkLlamaCpp, "ik_llama.cpp", FAILING),
        ]
        runner = Runner(engines, threads=2)
        with redirect_stderr(StringIO()):
            runner.measure(self.model, probes, rounds)
        return {
            "commands": [["python", "Benchmarks/compare"]],
            "date": "today",
            "commit": "0" * 40,
            "machine": {"cpu": "a CPU", "cores": 2, "memory_gb": 1, "system": "a system"},
            "threads": 2,
            "engines": [{**engine.description(), "version": "1"} for engine in engines],
            "models": [{**self.model.description(), "bytes": 4, "sha256": "ab"}],
            "runs": runner.runs,
            "failures": runner.failures,
        }

    def test_turns_flags_and_ratios(self):
        data = self.measured([PROBES["rates"]])
        order = [(run["engine"], run["round"]) for run in data["runs"]]
        trials = [("llama.cpp", 0)] * 2
        later = [(name, number) for number in (2, 3) for name in ("apus", "llama.cpp")]
        self.assertEqual(order, [("apus", 1), *trials, ("llama.cpp", 1), *later])
        self.assertEqual({run["flags"] for run in data["runs"] if run["round"] and run["engine"] != "apus"}, {"-fa 0"})
        prefill, decode = results.results(data)
        ratio = prefill["ratios"]["llama.cpp"]
        self.assertEqual(ratio["samples"], [400 / 100, 401 / 200, 402 / 100])
        self.assertEqual((ratio["median"], ratio["min"], ratio["max"]), (4.0, 2.005, 4.02))
        self.assertEqual(
            (prefill["best_peer"], prefill["roof_share"]["median"], prefill["passed"]), ("llama.cpp", 0.25, True)
        )
        self.assertEqual((decode["roof_share"]["median"], decode["passed"]), (0.5, False))
        self.assertAlmostEqual(decode["ratios"]["llama.cpp"]["median"], 0.6)

    def test_failure_is_reported_once_with_last_lines(self):
        data = self.measured([PROBES["rates"]])
        (failure,) = data["failures"]
        self.assertEqual((failure["engine"], failure["kind"], failure["status"]), ("ik_llama.cpp", "failed", 3))
        found = results.results(data)
        for text in (page(data, found), report.markdown(data, found)):
            self.assertIn("unknown tensor type 99", text)
            self.assertIn("ended with 3", text)

    def test_no_path_of_a_machine_is_in_the_text(self):
        data = self.measured([PROBES["rates"]], 1)
        data["commands"] = [["python", "Benchmarks/compare", "--apus", "/srv/me/.build/apus", "--models=a/b:q4_0"]]
        data["failures"][0]["reason"] = 'File "/tmp/it.py", line 5\nat /srv/j_k-l/ci.d/x.cpp:84: 12 tokens/s, a/b/c'
        text = report.markdown(data, results.results(data))
        self.assertNotIn("/srv", text)
        self.assertNotIn("/tmp", text)
        self.assertIn("  > at …/x.cpp:84: 12 tokens/s, a/b/c", text)
        self.assertIn('File "…/it.py", line 5', text)
        self.assertIn("--apus '…/apus' --models=a/b:q4_0", text)

    def test_output_that_lacks_a_measure_fails(self):
        engine = self.engine(Apus, "apus", FAKE, rates="0 if t == 'pp4' else 1", more="{}")
        runner = Runner([engine], threads=1)
        with redirect_stderr(StringIO()):
            runner.measure(self.model, [PROBES["few"]], 1)
        self.assertEqual((len(runner.runs), runner.failures[0]["kind"]), (0, "failed"))

    def test_page(self):
        data = self.measured([PROBES["rates"], PROBES["few"], PROBES["start"]])
        found = results.results(data)
        self.assertEqual(len(found), 2 + 3 + 2)
        html = page(data, found)
        parser = Balanced()
        parser.feed(html)
        parser.close()
        self.assertEqual((parser.open, parser.links), ([], []))
        # Bars: two engines a measure. The overview: a dot a measure.
        self.assertEqual((parser.count["rect"], parser.count["circle"], parser.count["svg"]), (14, 7, 8))
        self.assertNotIn("<Q4_0>", html)
        self.assertNotIn("://", html)
        self.assertIn("prefers-color-scheme: dark", html)
        json.dumps(data)

    def test_merged_pieces_number_their_rounds_on(self):
        data = json.loads(json.dumps(self.measured([PROBES["rates"]], rounds=1)))
        whole = results.merged([data, data])
        self.assertEqual([run["round"] for run in whole["runs"] if run["engine"] == "apus"], [1, 2])
        self.assertEqual(len(results.results(whole)[0]["engines"]["apus"]["samples"]), 2)
        self.assertEqual((len(whole["engines"]), len(whole["models"])), (3, 1))

    def test_merged_pieces_name_every_commit_once(self):
        data = json.loads(json.dumps(self.measured([PROBES["rates"]], rounds=1)))
        whole = results.merged([{**data, "commit": letter * 40} for letter in "aba"])
        self.assertEqual(whole["commit"], "a" * 40 + ", " + "b" * 40)
        self.assertIn("commit " + "a" * 12 + ", " + "b" * 12 + "<", page(whole, results.results(whole)))


class Adapters(unittest.TestCase):
    """What engines are asked, and what is read out of their answers."""

    def words(self, engine, probe):
        return [str(word) for word in engine.command(PROBES[probe], Path("m.gguf"), 2, engine.variants[0]).words]

    def test_commands(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for tool in ("llama-batched-bench", "llama-sweep-bench"):
                (folder / tool).write_text("")
            llama = LlamaCpp("llama.cpp", folder / "llama-bench")
            ik = IkLlamaCpp("ik_llama.cpp", folder / "llama-bench")
            self.assertEqual(self.words(llama, "depth")[-8:], ["-p", "256", "-n", "32", "-d", "4096", "-r", "1"])
            self.assertIn("-fa", self.words(llama, "batched"))
            sweep = " ".join(self.words(ik, "depth"))
            self.assertIn("llama-sweep-bench", sweep)
            self.assertIn("-c 4352 -b 256 -ub 256 -n 32 --sweep-stride 16", sweep)
            self.assertIn("-w 0", " ".join(self.words(ik, "start")))
        apus = Apus("apus", "apus")
        self.assertEqual(apus.command(PROBES["avx2"], "m", 2, ()).environment, {"APUS_ISA": "avx2"})
        self.assertEqual(apus.command(PROBES["rates"], "m", 2, ()).environment, {})
        self.assertIn("-n 1", " ".join(self.words(apus, "start")))

    def test_parsing(self):
        lines = 'main: n_kv_max = 384\n{"pl": 2, "speed_tg": 40.5}\n{"pl": 4, "speed_tg": 60}\nllama_perf: 1\n'
        found = LlamaCpp("l", "l").values(PROBES["batched"], rows_of(lines))
        self.assertEqual(found, {"sequences 2": 40.5, "sequences 4": 60})
        lines = "log\n|  PP |  B | S_TG t/s |\n|-----|----|----------|\n|  16 |  2 |    41.50 |\n\n"
        ik = IkLlamaCpp("l", "l")
        self.assertEqual(ik.values(PROBES["batched"], ik.rows(PROBES["batched"], lines)), {"sequences 2": 41.5})
        lines = '{"n_kv": 0, "speed_pp": 9, "speed_tg": 8}\n{"n_kv": 4096, "speed_pp": 3, "speed_tg": 2}\n'
        found = IkLlamaCpp("l", "l").values(PROBES["depth"], rows_of(lines))
        self.assertEqual(found, {"pp256 @ d4096": 3, "tg32 @ d4096": 2})
        rows = [{"n_prompt": 2, "n_gen": 0, "samples_ts": [1, 9, 5]}]
        self.assertEqual(LlamaCpp("l", "l").values(PROBES["few"], rows), {"pp2": 5})
        with self.assertRaises(ValueError):
            rows_of("error: nothing\n")

    def test_scripts_that_make_models_exist(self):
        self.assertTrue(COPY.is_file(), COPY)
        self.assertTrue(SCRIPT.is_file(), SCRIPT)

    def test_command_line(self):
        ours = ["--apus", __file__]
        self.assertEqual(len(arguments_of([*ours, "--full"]).models), 9)
        self.assertEqual([probe.name for probe in arguments_of(ours).probes], ["rates"])
        with self.assertRaises(SystemExit), redirect_stderr(StringIO()):
            arguments_of(["--llama-bench", "no/such/file"])


class Floors(unittest.TestCase):
    """The promise, case by case."""

    SMALL = {"small": True, "type": "Q4_0", "bytes": 100e6}
    LARGE = {"small": False, "type": "Q4_0", "bytes": 800e6}
    HALF = {"small": True, "type": "F16", "bytes": 270e6}

    def passed(self, name, model, median=1.0, ratio=None, share=None):
        return floors.floor(name, model).passed(median, ratio, share)

    def test_ratios(self):
        self.assertTrue(self.passed("pp512", self.LARGE, ratio=1.35))
        self.assertFalse(self.passed("pp512", self.SMALL, ratio=1.35))
        self.assertTrue(self.passed("pp2", self.LARGE, ratio=1.4))
        self.assertFalse(self.passed("sequences 8", self.LARGE, ratio=1.9))
        self.assertTrue(self.passed("tg128, AVX2", self.LARGE, ratio=1.0))
        self.assertFalse(self.passed("first token", self.SMALL, ratio=1.2))

    def test_roofs(self):
        self.assertTrue(self.passed("tg128", self.SMALL, ratio=0.9, share=0.93))
        self.assertFalse(self.passed("tg128", self.LARGE, ratio=0.99, share=0.93))
        self.assertTrue(self.passed("tg128", self.LARGE, ratio=1.0, share=0.93))
        self.assertTrue(self.passed("tg128", self.LARGE, ratio=1.1, share=0.5))
        self.assertTrue(self.passed("tg32 @ d4096", self.LARGE, ratio=2, share=0.86))
        self.assertFalse(self.passed("tg32 @ d4096", self.LARGE, ratio=2, share=0.8))
        self.assertFalse(self.passed("pp512", self.HALF, ratio=9, share=0.8))
        self.assertIsNone(self.passed("pp512", self.HALF, ratio=9))

    def test_memory(self):
        self.assertTrue(self.passed("peak memory", self.SMALL, median=163))
        self.assertFalse(self.passed("peak memory", self.SMALL, median=164))

    def test_every_measure_has_a_title(self):
        for probe in PROBES.values():
            for name in probe.measures():
                self.assertTrue(measure(name).title)


if __name__ == "__main__":
    unittest.main()
