"""A web server on this machine that misbehaves on request, for the tests of downloads."""

import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

CONTENT = pickle.dumps([i * i % 251 for i in range(49_947)], protocol=3)  # what cannot be read is not believed


@dataclass
class Plan:
    """How a server behaves: `cuts` are the bytes after which its first answers break off, then it behaves."""

    content: bytes = CONTENT
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    etag: str | None = '"one"'
    length: int | None = None  # what Content-Length says; None: the truth
    without_length: bool = False
    chunked: bool = False
    obeys_ranges: bool = True
    obeys_if_range: bool = True
    range_answer: str | None = None  # a false Content-Range
    silent_after: int | None = None
    silent_head: bool = False
    redirect: str | None = None
    kind: str = "application/octet-stream"
    packed: str | None = None
    seen: list[dict[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    plan: Plan
    stop: threading.Event

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        plan = self.plan
        plan.seen.append({"path": self.path, **self.headers})
        self.close_connection = True
        if plan.silent_head:
            self.stop.wait(20)
        elif plan.redirect is not None and self.path != "/there":
            self.head(302, Location=plan.redirect)
        elif plan.statuses:
            self.head(plan.statuses.pop(0))
        else:
            self.answer(plan)

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def answer(self, plan: Plan) -> None:
        start, content = self.start(plan), plan.content
        headers = {"Content_Type": plan.kind} | ({"ETag": plan.etag} if plan.etag else {})
        headers |= {"Content_Encoding": plan.packed} if plan.packed else {}
        if start >= len(content):
            self.head(416)
            return
        if plan.chunked:
            headers["Transfer_Encoding"] = "chunked"
        elif not plan.without_length:
            headers["Content_Length"] = str(len(content) - start if plan.length is None else plan.length)
        if start:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.head(206, Content_Range=plan.range_answer or whole, **headers)
        else:
            self.head(200, **headers)
        self.send(plan, content[start:])

    def start(self, plan: Plan) -> int:
        wanted = self.headers.get("Range", "")
        if not plan.obeys_ranges or not wanted:
            return 0
        version = self.headers.get("If-Range")
        if plan.obeys_if_range and version is not None and version != plan.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def send(self, plan: Plan, body: bytes) -> None:
        cut = plan.cuts.pop(0) if plan.cuts else len(body)
        if plan.silent_after is not None:
            self.wfile.write(body[: plan.silent_after])
            self.wfile.flush()
            self.stop.wait(20)
        elif plan.chunked:
            self.wfile.write(b"%x\r\n%s" % (len(body), body[:cut]))
            self.wfile.write(b"\r\n0\r\n\r\n" if cut == len(body) else b"")
        else:
            self.wfile.write(body[:cut])


@contextmanager
def serving(plan: Plan) -> Iterator[str]:
    """Serve `plan` while the block runs; gives the address."""
    handler = type("Planned", (Handler,), {"plan": plan, "stop": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.block_on_close = False
    server.handle_error = lambda *_: None  # clients hang up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        handler.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the server directly, whatever this machine's settings are."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
