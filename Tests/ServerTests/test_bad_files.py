"""Model files that go away, change or are none; full disks; ports that are taken."""

import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import ALIAS, ANSWER, BINARY, GREETING, MODEL_FILE, PATIENCE, Server, free_port, wait_until


@pytest.fixture
def folder(tmp_path):
    """A folder with the model under two names."""
    models = tmp_path / "models"
    models.mkdir()
    for name in ["a", "b"]:
        shutil.copyfile(MODEL_FILE, models / f"{name}.gguf")
    return models


@pytest.fixture
def server(folder, tmp_path):
    with Server(tmp_path / "log.txt", "--alias", ALIAS, "--models-dir", folder, "--memory", "4G") as server:
        yield server


def ask(server, model):
    status, _, reply = server.request("POST", "/v1/chat/completions", {**GREETING, "model": model})
    return status, reply


def names(server):
    return {model["name"] for model in server.get("/api/tags")["models"]}


def test_a_file_that_disappears(server, folder):
    """What is loaded goes on; what is not is not found, and another one is not harmed."""
    status, reply = ask(server, "a")
    assert status == 200
    (folder / "a.gguf").unlink()
    (folder / "b.gguf").unlink()
    assert ask(server, "a")[0] in (200, 404)
    assert ask(server, "b")[0] == 404
    assert not names(server) & {"a:latest", "b:latest"}
    assert server.greets() in ANSWER


def test_a_file_that_is_replaced(server, folder):
    """By another file of the same name, as editors and downloads do it."""
    assert ask(server, "a")[0] == 200
    os.replace(folder / "b.gguf", folder / "a.gguf")
    status, reply = ask(server, "a")
    assert status == 200
    (folder / "new").write_bytes(b"GGUF" + bytes(1000))
    os.replace(folder / "new", folder / "a.gguf")
    status, reply = ask(server, "a")
    assert status == 200 or 400 <= status < 500, reply
    assert server.greets() in ANSWER


def test_files_that_are_no_models(server, folder):
    whole = MODEL_FILE.read_bytes()
    bad = {
        "empty": b"",
        "short": whole[:1000],
        "cut": whole[: len(whole) // 2],
        "noise": os.urandom(100_000),
        "text": b"not a model\n",
    }
    for name, data in bad.items():
        (folder / f"{name}.gguf").write_bytes(data)
    (folder / "folder.gguf").mkdir()
    os.symlink("/etc/passwd", folder / "link.gguf")
    os.symlink("nowhere", folder / "dangling.gguf")
    os.mkfifo(folder / "pipe.gguf")
    for name in [*bad, "folder", "link", "dangling", "pipe"]:
        status, reply = ask(server, name)
        assert 400 <= status < 500, f"{name}: {status}: {reply[:300]}"
        status, _, reply = server.request("POST", "/api/show", {"model": name})
        assert 400 <= status < 500, f"{name}: {status}: {reply[:300]}"
    assert names(server) >= {"a:latest", "b:latest"}
    assert server.greets() in ANSWER


def test_files_that_appear(server, folder):
    assert ask(server, "c")[0] == 404
    os.link(folder / "a.gguf", folder / "c.gguf")
    assert "c:latest" in names(server)
    assert ask(server, "c")[0] == 200


def test_a_full_disk(tmp_path):
    """A copy that does not fit is an error that says so, and leaves no piece of a file behind."""
    # A file may not grow past 2 MiB (blocks of 512 or 1,024 bytes); writing more fails as on a full disk.
    limit = "trap '' XFSZ; ulimit -f 2048; exec"
    # On another file system a copy cannot be a link, which needs no room.
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == MODEL_FILE.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=memory) as outside:
        server = Server(tmp_path / "log.txt", "--alias", ALIAS, "--models-dir", outside)
        server.command = ["/bin/sh", "-c", f'{limit} "$@"', "sh", *server.command]
        with server:
            status, _, reply = server.request("POST", "/api/copy", {"source": ALIAS, "destination": "twin"})
            assert status == 400 and "cannot write" in json.loads(reply)["error"], reply
            assert not list(Path(outside).iterdir())
            assert server.greets() in ANSWER


def test_two_servers_on_a_port(server, tmp_path):
    command = [str(a) for a in (BINARY, "serve", "-m", MODEL_FILE, "--port", server.port)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode != 0
    assert str(server.port) in second.stderr and "in use" in second.stderr
    assert "Fatal error" not in second.stderr
    assert server.greets() in ANSWER


def test_the_server_ends_while_it_works(tmp_path):
    """A request that is under way is finished when the server is told to end."""
    server = Server(tmp_path / "log.txt", "--alias", ALIAS, "--drain-timeout", "120", port=free_port())
    with server, ThreadPoolExecutor(1) as pool:
        request = {"prompt": "Count: 1, 2, 3,", "n_predict": 150, "ignore_eos": True}
        reply = pool.submit(server.post, "/completion", request)
        wait_until(lambda: server.metrics()["requests_processing"] > 0, "a request under way")
        server.process.terminate()
        assert reply.result(PATIENCE)["tokens_predicted"] == 150
        server.process.wait(PATIENCE)
