"""What a session of drags leaves: images before and after, a video, the latent, a trace; and each drag in words."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.request import DragRequest, Point
from ganvas.drag.run import FinishedDrag
from ganvas.drag.session import DragSession
from ganvas.drag.trace import write_trace
from ganvas.drag.video import at_least_viewing_size, at_viewing_size, evenly, marked
from ganvas.edits.recipe import recipe_of_drags
from ganvas.images import pixels, sheets
from ganvas.images.saving import ImageFiles
from ganvas.images.video import can_write_mp4, write_frames
from ganvas.io.progress import Progress, silent
from ganvas.reports.image_files import counted, counting

SECONDS_PER_FRAME = 0.08
PAUSE = 12  # frames for which the video stands still at its end


@dataclass(frozen=True)
class DragFrame:
    """A moment of a drag: the codes of its image, and where its points were, in fractions."""

    codes: Tensor
    handles: tuple[Point | None, ...]
    targets: tuple[Point, ...]


@dataclass(frozen=True)
class PerformedDrags:
    """A session after its drags, the moments that a video shows; not `finished` after Ctrl-C."""

    session: DragSession
    frames: tuple[DragFrame, ...]
    finished: bool


def perform_drags(
    session: DragSession, requests: Sequence[DragRequest], progress: Callable[[int, int, str], None]
) -> PerformedDrags:
    """Do one drag after the other; Ctrl-C keeps the steps done. `progress` is called after each step with the steps
    taken, the limit of all drags, and how far the points are from their targets.
    """
    frames, limit, before = list[DragFrame](), sum(request.steps for request in requests), 0
    for request in requests:
        run, finished = session.begin(request), False
        followed = "anchors" if request.method.method == "freedrag" else "handles"
        with suppress(KeyboardInterrupt):
            for state in run:
                frames.append(DragFrame(state.seen_codes, run.path[-1], request.targets))
                note = f"{followed} {run.distance:.1f} pixels from their targets"
                progress(before + state.steps, limit, note)
            frames.pop()  # the last state is shown by where the content is found
            finished = True
        session, before = session.with_drag(run.finish()), before + request.steps
        frames.append(DragFrame(session.codes, session.drags[-1].final_handles, request.targets))
        if not finished:
            return PerformedDrags(session, tuple(frames), False)
    return PerformedDrags(session, tuple(frames), True)


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


def write_session(out: Path, session: DragSession, files: ImageFiles = ImageFiles()) -> list[Path]:
    """Write images, latent, trace and recipe; returns their paths."""
    before, after = session.image(session.start.codes), session.image()
    paths = [files.write(out / f"{name}.png", one) for name, one in (("start", before), ("end", after))]
    paths.append(pixels.write_image(out / "drag.png", drag_sheet(session, before)))
    paths.append(session.latent.save(out / "latent.safetensors"))
    return [*paths, write_trace(out / "trace.json", session), recipe_of_drags(session).save(out / "drag.recipe")]


def write_drag_video(
    out: Path,
    session: DragSession,
    frames: Sequence[DragFrame],
    most: int,
    files: ImageFiles = ImageFiles(),
    progress: Progress = silent,
) -> list[Path]:
    """Write a video of at most `most` of the frames, none for 0, as GIF, WebP and, where that is possible, MP4: at the
    generator's size or that of `files`, small ones enlarged so that points can be told apart.
    """
    kept = evenly(len(frames), most)
    if not kept:
        return []
    images = (_frame(session, frames[number], files) for number in kept)
    kinds = [".gif", ".webp", *([".mp4"] if can_write_mp4() else [])]
    with ImageFiles().stored(out, counting(images, counted(progress, len(kept), "Rendering the video"))) as video:
        played = video.played([*range(len(kept)), *[len(kept) - 1] * PAUSE])
        return [write_frames(out / f"drag{kind}", played, SECONDS_PER_FRAME) for kind in kinds]


def _frame(session: DragSession, frame: DragFrame, files: ImageFiles) -> Float[Tensor, "1 3 h w"]:
    return marked(at_least_viewing_size(files.fitted(session.image(frame.codes))), frame.handles, frame.targets)


def drag_sheet(session: DragSession, before: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 height width"]:
    """Return one labeled row: the photo if there is one, the image `before` the first drag, and after each, with the
    points that begin and end there.
    """
    shown, heads = [at_viewing_size(before)], ["original"]
    for number, finished in enumerate(session.drags, start=1):
        request = finished.request
        shown[-1] = marked(shown[-1], request.handles, request.targets)
        shown.append(marked(at_viewing_size(session.image(finished.codes)), finished.final_handles, request.targets))
        heads.append(f"drag {number}" if len(session.drags) > 1 else "dragged")
    if session.start.photo is not None:
        shown.insert(0, pixels.resize(session.start.photo.images, *shown[0].shape[-2:]))
        heads[:1] = ["photo", "inversion"]
    return sheets.labeled_grid(torch.cat(shown), len(shown), heads)
