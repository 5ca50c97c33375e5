"""``ganvas drag``: points of a picture pulled to where they should be."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas import images
from ganvas.cli.drag_study import Study, measure
from ganvas.cli.progress import progress
from ganvas.cli.shared import Codes, Common, make_folder, region_of, with_seconds, wrote
from ganvas.drag.film import Reel, at_viewing_size, marked
from ganvas.drag.session import STEPS, Done, Order, Session, ended, fractions, open_session, prepare, run, settled
from ganvas.drag.state import CANCELLED, Point, State, Task, remaining
from ganvas.drag.trace import Trace, read_points, read_trace, write_trace
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.films import can_write_mp4
from ganvas.generators.protocol import Generator
from ganvas.latent_files import Latent
from ganvas.region import Region

MOST_FRAMES, USUAL_SEED = 200, "4"
SECONDS_PER_FRAME = 0.08
PAUSE = 12  # frames for which the film stands still at its end


@Parameter(name="*")
@dataclass(frozen=True)
class Tuning:
    """How to drag, where the rules by the generator's size are not to hold."""

    space: Literal["z", "w", "w+"] | None = None
    """Where the picture moves: w+ by default where there is one (each layer by itself), w (one step for all), or z."""
    layers: str | None = None
    """Rows of w+ that may move, such as 0-5; by default the first 6 of 17, in proportion."""
    feature: str | None = None
    """Feature map by which points are followed; by default the finest of at most half the picture's size and 128."""
    rate: float | None = None
    """Adam's step; 0.008 of the space's deviation by default."""
    mask_weight: float | None = None
    """Weight of what must stay; 2 (draggan) or 1 (freedrag) by default, the papers have 20 and 10."""
    radius: float | None = None
    """Pixels around a handle that are pulled; 3 in 512 by default, at least 2."""
    reach: float | None = None
    """draggan: pixels around a handle in which it is sought again; 12 in 512 by default, at least 4."""
    distance: float | None = None
    """freedrag: pixels of one advance; 12 in 512 by default."""
    scale: float | None = None
    """freedrag: discrepancy l that an advance may make; found from the generator's features by default."""
    arrived: float | None = None
    """Pixels from which on a point has arrived; 2 in 512 by default, at least 0.5."""

    def changes(self) -> tuple[tuple[str, float], ...]:
        """Return the settings of the method that were given."""
        names = ("rate", "mask_weight", "radius", "reach", "distance", "scale", "arrived")
        return tuple((name, getattr(self, name)) for name in names if getattr(self, name) is not None)


