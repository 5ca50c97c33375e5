"""What a session of drags leaves: images before and after, a video, the latent, a trace; and each drag in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.request import Point
from ganvas.drag.run import FinishedDrag
from ganvas.drag.session import DragSession
from ganvas.drag.trace import write_trace
from ganvas.drag.video import at_viewing_size, evenly, marked
from ganvas.images import pixels, sheets
from ganvas.images.video import can_write_mp4
from ganvas.io.progress import Progress, silent

SECONDS_PER_FRAME = 0.08
PAUSE = 12  # frames for which the video stands still at its end


@dataclass(frozen=True)
class DragFrame:
    """A moment of a drag: the codes of its image, and where its points were, in fractions."""

    codes: Tensor
    handles: tuple[Point | None, ...]
    targets: tuple[Point, ...]


@dataclass(frozen=True)
class DragSummary:
    """How a drag ended: the reason, the steps, and how many pixels from its target the content of each handle was
    found by the method's own features, None where it was not found.
    """

    method: str
    reason: str
    steps: int
    left: tuple[float | None, ...]

    def __str__(self) -> str:
        known = [left for left in self.left if left is not None]
        lost = len(self.left) - len(known)
        at_most = " at most" if len(self.left) > 1 else ""
        parts = [f"content {max(known):.1f} pixels from its target{at_most}"] if known else []
        if lost:
            parts.append(f"that of {lost} of {len(self.left)} handles not found again")
        return f"{self.method}: {self.reason} after {self.steps} steps, {', '.join(parts)}"


def summarize_drag(finished: FinishedDrag, resolution: int) -> DragSummary:
    """Return how a drag on an image of this many pixels ended."""
    left = (
        None if handle is None else math.dist(handle, target) * resolution
        for handle, target in zip(finished.final_handles, finished.request.targets, strict=True)
    )
    return DragSummary(finished.request.method.method, finished.reason, finished.steps, tuple(left))


def write_session(out: Path, session: DragSession) -> list[Path]:
    """Write images, latent and trace; returns their paths."""
    before, after = session.image(session.start.codes), session.image()
    paths = [pixels.write_image(out / f"{name}.png", one) for name, one in (("start", before), ("end", after))]
    paths.append(pixels.write_image(out / "drag.png", sheets.strip(torch.cat(_stages(session, before)))))
    paths.append(session.latent.save(out / "latent.safetensors"))
    return [*paths, write_trace(out / "trace.json", session)]


def write_drag_video(
    out: Path, session: DragSession, frames: Sequence[DragFrame], most: int, progress: Progress = silent
) -> list[Path]:
    """Write a video of at most `most` of the frames, none for 0, as GIF, WebP and, where that is possible, MP4."""
    kept = evenly(len(frames), most)
    if not kept:
        return []
    shown = []
    for number in kept:
        progress("Rendering the video", len(shown), len(kept))
        frame = frames[number]
        shown.append(marked(at_viewing_size(session.image(frame.codes)), frame.handles, frame.targets))
    video = torch.cat([*shown, *shown[-1:] * PAUSE])
    kinds = [".gif", ".webp", *([".mp4"] if can_write_mp4() else [])]
    return [pixels.write_animation(out / f"drag{kind}", video, SECONDS_PER_FRAME) for kind in kinds]


def _stages(session: DragSession, before: Float[Tensor, "1 3 h w"]) -> list[Float[Tensor, "1 3 _h _w"]]:
    """Return the image before the first drag and after each, with the points that begin and end there."""
    shown = [at_viewing_size(before)]
    for finished in session.drags:
        request = finished.request
        shown[-1] = marked(shown[-1], request.handles, request.targets)
        shown.append(marked(at_viewing_size(session.image(finished.codes)), finished.final_handles, request.targets))
    return shown
