"""schemathesis over /openapi.json: what it describes is what is served, and no request makes the server fail."""

import subprocess
import sys
from pathlib import Path

from serving import ALIAS, PATIENCE, Server

SECONDS = 60
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
]


def test_every_route_is_described(server):
    paths = server.get("/openapi.json")["paths"]
    served = {
        "/v1/models": {"get", "head"},
        "/v1/models/{id}": {"get", "head"},
        "/v1/chat/completions": {"post"},
        "/v1/completions": {"post"},
        "/v1/embeddings": {"post"},
        "/api/chat": {"post"},
        "/api/generate": {"post"},
        "/api/tags": {"get", "head"},
        "/api/show": {"post"},
        "/api/ps": {"get", "head"},
        "/api/version": {"get", "head"},
        "/api/embed": {"post"},
        "/api/embeddings": {"post"},
        "/api/copy": {"post"},
        "/api/delete": {"delete"},
        "/completion": {"post"},
        "/tokenize": {"post"},
        "/detokenize": {"post"},
        "/apply-template": {"post"},
        "/tokenizer_info": {"get", "head"},
        "/props": {"get", "head"},
        "/slots": {"get", "head"},
        "/metrics": {"get", "head"},
        "/health": {"get", "head"},
    }
    for path, methods in served.items():
        assert set(paths[path]) >= methods, path


def test_replies_are_as_described(tmp_path):
    """No status from 500 on.

    The two that are meant are not met here: 503 while a model is loading, and 503 when there is no more room, which
    /slots says too, though only to who asks with fail_on_no_slot; one client at a time leaves room.

    A server with little context, so that no random request takes long.
    """
    flags = ["--alias", ALIAS, "--models-dir", tmp_path / "models", "--ctx-size", 96, "--predict", 4]
    (tmp_path / "models").mkdir()
    with Server(tmp_path / "log.txt", *flags) as server:
        command = [
            Path(sys.executable).parent / "st",
            *("run", f"{server.url}/openapi.json", "--checks", ",".join(CHECKS)),
            *("--max-time", SECONDS, "--phases", "examples,coverage,fuzzing", "--max-examples", 40),
            # One worker: several trip over CPython 3.11's ast.parse, which counts its depth for all threads together.
            *("--seed", 6, "--no-shrink", "--workers", 1, "--request-timeout", PATIENCE),
            *("--suppress-health-check", "all", "--warnings", "off", "--generation-database", "none", "--no-color"),
        ]
        run = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=SECONDS + PATIENCE, cwd=tmp_path
        )
        assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
        assert server.greets()
    log = (tmp_path / "log.txt").read_text(errors="replace")
    assert "Fatal error" not in log