def drag(
    model: str,
    /,
    *,
    seed: int | None = None,
    method: Literal["draggan", "freedrag"] = "draggan",
    point: Annotated[list[str] | None, Parameter(negative=())] = None,
    points: Path | None = None,
    mask: str | None = None,
    steps: int = STEPS,
    frames: int = 60,
    replay: Path | None = None,
    out: Path = Path("drag"),
    tuning: Tuning = Tuning(),
    study: Study = Study(),
    codes: Codes = Codes(),
    common: Common = Common(),
) -> None:
    """Pull points of a picture to where they should be: the picture follows.

    Writes start.png, end.png, drag.png (both with the points), drag.gif and drag.webp (and drag.mp4 with the extra
    video), latent.safetensors, and trace.json, from which --replay does the same again.

    Parameters
    ----------
    model
        A bundled name (faces), a name of the zoo or a file of a generator.
    seed
        Which picture; 4 by default. Or --latent FILE, with --rows if it holds several.
    method
        draggan follows the points by their features; freedrag carries their features along the line.
    point
        Handle and target, "X,Y>X,Y" in fractions of width and height; may be given several times.
    points
        A JSON file of them: [{"handle": [0.4, 0.6], "target": [0.4, 0.5]}].
    mask
        What may move: a mask file (white may) or a region such as mouth or box:0.3,0.6,0.7,0.9; all by default.
    steps
        At most so many steps.
    frames
        Pictures in the film at most, 0 for none.
    replay
        A trace.json to do again, instead of points.
    out
        Folder for the results; files of an earlier run there are replaced.
    tuning
        How to drag.
    study
        What to measure instead of dragging points.
    codes
        Which picture, and how it is truncated.
    common
        Options of every command.
    """
    start = time.perf_counter()
    if frames != 0 and not 2 <= frames <= MOST_FRAMES:
        raise GanvasError(f"{frames} frames make no film; give 2 to {MOST_FRAMES}, or 0 for none.")
    if study.wanted:
        if point or points or mask or replay or seed is not None or tuning != Tuning():
            raise GanvasError("A benchmark draws its own pictures and points, and measures both methods as they are.")
        measure(model, study, codes, out, common)
        return
    generator = common.load(model)
    if replay is not None:
        if point or points or mask or seed is not None or tuning != Tuning():
            raise GanvasError("A trace holds its own picture, points and settings; leave out all that says others.")
        session, latent, orders = _replayed(read_trace(replay), generator, codes)
    else:
        pairs = _pairs(point or (), points)
        latent = _one_picture(codes, generator, seed, tuning.space)
        session = _session(generator, latent, tuning)
        movable = settled(_movable(generator, mask), generator.resolution)
        task = Task(tuple(handle for handle, _ in pairs), tuple(target for _, target in pairs), movable)
        orders = (Order(task, method, steps, tuning.changes()),)
    if orders:
        prepare(session.subject, session.codes, orders[0])  # what cannot be dragged is told before anything is written
    make_folder(out)
    reel, stopped = Reel(frames), False
    for order in orders:
        session, stopped = _dragged(session, order, reel)
        if stopped:
            break
    paths = _write(out, session, latent, reel)
    told = [_told(done, generator.resolution) for done in session.done]
    summary = {"command": "drag", "drags": [asdict(one) for one in told], "files": paths}
    common.show([*map(str, told), *wrote(paths), with_seconds(start)], summary)
    if stopped:
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Told:
    """What is said of a drag: why it ended after so many steps, and how many pixels its points were then away."""

    method: str
    reason: str
    steps: int
    left: tuple[float, ...]

    def __str__(self) -> str:
        far = f"{max(self.left):.1f} pixels left" + (" of the farthest point" if len(self.left) > 1 else "")
        return f"{self.method}: {self.reason} after {self.steps} steps, {far}"


def _told(done: Done, resolution: int) -> Told:
    ends = zip(done.path[-1], done.order.task.targets, strict=True)
    left = tuple(math.dist(point, target) * resolution for point, target in ends)
    return Told(done.order.method, done.reason, done.steps, left)


def _dragged(session: Session, order: Order, reel: Reel) -> tuple[Session, bool]:
    """Return the session after one more drag, and whether Ctrl-C stopped it; what was done until then is kept."""
    drag, first = prepare(session.subject, session.codes, order)
    state, path, stopped = first, [], False
    targets = order.task.targets
    with progress() as report:
        try:
            for state in run(drag, first, order):
                path.append(fractions(state, session.subject))
                reel.offer(lambda seen=state: _frame(session, seen, targets), bool(state.reason))
                left = float(remaining(state.points, drag.fixed.targets).mean())
                report("Dragging", state.steps, order.steps, f"{left:.1f} pixels left")
        except KeyboardInterrupt:
            stopped, state = True, ended(drag, state, order.method, CANCELLED)
            path.append(fractions(state, session.subject))
    return session.with_done(order, drag.settings, path, state), stopped


@torch.no_grad()
def _frame(session: Session, state: State, targets: Sequence[Point]) -> Float[Tensor, "1 3 h w"]:
    picture = session.subject.paint(state.feature, state.seen_codes).cpu()
    return marked(at_viewing_size(picture), fractions(state, session.subject), targets)


