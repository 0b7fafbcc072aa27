"""HTTP over TLS: a reply in one piece and the same in many come through it."""

import http.client
import json
import ssl
import subprocess

from serving import ANSWER, GREETING, PATIENCE, Server


class TLSServer(Server):
    """A server with a certificate of its own."""

    def __init__(self, folder):
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=apus"]
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
        subprocess.run(list(map(str, words)), check=True, capture_output=True)
        self.context = ssl.create_default_context(cafile=certificate)
        super().__init__(folder / "log.txt", "--tls-cert", certificate, "--tls-key", key)

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=PATIENCE)
        try:
            connection.request(method, path, body and json.dumps(body), headers or {})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()


def test_replies_come_over_tls(tmp_path):
    with TLSServer(tmp_path) as server:
        assert ANSWER.startswith(server.greets())
        status, headers, reply = server.request("POST", "/v1/chat/completions", {**GREETING, "stream": True})
        assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in reply.decode().split("\n\n") if line.startswith("data: ")]
        assert events[-1] == "[DONE]"
        pieces = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
        assert "".join(pieces) == server.greets()
