"""What ``ganvas drag`` says and writes of the drags that it did: images, video, latent, trace."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.cli.progress import Report
from ganvas.drag.request import Point
from ganvas.drag.run import FinishedDrag
from ganvas.drag.session import DragSession
from ganvas.drag.trace import write_trace
from ganvas.drag.video import at_viewing_size, evenly, marked
from ganvas.images import pixels, sheets
from ganvas.images.video import can_write_mp4

SECONDS_PER_FRAME = 0.08
PAUSE = 12  # frames for which the video stands still at its end


@dataclass(frozen=True)
class Frame:
    """A moment of a drag: the codes of its image, and where its points were, in fractions."""

    codes: Tensor
    handles: tuple[Point | None, ...]
    targets: tuple[Point, ...]


@dataclass(frozen=True)
class Told:
    """What is said of a drag: why it ended after so many steps, and how many pixels from its target the content of each
    handle was then found by the method's own features, None where it was not.
    """

    method: str
    reason: str
    steps: int
    left: tuple[float | None, ...]

    def __str__(self) -> str:
        known = [left for left in self.left if left is not None]
        lost = len(self.left) - len(known)
        many = len(self.left) > 1
        parts = [f"content {max(known):.1f} pixels from its target" + (" at most" if many else "")] if known else []
        if lost:
            parts.append(f"that of {lost} of {len(self.left)} handles not found again")
        return f"{self.method}: {self.reason} after {self.steps} steps, {', '.join(parts)}"


def told(done: FinishedDrag, resolution: int) -> Told:
    """Return what is said of a finished drag on an image of this many pixels."""
    left = (
        None if place is None else math.dist(place, target) * resolution
        for place, target in zip(done.final_handles, done.request.targets, strict=True)
    )
    return Told(done.request.method.method, done.reason, done.steps, tuple(left))


def write_results(out: Path, session: DragSession) -> list[Path]:
    """Write images, latent and trace; returns their paths."""
    before, after = session.image(session.start.codes), session.image()
    paths = [pixels.write_image(out / f"{name}.png", one) for name, one in (("start", before), ("end", after))]
    paths.append(pixels.write_image(out / "drag.png", sheets.strip(torch.cat(_turns(session, before)))))
    paths.append(session.latent.save(out / "latent.safetensors"))
    return [*paths, write_trace(out / "trace.json", session)]


def _turns(session: DragSession, before: Float[Tensor, "1 3 h w"]) -> list[Float[Tensor, "1 3 _h _w"]]:
    """Return the image before the first drag and after each, with the points that begin and end there."""
    shown = [at_viewing_size(before)]
    for done in session.drags:
        request = done.request
        shown[-1] = marked(shown[-1], request.handles, request.targets)
        shown.append(marked(at_viewing_size(session.image(done.codes)), done.final_handles, request.targets))
    return shown


def write_video(out: Path, session: DragSession, frames: Sequence[Frame], most: int, report: Report) -> list[Path]:
    """Write a video of at most `most` of the frames, none for 0, as GIF, WebP and, where that is possible, MP4."""
    kept = evenly(len(frames), most)
    if not kept:
        return []
    shown = []
    for number in kept:
        report("Painting the video", len(shown), len(kept))
        shown.append(_shown(session, frames[number]))
    video = torch.cat([*shown, *shown[-1:] * PAUSE])
    return [pixels.write_animation(out / f"drag{kind}", video, SECONDS_PER_FRAME) for kind in _kinds()]


def _shown(session: DragSession, frame: Frame) -> Float[Tensor, "1 3 h w"]:
    return marked(at_viewing_size(session.image(frame.codes)), frame.handles, frame.targets)


def _kinds() -> Iterator[str]:
    yield from (".gif", ".webp")
    if can_write_mp4():
        yield ".mp4"
