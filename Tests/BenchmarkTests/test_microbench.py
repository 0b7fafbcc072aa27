"""Tests of `make microbench`: what it would measure, against the registries, and one small run down to the page.

python Tests/BenchmarkTests/test_microbench.py
"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-B", ROOT / "Benchmarks/microbench/microbench.py"]
# The smallest cases of an op of products and of one without, by the portable kernels, which every machine has.
FILTER = "--benchmark_filter=^(matmul/q4_0/portable/m1/n576k576/t1|rmsnorm/[^/]+/portable/m1/n576/t1)$"
QUICK = ["--all", FILTER, "--benchmark_min_time=0.001", "--benchmark_repetitions=3"]


def registered(path, macro):
    """The names of a registry: a line of `macro` each."""
    return set(re.findall(rf"^{macro}\((\w+)\)", (ROOT / path).read_text(), re.MULTILINE))


def microbench(*flags):
    return subprocess.run([*COMMAND, *flags], capture_output=True, text=True, timeout=1500)


class Names(unittest.TestCase):
    """What is registered is measured."""

    @classmethod
    def setUpClass(cls):
        # What one token takes on one thread, and every number of tokens once. (Google Benchmark takes minutes to list
        # 38,000 names: its time grows with their square.)
        wanted = "--benchmark_filter=(/m1/[^/]+/t1$)|(^matmul/q4_0/portable/)"
        listed = microbench("--all", "--benchmark_list_tests", wanted)
        assert listed.returncode == 0, listed.stdout + listed.stderr
        cls.notes = listed.stderr
        cls.names = [line for line in listed.stdout.splitlines() if "/" in line]
        cls.parts = [name.split("/") for name in cls.names]

    def test_form(self):
        for name in self.names:
            self.assertRegex(name, r"^\w+/\w+/\w+/m\d+/\w+/t\d+$")
        self.assertEqual(len(self.names), len(set(self.names)))

    def test_ops(self):
        # (matmul_fine is matmul with the other activations.)
        measured = {op.removesuffix("_fine") for op, *_ in self.parts}
        self.assertEqual(measured, registered("CKernels/include/apus_ops.h", "APUS_OP"))
        self.assertNotIn("is not measured", self.notes)

    def test_types(self):
        types = registered("CKernels/quants/registry.h", "APUS_QUANT_ENTRY")
        isas = {isa for _, _, isa, *_ in self.parts}
        self.assertIn("portable", isas)
        for isa in isas:
            self.assertEqual({t for op, t, i, *_ in self.parts if op == "matmul" and i == isa}, types, isa)

    def test_shapes(self):
        tokens = {m for op, _, _, m, *_ in self.parts if op == "matmul"}
        self.assertLessEqual({f"m{m}" for m in (1, 2, 4, 8, 16, 64, 512)}, tokens)
        depths = {int(found[1]) for name in self.names if (found := re.match(r"attention/.*d(\d+)", name))}
        self.assertLessEqual({128, 32768}, depths)


class Running(unittest.TestCase):
    """A run, its JSON, its page and what it says of an older one."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        done = microbench("--out", cls.folder, *QUICK)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.results = json.loads((cls.folder / "results.json").read_text())
        cls.runs = [run for run in cls.results["benchmarks"] if run["run_type"] == "iteration"]

    def test_results(self):
        names = {run["name"] for run in self.runs}
        self.assertEqual({name.split("/")[0] for name in names}, {"matmul", "rmsnorm"})
        self.assertEqual(len(self.runs), 3 * len(names))
        for run in self.runs:
            for counter in ("ns/kernel", "GMAC/s", "GB/s", "MAC/B", "%roof", "roof_GB/s"):
                self.assertGreater(run[counter], 0, (run["name"], counter))
            if run["name"].startswith("matmul"):
                # A multiply-add for each of 576 x 576 weights, in the time that the row gives.
                self.assertAlmostEqual(run["GMAC/s"] * run["ns/kernel"] / 576**2, 1, delta=0.01)

    def test_roofs(self):
        context = self.results["context"]
        for unit in ("int8 portable", "f32 portable"):
            self.assertGreater(float(context[f"roof {unit} t1"].split()[0]), 0)
        for level in ("L1", "L2", "memory"):
            for pages in ("4 KB", "huge"):
                self.assertGreater(float(context[f"roof read {level} {pages} pages t1"].split()[0]), 0)

    def test_page(self):
        page = (self.folder / "roofline.html").read_text()
        for run in self.runs:
            self.assertIn(run["name"], page)
        self.assertNotRegex(page, r'(src|href)="https?:')

    def compared(self, factor):
        """What --baseline says of these results beside the same with other times, which hardly vary."""
        old = json.loads(json.dumps(self.results))
        for index, run in enumerate(old["benchmarks"]):
            if run["run_type"] == "iteration":
                first = next(r for r in self.runs if r["name"] == run["name"])
                run["ns/kernel"] = first["ns/kernel"] * factor * (1 + index * 1e-6)
        path = self.folder / "old.json"
        path.write_text(json.dumps(old))
        done = microbench("--out", self.folder, "--no-run", "--baseline", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_baseline(self):
        # A thousand times: beyond the interval of three repetitions on any machine.
        self.assertRegex(self.compared(1000), r"(?m)^faster .*matmul/q4_0/portable")
        self.assertRegex(self.compared(0.001), r"(?m)^slower .*matmul/q4_0/portable")

    def test_no_match(self):
        done = microbench("--out", self.folder / "none", "--benchmark_filter=^no_such_case$")
        self.assertEqual(done.returncode, 64)
        self.assertIn("no_such_case", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
