"""``ganvas drag``: points of an image dragged to their targets."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from ganvas.cli import numbers
from ganvas.cli.options import Source
from ganvas.cli.preview import ShowRegion, known_image
from ganvas.cli.preview import show_region as preview
from ganvas.cli.recipes import EditResults, Onto
from ganvas.cli.show import progress
from ganvas.cli.types import METHOD, EditOut, Layers, Model, Points, RegionText
from ganvas.directions.find import region_of
from ganvas.drag.masks import read_movable
from ganvas.drag.methods import settings_of
from ganvas.drag.request import DEFAULT_STEPS, DragRequest
from ganvas.drag.request_json import read_points
from ganvas.drag.session import DragSession, open_drag
from ganvas.drag.trace import read_trace
from ganvas.edits.confine import Confinement
from ganvas.edits.operations import Drag
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.generators.protocol import Generator
from ganvas.images.video import check_frames
from ganvas.io.files import is_file
from ganvas.latents.latent import Latent
from ganvas.parts.located import settled
from ganvas.regions import Region
from ganvas.reports.drag_report import perform_drags, summarize_drag, write_drag_video, write_session

DEFAULT_SEED = 4
OF_THE_IMAGE = ("space", "layers", "feature")


@Parameter(name="*", group=METHOD)
@dataclass(frozen=True)
class DragOptions:
    """Settings whose defaults follow from the generator's size."""

    space: Literal["z", "w", "w+"] | None = None
    """Where the image moves: w+ by default where there is one (each layer by itself), w (one shift for all), or z."""
    layers: Layers | None = None
    """Layers of w+ that may move, such as 0-5; by default the first 6 of 17, in proportion."""
    feature: str | None = None
    """Feature map by which points are followed; by default the finest of at most half the image's size and 128."""
    rate: numbers.Positive | None = None
    """Learning rate of Adam; 0.008 of the space's std by default."""
    mask_weight: numbers.Weight | None = None
    """Weight of the loss that keeps what may not move; 2 (draggan) or 1 (freedrag) by default, the papers have 20 and
    10."""
    radius: numbers.Pixels | None = None
    """Pixels around a handle that are pulled; 3 at 512 pixels by default, at least 2."""
    reach: numbers.Pixels | None = None
    """draggan: pixels around a handle in which it is tracked; 12 at 512 pixels by default, at least 4."""
    step: numbers.Pixels | None = None
    """draggan: pixels by which a handle is pulled in one step, at most; 1 by default."""
    supervision: Literal["current", "start", "gated"] | None = None
    """draggan: what is pulled keeps the features of the present image (the default), of the one at the start (as in
    GoodDrag), or of the start where it has become unlike (as in StableDrag)."""
    confidence: numbers.Fraction | None = None
    """draggan: with --supervision gated, the cosine of features below which the start's count; 0.5 by default."""
    distance: numbers.Pixels | None = None
    """freedrag: pixels of one advance; 12 at 512 pixels by default."""
    scale: numbers.Positive | None = None
    """freedrag: discrepancy l that an advance aims at; measured on the generator's features by default."""
    inner_steps: numbers.Count | None = None
    """freedrag: steps for one advance, at most; 5 by default."""
    tolerance: numbers.Pixels | None = None
    """Pixels from its target at which a handle has arrived; 2 at 512 pixels by default, at least 0.5."""
    patience: numbers.Steps | None = None
    """Steps without coming nearer after which a drag has stalled; 60 by default."""

    def changes(self, of_the_image: bool = False) -> dict[str, Any]:
        """Return the settings that were given: those of the method, or those of the image."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return {name: value for name, value in given.items() if (name in OF_THE_IMAGE) == of_the_image}


@dataclass(frozen=True)
class Asked:
    """A drag as given on the command line; None where nothing was given."""

    seed: int | None
    method: str | None
    point: Points
    points: Path | None
    mask: str | None
    steps: int | None
    tuning: DragOptions

    @property
    def has_points(self) -> bool:
        """Whether any point was given."""
        return bool(self.point) or self.points is not None

    def request(self, generator: Generator, latent: Latent) -> DragRequest:
        """Return the drag for the library."""
        if not self.has_points:
            raise RegionError('No point was given; give --point "X,Y:X,Y", handle and target, in fractions.')
        pairs = (*self.point, *(() if self.points is None else read_points(self.points)))
        settings = settings_of(self.method or "draggan", **self.tuning.changes())
        steps = DEFAULT_STEPS if self.steps is None else self.steps
        return DragRequest(pairs, settings, _movable(generator, self.mask, latent), steps)

    def check_with_trace(self, source: Source) -> None:
        """Raise `GanvasError` where something was given that a trace holds."""
        if self.seed is not None or self.tuning.changes(of_the_image=True):
            raise GanvasError("A trace holds its own image, space, layers and feature map; leave out yours.")
        settings = any(value is not None for value in (self.method, self.mask, self.steps))
        if not self.has_points and (settings or self.tuning.changes()):
            raise GanvasError("A trace holds its own points and settings; leave out yours, or add a --point.")
        if source.latent is None:
            source.refuse_with("A trace holds")
            if source.samples is not None:
                raise LatentError("--samples chooses samples of a latent file, and a trace holds its own image.")


def drag(
    model: Model,
    /,
    *,
    seed: numbers.Seed | None = None,
    method: Literal["draggan", "freedrag"] | None = None,
    point: Points = (),
    points: Path | None = None,
    mask: RegionText | None = None,
    steps: numbers.Steps | None = None,
    frames: numbers.Frames = 60,
    replay: Path | None = None,
    undo: numbers.CountOrNone | None = None,
    show_region: ShowRegion = False,
    out: EditOut = Path("drag"),
    onto: Onto = Onto(),
    tuning: DragOptions = DragOptions(),
    source: Source = Source(),
    results: EditResults = EditResults(),
) -> None:
    """Drag points of an image to their targets: the image follows.

    Writes, at the generator's size, start.png, end.png, and videos with the points, drag.gif and drag.webp (and
    drag.mp4 with the extra video); drag.png, a sheet; latent.safetensors; trace.json, from which --replay does the same
    again; drag.recipe, from which ganvas render makes the image again. With --inside, the image beyond the rim of a
    region stays as it is, and needs no --mask that holds it; the latent is that of the free drag, and --replay needs
    --inside again. With --recipe: images/, drag.png with the image after every operation, and drag.recipe.

    Args:
        seed: Which image; 4 by default. Or --latent FILE (or a photo), with --samples if it holds several.
        method: draggan (by default) follows the points by their features; freedrag carries their features along the
            line.
        point: Handle and target, "X,Y:X,Y" in fractions of width and height; may be given several times.
        points: A JSON file of them: [{"handle": [0.4, 0.6], "target": [0.4, 0.5]}].
        mask: What may move: a mask file (white may) or a region such as mouth or box:0.3,0.6,0.7,0.9; all by default.
        steps: Largest number of steps; 300 by default.
        frames: Frames of the video at most, 0 for none.
        replay: A trace.json to do again; with points, to go on from its end.
        undo: Leave out this many of the trace's last drags.
    """
    asked = Asked(seed, method, point, points, mask, steps, tuning)
    check_frames(frames)
    if undo is not None and replay is None:
        raise GanvasError("--undo leaves out a trace's last drags; give the trace by --replay.")
    generator = results.load(model)
    if onto.recipe is not None:
        if seed is not None or replay is not None or show_region:
            raise GanvasError("--recipe says which image; leave --seed, --replay and --show-region out.")
        begun = onto.read(generator, source)
        change = Drag(asked.request(generator, begun.base), tuning.space, tuning.layers, tuning.feature)
        recipe = onto.add(begun, generator, [change])
        results.show_recipe("drag", recipe, generator, out)
        return
    session, requests = _session(replay, undo or 0, asked, generator, source)
    results.paste.check(session.start)
    session = _confined(session, requests, onto.confinement(generator))
    with results.destination(out, generator) as folder, progress() as report:
        seen = []
        if show_region and requests:  # none where all drags of a trace are undone
            image, asked_for = known_image(generator, session.latent), requests[-1]
            seen = [preview(out, image, asked_for.movable, asked_for.points)]
        done = perform_drags(session, requests, partial(report, "Dragging"))
        session = done.session
        pasted = results.paste.write_drag(out, folder, session)
        if folder is None:
            paths = pasted.files or [results.files.write(out, session.image())]
        else:
            paths = write_session(folder.path, session, results.files)
            paths += write_drag_video(folder.path, session, done.frames, frames, results.files, report) + pasted.files
    drags = [summarize_drag(one, generator.resolution) for one in session.drags]
    lines, facts = [*map(str, drags), *pasted.lines], [asdict(one) for one in drags]
    results.show("drag", lines, [*seen, *paths], done.finished, drags=facts)


def _confined(session: DragSession, requests: Sequence[DragRequest], confinement: Confinement | None) -> DragSession:
    """Return the session with its images confined; raises `RegionError` for a target where nothing may change."""
    if confinement is None:
        return session
    limit = confinement.rims(session.context.generator, session.start)[0].limit
    for x, y in (target for request in requests for target in request.targets):
        if not limit[min(int(y * limit.shape[0]), len(limit) - 1), min(int(x * limit.shape[1]), len(limit) - 1)]:
            raise RegionError(
                f"The target {x:g},{y:g} lies beyond the rim of --inside, where nothing changes; give a larger region."
            )
    return replace(session, confinement=confinement)


def _open(asked: Asked, generator: Generator, source: Source) -> DragSession:
    """Return the session of the image that was asked for."""
    if asked.seed is not None and source.latent is not None:
        raise LatentError("A latent file holds its own codes; leave --seed out.")
    seed = DEFAULT_SEED if asked.seed is None else asked.seed
    latent = source.read(generator, [seed], "z" if asked.tuning.space == "z" else None)
    if len(latent) != 1:
        raise LatentError(f"{len(latent)} images are in this latent file; choose one to drag by --samples.")
    tuning = asked.tuning
    return open_drag(generator, latent, space=tuning.space, layers=tuning.layers, feature=tuning.feature)


def _session(
    path: Path | None, undo: int, asked: Asked, generator: Generator, source: Source
) -> tuple[DragSession, Sequence[DragRequest]]:
    """Return the session of the image with the drag that was asked for; or that of a trace before its drags, and its
    drags without the last `undo`, perhaps with a new one.
    """
    if path is None:
        opened = _open(asked, generator, source)
        return opened, (asked.request(generator, opened.start),)
    asked.check_with_trace(source)
    trace = read_trace(path)
    count = len(trace.requests)
    if not 0 <= undo <= count:
        raise GanvasError(f"This trace holds {count} drags; --undo takes 0 to {count}.")
    session = trace.open(generator, None if source.latent is None else source.read(generator, ()))
    more = (asked.request(generator, session.start),) if asked.has_points else ()
    return session, (*trace.requests[: count - undo], *more)


def _movable(generator: Generator, mask: str | None, latent: Latent) -> Region | None:
    """Return what may move by a mask file or the text of a region; None for all of the image."""
    if mask is None:
        return None
    file = mask.removeprefix("mask:")
    return read_movable(file) if is_file(file) else settled(generator, latent, region_of(generator, mask)[1])