def _write(out: Path, session: Session, latent: Latent, reel: Reel) -> list[Path]:
    """Write pictures, film, latent and trace; returns their paths."""
    subject = session.subject
    before, after = _picture(session, session.start), _picture(session, session.codes)
    paths = [images.write_picture(out / f"{name}.png", one) for name, one in (("start", before), ("end", after))]
    shown = [at_viewing_size(before)]
    for done in session.done:
        shown[0] = marked(shown[0], done.path[0], done.order.task.targets)
        shown.append(at_viewing_size(_picture(session, done.after)))
        shown[-1] = marked(shown[-1], done.path[-1], done.order.task.targets)
    paths.append(images.write_picture(out / "drag.png", images.strip(torch.cat(shown))))
    if reel.frames:
        kinds = (".gif", ".webp", ".mp4") if can_write_mp4() else (".gif", ".webp")
        film = reel.film(PAUSE)
        paths += [images.write_animation(out / f"drag{kind}", film, SECONDS_PER_FRAME) for kind in kinds]
    dragged = replace(
        latent, codes=session.codes.cpu(), space=subject.code_space, names=(f"{latent.captions[0]}, dragged",)
    )
    paths.append(dragged.save(out / "latent.safetensors"))
    paths.append(write_trace(out / "trace.json", session, bool(latent.noise or latent.tuned)))
    return paths


@torch.no_grad()
def _picture(session: Session, codes: Tensor) -> Float[Tensor, "1 3 h w"]:
    return session.subject.paint(session.subject.feature_of(codes), codes).cpu()


def _replayed(trace: Trace, generator: Generator, codes: Codes) -> tuple[Session, Latent, tuple[Order, ...]]:
    """Return the session of a trace before its drags, its picture as a latent, and the drags."""
    if trace.own_weights and codes.latent is None:
        raise LatentError("This drag's picture has noise maps or weights of its own; give its latent file by --latent.")
    kept = None if codes.latent is None else codes.read(generator, None, "")
    latent = Latent(
        trace.codes, "z" if trace.space == "z" else "w+", (), (), trace.label, trace.truncation,
        generator=trace.generator, generator_hash=trace.generator_hash,
        noise={} if kept is None else kept.noise, tuned={} if kept is None else kept.tuned,
    )  # fmt: skip
    latent.check_fits(generator)
    painter = latent.generator_for(generator)
    return trace.open(painter, latent.noise_for(painter)), latent, trace.orders


def _one_picture(codes: Codes, generator: Generator, seed: int | None, space: str | None) -> Latent:
    if seed is not None and codes.latent is not None:
        raise LatentError("A latent file holds its own codes; leave --seed out.")
    seeds = None if seed is None else str(seed)
    latent = codes.read(generator, seeds, USUAL_SEED, "z" if space == "z" else None)
    if len(latent) != 1:
        raise LatentError(f"{len(latent)} pictures are in this latent file; choose one to drag by --rows.")
    return latent


def _session(generator: Generator, latent: Latent, tuning: Tuning) -> Session:
    painter = latent.generator_for(generator)
    usual = "w+" if "w+" in generator.spaces and latent.space != "s" else latent.space
    space = usual if tuning.space is None else tuning.space
    codes = latent.codes_for(painter, "z" if space == "z" else "w+")
    known: dict[str, Any] = {"label": latent.label, "truncation": latent.truncation} if space == "z" else {}
    noise = latent.noise_for(painter)
    return open_session(painter, codes, space, tuning.layers, tuning.feature, noise=noise, **known)


def _movable(generator: Generator, mask: str | None) -> Region | None:
    if mask is None:
        return None
    return Region.from_mask_file(mask) if Path(mask).is_file() else region_of(generator, mask)[1]


def _pairs(written: Sequence[str], file: Path | None) -> tuple[tuple[Point, Point], ...]:
    pairs = tuple(parse_pair(text) for text in written) + (() if file is None else read_points(file))
    if not pairs:
        raise RegionError('No point was given; give --point "X,Y>X,Y", from where to where, in fractions.')
    return pairs


def parse_pair(text: str) -> tuple[Point, Point]:
    """Return handle and target of "0.4,0.6>0.4,0.5"; raises `RegionError` for other text."""
    try:
        (left, top), (right, bottom) = (map(float, part.split(",")) for part in text.split(">"))
    except ValueError:
        raise RegionError(f"'{text[:60]}' is no drag; write X,Y>X,Y such as 0.4,0.6>0.4,0.5.") from None
    return (left, top), (right, bottom)
