"""Starts the studio: a port, a token, the browser."""

import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import uvicorn

from ganvas.errors import GanvasError
from ganvas.io.cache import home
from ganvas.studio.app import make_app
from ganvas.studio.guard import Guard
from ganvas.studio.models import Models
from ganvas.studio.sessions import Sessions

LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Opening:
    """How the studio is opened: the first generator, folders with more, the address and whether a browser opens."""

    model: str = "faces"
    folders: Sequence[Path] = ()
    port: int = 0
    public: str = ""
    browser: bool = True


def serve(opening: Opening, device: torch.device, dtype: torch.dtype, say: Callable[[str], None]) -> None:
    """Serve the studio until Ctrl-C; `say` is called with its address."""
    models = Models(device, dtype)
    first = models.add(opening.model)
    for folder in opening.folders:
        models.add_folder(folder)
    models.load(first)  # what is wrong with the generator is said before anything is served
    listener = _listen(opening.public or LOCAL, opening.port)
    port = listener.getsockname()[1]
    guard = Guard(port, opening.public)
    address = f"http://{opening.public or LOCAL}:{port}/?token={guard.token}"
    say(address)
    if opening.browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    sessions = Sessions(models, studio_folder(), first)
    config = uvicorn.Config(
        make_app(sessions, guard), log_level="error", access_log=False, ws_max_size=16 * 2**20, lifespan="on"
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # what uvicorn raises again once it has closed
        print(file=sys.stderr)
    finally:
        listener.close()


def studio_folder() -> Path:
    """Return where sessions are kept."""
    return home() / "studio"


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as reason:
        listener.close()
        raise GanvasError(
            f"The studio cannot listen at {host}:{port} ({reason.strerror}); choose another --port, or none."
        ) from reason
    listener.listen()
    return listener
