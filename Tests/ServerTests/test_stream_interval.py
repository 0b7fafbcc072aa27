"""How often a reply's tokens are sent: together where they come soon after one another, but as the same events."""

import http.client
import json
import re

import pytest
from serving import ALIAS, PATIENCE, Server

BODY = {"prompt": "Once upon a time", "max_tokens": 40, "temperature": 0, "stream": True, "ignore_eos": True}


def pieces(server, path, body):
    """The pieces that a reply was sent in: those of HTTP's chunked encoding."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    assert reply.status == 200 and reply.chunked
    found = []
    while size := int(reply.fp.readline(), 16):
        found.append(reply.fp.read(size).decode())
        reply.fp.readline()
    connection.close()
    return found


def test_tokens_are_sent_together(tmp_path):
    sent = {}
    for interval in (0, 1000):
        with Server(tmp_path / "log.txt", "--alias", ALIAS, "--stream-interval", interval) as server:
            sent[interval] = pieces(server, "/v1/completions", BODY)
            lines = pieces(server, "/api/generate", {"model": ALIAS, "prompt": "a", "options": {"num_predict": 20}})
            assert (len(lines) < 6) == (interval > 0)
    each, together = ["".join(sent[interval]) for interval in (0, 1000)]
    own = re.compile(r'"(id|created)":[^,]*,')
    assert own.sub("", each) == own.sub("", together)
    assert each.count("data: {") >= 40
    # The first token is not held back.
    assert len(sent[0]) > 20 and len(sent[1000]) < 6 and '"text"' in sent[1000][0]


@pytest.mark.parametrize("value", ["-1", "1001", "soon"])
def test_other_intervals_are_refused(tmp_path, value):
    with (
        pytest.raises(RuntimeError, match="stream-interval"),
        Server(tmp_path / "log.txt", f"--stream-interval={value}"),
    ):
        pass
