"""The studio's addresses: the page and its files, one WebSocket for each page, uploads and downloads."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from ganvas.errors import GanvasError
from ganvas.studio.engine import Urgency
from ganvas.studio.files import Kept, receive_file
from ganvas.studio.guard import HEADERS, Guard
from ganvas.studio.session import Session
from ganvas.studio.sessions import Sessions

MOST_MESSAGE = 8 * 2**20
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def make_app(sessions: Sessions, guard: Guard) -> FastAPI:
    """Return the application."""
    kept = Kept(sessions.folder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        sessions.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    _guard(app, guard)
    _serve_page(app, guard)
    _serve_files(app, sessions, kept)

    @app.websocket("/ws")
    async def connect(socket: WebSocket) -> None:
        refused = guard.refusal(socket.headers, socket.cookies)
        if refused or "origin" not in socket.headers:
            await socket.close(1008, refused or "the request has no origin")
            return
        await socket.accept()
        await _converse(socket, sessions)

    return app


def _guard(app: FastAPI, guard: Guard) -> None:
    @app.middleware("http")
    async def check(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
        needs_token = request.url.path != "/" or request.method != "GET"
        refused = guard.refusal(request.headers, request.cookies, needs_token)
        if not refused and request.method != "GET" and "origin" not in request.headers:
            refused = "the request has no origin"
        response = PlainTextResponse(f"Refused: {refused}.", 403) if refused else await handle(request)
        response.headers.update(HEADERS)
        return response


def _serve_page(app: FastAPI, guard: Guard) -> None:
    static = {path.name: path.read_bytes() for path in resources.files("ganvas.studio").joinpath("static").iterdir()}

    @app.get("/")
    async def page(request: Request) -> Response:
        token = request.query_params.get("token")
        if guard.knows(token):
            response = RedirectResponse("/", 303)
            response.set_cookie(guard.cookie, guard.token, httponly=True, samesite="strict", path="/")
            return response
        if not guard.knows(request.cookies.get(guard.cookie)):
            return PlainTextResponse("Refused: open the address that ganvas studio printed, with its token.", 403)
        return _static(static, "index.html")

    @app.get("/static/{name}")
    async def file(name: str) -> Response:
        return _static(static, name)


def _static(files: dict[str, bytes], name: str) -> Response:
    kind = KINDS.get("." + name.rpartition(".")[2])
    if name not in files or kind is None:
        return PlainTextResponse("There is no such file.", 404)
    return Response(files[name], media_type=kind)


def _serve_files(app: FastAPI, sessions: Sessions, kept: Kept) -> None:
    @app.post("/upload/{kind}/{name}")
    async def upload(kind: str, name: str, request: Request) -> Response:
        session = sessions.open.get(name)
        if session is None:
            return JSONResponse({"error": "This session is closed; reload the page."}, 404)
        try:
            path = await receive_file(kept, kind, request)
        except GanvasError as reason:
            return JSONResponse({"error": str(reason)}, 413)
        session.receive({"do": f"upload.{kind}", "path": path, **_options(request)}, trusted=True)
        return JSONResponse({"ok": True})

    @app.get("/download/{name}/{file}")
    async def download(name: str, file: str) -> Response:
        path = kept.export(name, file)
        if path is None:
            return PlainTextResponse("This file is not here any more; export it again.", 404)
        return FileResponse(path, filename=path.name, content_disposition_type="attachment")


def _options(request: Request) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        options = json.loads(request.query_params.get("options", "{}"))
        if isinstance(options, dict):
            return {key: value for key, value in options.items() if key not in ("do", "path")}
    return {}


async def _converse(socket: WebSocket, sessions: Sessions) -> None:
    """Show a session to a page until it goes."""
    try:
        session = sessions.join(socket.query_params.get("session"))
    except GanvasError as reason:
        await socket.send_text(json.dumps({"type": "error", "text": str(reason)}))
        await socket.close(1013)
        return
    session.outbox.connect(asyncio.get_running_loop())
    session.submit(lambda job: sessions.begin(session, job), "Opening", Urgency.AT_ONCE)
    sender = asyncio.create_task(_send(socket, session))
    try:
        while True:
            _take(session, await socket.receive_text())
    except (WebSocketDisconnect, RuntimeError, KeyError):  # the last two: the socket is closed already, or sent bytes
        pass
    finally:
        sender.cancel()
        sessions.leave(session)


def _take(session: Session, text: str) -> None:
    try:
        message = json.loads(text) if len(text) <= MOST_MESSAGE else None
    except (ValueError, RecursionError):
        message = None
    if isinstance(message, dict):
        session.receive(message)
    else:
        session.say_error("The page sent something that is no message.")


async def _send(socket: WebSocket, session: Session) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await session.outbox.next()
            if isinstance(message, str):
                await socket.send_text(message)
            else:
                await socket.send_bytes(message)
