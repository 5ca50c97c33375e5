"""What goes over the WebSocket: JSON, and binary frames of a JSON header and the bytes of an image.

Of everything that waits to be sent, a newer message of the same key takes the place of the older one, so that a slow
connection shows the newest state and nothing piles up.
"""

import asyncio
import io
import json
import struct
import threading
import time
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganvas.images.pixels import to_pillow
from ganvas.io.json_files import plain

FRAMES_PER_SECOND = 15
MOST_WAITING = 400
LOSSLESS_UP_TO = 512
MOVING = {"format": "JPEG", "quality": 88, "subsampling": 0}
RESTING = {"format": "PNG", "compress_level": 1}
RESTING_LARGE = {"format": "JPEG", "quality": 96, "subsampling": 0}


def encoded(image: Float[Tensor, "1 3 h w"], moving: bool = False) -> bytes:
    """Return an image as a file: JPEG while it moves; at rest without loss, large ones nearly so."""
    shown = to_pillow(image.nan_to_num())
    options = MOVING if moving else RESTING if max(shown.size) <= LOSSLESS_UP_TO else RESTING_LARGE
    return _file(shown, **options)


def encoded_mask(mask: Float[Tensor, "1 h w"]) -> bytes:
    """Return a mask as a gray PNG, white inside."""
    levels = (mask[0].clamp(0, 1) * 255).round().to("cpu").numpy().astype(np.uint8)
    return _file(Image.fromarray(levels), **RESTING)


def _file(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


def frame(header: dict[str, Any], payload: bytes) -> bytes:
    """Return the bytes of a frame: the length of the header, big-endian, the header, the payload."""
    text = json.dumps(plain(header)).encode()
    return struct.pack(">I", len(text)) + text + payload


class Outbox:
    """What is to be sent to one page; filled from any thread, emptied by the connection's loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str | bytes, bool]] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._filled = asyncio.Event()
        self._last_frame = 0.0

    def connect(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to send from this loop."""
        self._filled = asyncio.Event()
        self._loop = loop

    def disconnect(self) -> None:
        """Stop sending; what comes from now on is dropped, since a page that comes back asks for everything."""
        with self._lock:
            self._loop = None
            self._waiting.clear()

    @property
    def connected(self) -> bool:
        """Whether a page listens."""
        return self._loop is not None

    def put(self, key: str, message: str | bytes, moving: bool = False) -> None:
        """Send a message soon, in place of a waiting one of the same key; moving images at most 15 times a second."""
        with self._lock:
            if self._loop is None or len(self._waiting) > MOST_WAITING:
                return
            self._waiting[key] = message, moving
            self._loop.call_soon_threadsafe(self._filled.set)

    def say(self, kind: str, key: str | None = None, **content: Any) -> None:
        """Send JSON."""
        self.put(key or kind, json.dumps(plain({"type": kind, **content})))

    def show(self, kind: str, data: bytes, key: str | None = None, /, *, moving: bool = False, **content: Any) -> None:
        """Send an image; the page, too, keeps the newest of a key alone."""
        self.put(key or kind, frame({"type": kind, "key": key or kind, "moving": moving, **content}, data), moving)

    async def next(self) -> str | bytes:
        """Return the next message."""
        while True:
            await self._filled.wait()
            message, pause = self._take()
            if message is not None:
                return message
            if pause:
                await asyncio.sleep(pause)

    def _take(self) -> tuple[str | bytes | None, float]:
        """Return a message that may be sent now, or how long to wait for one."""
        pause = max(0.0, self._last_frame + 1 / FRAMES_PER_SECOND - time.monotonic())
        with self._lock:
            key = next((key for key, (_, moving) in self._waiting.items() if not (moving and pause)), None)
            if key is None:
                if not self._waiting:
                    self._filled.clear()
                return None, pause
            message, moving = self._waiting.pop(key)
        if moving:
            self._last_frame = time.monotonic()
        return message, 0.0
