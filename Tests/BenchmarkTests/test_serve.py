"""Tests of Benchmarks/serve: real processes that answer as servers do, down to the page. Nothing is timed.

python Tests/BenchmarkTests/test_serve.py
"""

import json
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks"))

from serve.command import main, verdicts  # noqa: E402
from serve.load import LONGEST, prompts  # noqa: E402
from test_compare import Balanced  # noqa: E402

# A server that gives as many words as asked for, each after the others; `fails` says of a body whether it is refused.
FAKE = """#!{python}
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *words): pass

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["stream"] and body["stream_options"]["include_usage"]
        self.send_response(500 if {fails} else 200)
        self.end_headers()
        count = body["max_tokens"]
        usage = dict(prompt_tokens=len(body["prompt"].split()), completion_tokens=count)
        pieces = [dict(choices=[dict(text="word ")])] * count + [dict(choices=[], usage=usage)]
        for piece in pieces:
            self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\\n\\n")
        self.wfile.write(b"data: [DONE]\\n\\n")

port = int(sys.argv[sys.argv.index("--port") + 1])
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


class Serving(unittest.TestCase):
    """Two servers, one round each of one and three clients."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def server(self, name, fails="False"):
        path = self.folder / name
        path.write_text(FAKE.format(python=sys.executable, fails=fails))
        path.chmod(0o755)
        return str(path)

    def run_main(self, ours, theirs):
        words = ["--model", "none.gguf", "--apus", ours, "--llama-server", theirs, "--clients", "3", "1"]
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()) as output:
            main([*words, "--requests", "5", "--rounds", "1", "--output", str(self.folder)])
        data = json.loads((self.folder / "serve.json").read_text())
        page = (self.folder / "serve.html").read_text()
        return data, page, output.getvalue()

    def test_figures(self):
        data, page, output = self.run_main(self.server("ours"), self.server("theirs"))
        self.assertEqual(
            [(row["clients"], row["server"]) for row in data["rows"]],
            [(1, "apus"), (1, "llama-server"), (3, "apus"), (3, "llama-server")],
        )
        for row in data["rows"]:
            wanted = prompts(5, row["clients"])
            self.assertEqual(row["generated_tokens"], sum(body["max_tokens"] for body in wanted))
            self.assertEqual(row["prompt_tokens"], sum(len(body["prompt"].split()) for body in wanted))
            total = row["generated_tokens"] + row["prompt_tokens"]
            self.assertAlmostEqual(row["tokens_per_second"] * row["seconds"], total)
        self.assertEqual(output.count("own CPU"), 2)
        parser = Balanced()
        parser.feed(page)
        self.assertEqual((parser.open, parser.links), ([], []))
        # A dot for each server and number of clients in each of four plots, and a line between two of them.
        self.assertEqual(parser.count["circle"], 4 * 4)
        self.assertEqual(parser.count["svg"], 4)

    def test_failures_are_rows(self):
        data, page, output = self.run_main(self.server("ours"), self.server("theirs", "len(body['prompt']) > 99"))
        errors = [row["error"] for row in data["rows"] if row["server"] == "llama-server"]
        self.assertEqual(len(errors), 2)
        self.assertIn("answered HTTP/1.0 500", errors[0])
        self.assertIn("requests failed", page)
        data["rows"] = [{**row, "error": "x"} for row in data["rows"]]
        self.assertEqual([ok for *_, ok in verdicts(data)], [False, False])

    def test_prompts(self):
        found = prompts(400, 1)
        self.assertEqual(found, prompts(400, 1))
        self.assertNotEqual(found, prompts(400, 2))
        lengths = [len(body["prompt"].split()) for body in found]
        self.assertTrue(60 <= min(lengths) < 100 and 1000 < max(lengths) <= LONGEST)
        self.assertEqual({body["temperature"] for body in found}, {0, 0.8})


if __name__ == "__main__":
    unittest.main()
