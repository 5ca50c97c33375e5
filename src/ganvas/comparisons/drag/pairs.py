"""Pairs of images of one generator with known displacements between them (DragGAN, section 4.2, paired image
reconstruction): the first is dragged by them, and should become the second.

The second image has the layers that a drag optimizes shifted towards another image's; displacements are the tracker's.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.tasks import corners
from ganvas.comparisons.drag.trials import DragBenchmark, by_all_methods, damaged, point, timed
from ganvas.drag.request import Point
from ganvas.drag.session import DragSession
from ganvas.errors import ResultFileError
from ganvas.inversion.metrics import psnr
from ganvas.io.progress import Progress
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.metrics.tracking import Tracked, track

KIND, DRAGGED_KIND = "drag pair", "dragged pair"
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the way to the other image
OTHERS = 3  # images that are tried
HANDLES, FEWEST = 6, 2
SIMILAR = 0.8  # of the wanted length: near enough to look no further
SEED_OFFSET = 1_000_000


@dataclass(frozen=True)
class ImagePair:
    """Handles of the first image, where their content lies in the second, and how far the farthest went, all in
    fractions; how far the images are apart.
    """

    number: int
    handles: tuple[Point, ...]
    targets: tuple[Point, ...]
    length: float
    distance: float
    psnr: float

    @property
    def lengths(self) -> tuple[float, ...]:
        """How far each handle is from its target."""
        return tuple(math.dist(*points) for points in zip(self.handles, self.targets, strict=True))


@dataclass(frozen=True)
class PairResult:
    """The result of a pair by one method: how the drag ended, the image's distance to the second one, and where the
    tracker finds the content of each handle (``found``), in fractions, None where it does not.
    """

    pair: ImagePair
    method: str
    reason: str
    steps: int
    seconds: float
    distance: float
    psnr: float
    found: tuple[Point | None, ...]

    @property
    def errors(self) -> tuple[float | None, ...]:
        """How far the content of each handle is from its target, in fractions, None where it is not found."""
        ends = zip(self.found, self.pair.targets, strict=True)
        return tuple(None if found is None else math.dist(found, target) for found, target in ends)

    @property
    def found_share(self) -> float:
        """The share of handles whose content is found."""
        return sum(found is not None for found in self.found) / len(self.found)


def pairs(bench: DragBenchmark, progress: Progress) -> list[PairResult]:
    """Return all pairs by all methods, making what the folder lacks."""
    return by_all_methods(bench, bench.settings.pairs, dragged_path, _drag, _read, progress, "Pairs")


def dragged_path(folder: Path, number: int, method: str) -> Path:
    """Return where a dragged pair is kept."""
    return folder / "pairs" / f"{number:04}-{method}.safetensors"


def pair_of(bench: DragBenchmark, number: int) -> tuple[ImagePair, DragSession, Tensor]:
    """Return a pair, the session of its first image and the codes of the second, made where the folder lacks it."""
    path = bench.folder / "pairs" / f"{number:04}.safetensors"
    session = bench.open(bench.settings.first_seed + number)
    if not path.is_file():
        pair, second = make_pair(bench, session, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, KIND, {"second": second}, {"pair": asdict(pair)}, ResultFileError)
    tensors, header = read_tensors(path, KIND, ResultFileError)
    try:
        return _pair(header["pair"]), session, tensors["second"].to(session.codes)
    except (KeyError, TypeError, ValueError) as reason:
        raise damaged(path, reason) from reason


def make_pair(bench: DragBenchmark, session: DragSession, number: int) -> tuple[ImagePair, Tensor]:
    """Return a pair and the codes of its second image: the one of several, towards other images and by several
    shares, whose farthest corner went nearest to the length of this number.
    """
    before, wanted = session.image(), bench.settings.length(number)
    handles = torch.tensor(corners(before, HANDLES), dtype=torch.float64)
    best: tuple[float, Tensor, Tracked] | None = None
    for other in range(OTHERS):
        seed = bench.settings.first_seed + SEED_OFFSET + number * OTHERS + other
        for share in SHARES:
            codes = session.context.shifted(session.codes, _towards(session, bench.open(seed), share))
            seen = track(before, session.image(codes), handles)
            length = _farthest(handles, seen)
            if int(seen.found.sum()) >= FEWEST and (best is None or abs(length - wanted) < abs(best[0] - wanted)):
                best = length, codes, seen
        if best is not None and SIMILAR <= best[0] / wanted <= 1 / SIMILAR:
            break
    if best is None:  # nothing can be followed: a pair of one image, which no drag can improve
        best = 0.0, session.codes, track(before, before, handles)
    length, codes, seen = best
    after = session.image(codes)
    kept = seen.found
    return ImagePair(
        number,
        _points(handles[kept]),
        _points(seen.places[kept].clamp(0, 1)),
        length,
        bench.distance(before, after),
        float(psnr(before, after)),
    ), codes


def _towards(session: DragSession, other: DragSession, share: float) -> Tensor:
    """Return the shift of what a drag optimizes that goes this share of the way to the other image's codes."""
    way = share * (other.codes - session.codes)
    return way if session.context.space == "z" else way[:, list(session.context.layers)]


def _farthest(handles: Float[Tensor, "k 2"], seen: Tracked) -> float:
    lengths = (seen.places - handles).norm(dim=1)[seen.found]
    return float(lengths.max()) if len(lengths) else 0.0


def _drag(bench: DragBenchmark, number: int, method: str) -> None:
    pair, session, second = pair_of(bench, number)
    points = list(zip(pair.handles, pair.targets, strict=True))
    ended, seconds = timed(session, points, method, bench.settings.steps)
    before, wanted, after = session.image(), session.image(second), ended.image()
    seen = track(before, after, torch.tensor(pair.handles, dtype=torch.float64))
    each = zip(_points(seen.places), seen.found.tolist(), strict=True)
    finished = ended.drags[-1]
    result = PairResult(
        pair, method, finished.reason, finished.steps, seconds,
        bench.distance(after, wanted), float(psnr(after, wanted)),
        tuple(at if known else None for at, known in each),
    )  # fmt: skip
    path = dragged_path(bench.folder, number, method)
    write_tensors(path, DRAGGED_KIND, {"dragged": ended.codes}, {"result": asdict(result)}, ResultFileError)


def dragged_codes(folder: Path, result: PairResult) -> Tensor:
    """Return the codes that a pair's first image was dragged to."""
    path = dragged_path(folder, result.pair.number, result.method)
    return read_tensors(path, DRAGGED_KIND, ResultFileError)[0]["dragged"]


def _read(path: Path) -> PairResult:
    _, header = read_tensors(path, DRAGGED_KIND, ResultFileError)
    try:
        held = header["result"]
        found = tuple(None if one is None else point(one) for one in held["found"])
        return PairResult(**(held | {"pair": _pair(held["pair"]), "found": found}))
    except (KeyError, TypeError, ValueError) as reason:
        raise damaged(path, reason) from reason


def _pair(held: dict[str, Any]) -> ImagePair:
    points = {name: tuple(point(one) for one in held[name]) for name in ("handles", "targets")}
    values: dict[str, Any] = {**held, **points}
    return ImagePair(**values)


def _points(places: Float[Tensor, "k 2"]) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in places.tolist())
