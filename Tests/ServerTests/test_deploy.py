"""deploy/: the commands that the systemd unit and the image start are those of this server."""

import json
import shlex

import pytest
from serving import ROOT, Server

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")


def entry_point():
    """The words of the image's command."""
    lines = [line.split(None, 1)[1] for line in DOCKERFILE.splitlines() if line.startswith("ENTRYPOINT ")]
    return json.loads(lines[-1])


def exec_start():
    """The words of the unit's command, without those that stand in for an administrator's own."""
    lines = (ROOT / "deploy/apus.service").read_text().splitlines()
    command = next(line for line in lines if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    return [word for word in shlex.split(command) if not word.startswith("$")]


@pytest.mark.parametrize("words", [entry_point(), exec_start()], ids=["image", "unit"])
def test_the_command_serves(words, tmp_path):
    program, verb, *flags = words
    assert (program.rsplit("/", 1)[-1], verb) == ("apus", "serve")
    folder = flags.index("--models-dir") + 1
    assert flags[folder].startswith("/")
    flags[folder] = tmp_path
    with Server(tmp_path / "log.txt", *flags, models=()) as server:
        assert server.get("/v1/models")["data"] == []
    for line in (tmp_path / "log.txt").read_text().splitlines():
        json.loads(line)
