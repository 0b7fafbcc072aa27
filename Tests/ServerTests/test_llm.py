"""The `llm` command with its plugins for Ollama and llama-server, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from serving import ANSWER, MODEL, PATIENCE, Server

QUESTION = "What is gravity?"
NAME = f"ollama/{MODEL}:latest"
LLAMA_SERVER_PORT = 8080


@pytest.fixture(scope="module")
def run(server, tmp_path_factory):
    """Runs the command in a folder of its own, and returns what it prints."""
    folder = tmp_path_factory.mktemp("llm")

    def run(*arguments, text=None):
        # (It wants a key, which the server does not.)
        places = {
            "LLM_USER_PATH": str(folder),
            "HOME": str(folder),
            "OLLAMA_HOST": server.url,
            "OPENAI_API_KEY": "none",
        }
        environment = {**os.environ, **places}
        command = [Path(sys.executable).parent / "llm", *arguments]
        done = subprocess.run(
            command, input=text or "", capture_output=True, text=True, env=environment, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout

    return run


def test_models(run):
    assert NAME in run("models") and NAME.removeprefix("ollama/") in run("ollama", "models")


def test_ollama(run):
    options = ["-m", NAME, "-o", "temperature", "0", "-o", "num_predict", "12"]
    assert run(*options, QUESTION).strip() == ANSWER
    assert run(*options, "--no-stream", QUESTION).strip() == ANSWER
    # What it logs holds the counts of tokens.
    logged = json.loads(run("logs", "--json", "-n", "1"))[0]
    assert (logged["response"], logged["output_tokens"]) == (ANSWER, 12)
    assert run(*options, "--continue", "Why?").strip()


def test_llama_server(run, tmp_path):
    """The plugin knows only one address, and calls the model `llama-server`."""
    try:
        server = Server(tmp_path / "log.txt", "--any-model", port=LLAMA_SERVER_PORT)
        server.__enter__()
    except RuntimeError as error:
        if "in use" in str(error):
            pytest.skip(f"somebody else listens on port {LLAMA_SERVER_PORT}")
        raise
    with_options = ["-m", "llama-server", "-o", "temperature", "0", "-o", "max_tokens", "12"]
    try:
        assert run(*with_options, QUESTION).strip() == ANSWER
        assert run(*with_options, "--no-stream", QUESTION).strip() == ANSWER
    finally:
        server.__exit__()
