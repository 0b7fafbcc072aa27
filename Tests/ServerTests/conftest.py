"""One server for all tests of a run, and a look at it at the end."""

import pytest
from serving import ALIAS, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server that all tests use but those which need another one."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    folder = tmp_path_factory.mktemp("models")
    with Server(log, "--alias", ALIAS, "--models-dir", folder, "--memory", "4G") as server:
        greeting = server.greets()
        yield server
        assert server.greets() == greeting
