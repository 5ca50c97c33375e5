"""A page's end of the WebSocket, without a browser."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from ganvas.studio.guard import Guard

PORT = 8000
ORIGIN = f"http://127.0.0.1:{PORT}"


class Socket:
    """Sends messages, waits for answers."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    @classmethod
    @contextmanager
    def opened(cls, client: TestClient, guard: Guard) -> Iterator["Socket"]:
        """Open a page with the token."""
        headers = {"origin": ORIGIN, "host": f"127.0.0.1:{PORT}", "cookie": f"{guard.cookie}={guard.token}"}
        with client.websocket_connect("/ws", headers=headers) as socket:
            yield cls(socket)

    def do(self, action: str, **content: Any) -> "Socket":
        """Ask for something."""
        self.socket.send_text(json.dumps({"do": action, **content}))
        return self

    def until(self, kind: str, refused: Counter[str] | None = None) -> dict[str, Any]:
        """Return the next message or header of a kind; fails at an error that was not waited for. Where refusals are
        counted, the error is the answer, unless it is one of our own.
        """
        while True:
            message = self.socket.receive()
            data = message.get("bytes")
            content = json.loads(message["text"] if data is None else data[4 : 4 + int.from_bytes(data[:4], "big")])
            if content["type"] == kind:
                return content
            if content["type"] == "error":
                assert refused is not None, content
                assert "Internal" not in content["text"], content
                refused[content["text"]] += 1
                return content

    def close(self) -> None:
        """Leave the page."""
        self.socket.close()
