"""A client that hangs up."""

import json
import socket
import time

from serving import PATIENCE


def hang_up(server, path, request, seconds):
    """Sends a request and closes the connection after a while, whatever has come by then."""
    data = json.dumps({**request, "stream": True}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        # Some go before they have said all.
        whole = head + data
        if seconds < 0.01:
            connection.sendall(whole[: len(whole) // 2])
            return None
        connection.sendall(whole)
        connection.settimeout(seconds)
        end = time.monotonic() + seconds
        first = b""
        try:
            while time.monotonic() < end:
                piece = connection.recv(4096)
                first = first or piece
                if not piece:
                    break
        except TimeoutError:
            pass
        return int(first.split(b" ", 2)[1]) if first else None
