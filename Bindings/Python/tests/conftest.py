"""One model for all tests, what the command makes of the same text, and a look at what is left of handles."""

import gc
import signal

import apus
import pytest
from support import MODEL, TEXT, TOKENS, command

# The tests send it; a job in the background begins with it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def model():
    """The model that all tests use but those which need another one."""
    with apus.Model(MODEL, n_ctx=2048) as model:
        yield model
    gc.collect()
    assert set(apus.system_info()["handles"].values()) == {0}


@pytest.fixture(scope="session")
def expected():
    """What `apus run` makes of the text: "prompt_ids", "ids", "text"."""
    return command("run", "-m", MODEL, "--raw", "--temp", "0", "-n", str(TOKENS), "--json", "-p", TEXT)
