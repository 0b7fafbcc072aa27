"""The plug-in of the command llm, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ANSWER, MODEL, MODELS, PATIENCE, QUESTION

GREEDY = ["-o", "temperature", "0", "-o", "max_tokens", "12"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs the command in a folder of its own, and returns what it prints."""
    folder = tmp_path_factory.mktemp("llm")
    # The other plug-ins would look for servers.
    places = {"LLM_USER_PATH": str(folder), "HOME": str(folder), "LLM_LOAD_PLUGINS": "llm-apus"}
    environment = {**os.environ, **places, "APUS_MODELS": str(MODELS), "APUS_CONTEXT": "1024"}

    def run(*arguments):
        command = [sys.executable, "-B", Path(sys.executable).parent / "llm", *arguments]
        done = subprocess.run(command, input="", capture_output=True, text=True, env=environment, timeout=PATIENCE)
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout

    return run


def test_models(run):
    assert f"apus/{MODEL.stem}" in run("models") and "apus/smollm2" in run("models")


def test_replies(run):
    assert run("-m", "apus/smollm2", *GREEDY, QUESTION).strip() == ANSWER
    assert run("-m", f"apus/{MODEL.stem}", *GREEDY, "--no-stream", QUESTION).strip() == ANSWER
    logged = json.loads(run("logs", "--json", "-n", "1"))[0]
    assert (logged["response"], logged["output_tokens"]) == (ANSWER, 12)
    # The conversation so far and a system text reach the model.
    told = json.loads(run("logs", "--json", "-n", "1"))[0]["input_tokens"]
    assert run("-m", "apus/smollm2", *GREEDY, "--continue", "Why?").strip()
    assert json.loads(run("logs", "--json", "-n", "1"))[0]["input_tokens"] > told + 12
    assert run("-m", "apus/smollm2", *GREEDY, "--system", "Speak like a pirate.", QUESTION).strip() != ANSWER


def test_asynchronous_use(run):
    code = (
        "import asyncio, llm\n"
        "async def main():\n"
        "    model = llm.get_async_model('apus/smollm2')\n"
        f"    response = model.prompt({QUESTION!r}, temperature=0, max_tokens=12)\n"
        "    print(''.join([piece async for piece in response]))\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "LLM_LOAD_PLUGINS": "llm-apus", "APUS_MODELS": str(MODELS), "APUS_CONTEXT": "1024"},
    )
    assert done.stdout.strip() == ANSWER, done.stderr[-2000:]
