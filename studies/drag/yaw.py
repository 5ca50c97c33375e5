"""The yaw of heads whose noses were dragged aside, in degrees, estimated from the images; and that of the same faces
turned by a known angle, with the nose alone pushed aside, and made to smile.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.trials import DragBenchmark
from ganvas.images import pixels
from ganvas.io.progress import Progress
from ganvas.regions import Region
from studies.drag.qualitative import DIRECTION, SMILE, FaceDrag, middle, steps_of
from studies.drag.yaw_estimator import YawEstimator, degrees_for, fit_yaw_estimator, pushed_aside, turned

HEAD, NOSE = "the head turned, by a warp", "the nose alone pushed aside, by a warp"
SIDE = 128
Angles = Mapping[str, Sequence[float]]
"""Degrees towards the target, face by face in the same order, by method, by its smiles and by warp."""


def yaw_angles(
    bench: DragBenchmark, found: Sequence[FaceDrag], regions: Mapping[str, Region], learned: int, progress: Progress
) -> Angles:
    """Return degrees towards the target for every face whose nose was dragged: by method, for the smile of the same
    face by the same method, and for the two warps that bring the nose where it was to go.
    """
    nose = regions["nose"]
    estimator = _learned(bench, nose, learned, progress)
    read: dict[str, list[float]] = {}
    asked = {(face.seed, face.method): face.asked[0] for face in found if face.edit == DIRECTION}
    for face in found:
        if face.edit not in (DIRECTION, SMILE):
            continue
        session, way = bench.open(face.seed), asked[face.seed, face.method]
        before, side = _small(session.image()), 1.0 if way > 0 else -1.0
        codes, _ = steps_of(bench.folder, face)
        seen = {face.method if face.edit == DIRECTION else smile(face.method): _small(session.image(codes[-1:]))}
        if face.edit == DIRECTION and face.method == bench.settings.methods[0]:
            known, pushed = before.new_tensor([side * degrees_for(abs(way))]), before.new_tensor([way])
            seen[HEAD] = turned(before, known)
            seen[NOSE] = pushed_aside(before, face.handles[0], _radius(nose, before), pushed)
        for name, after in seen.items():
            read.setdefault(name, []).append(side * float(estimator.degrees(before, after)))
    return read


def smile(method: str) -> str:
    """Return the name of the angles of smiles by a method, for which no turn was asked."""
    return f"{method}, the smile"


def _learned(bench: DragBenchmark, nose: Region, count: int, progress: Progress) -> YawEstimator:
    """Return an estimator of yaw that was learned on images of which none is dragged."""
    images = []
    for number in range(count):
        progress("Images to learn yaw from", number, count)
        images.append(_small(bench.open(number).image()))
    place = middle(nose.mask(*images[0].shape[-2:]))
    return fit_yaw_estimator(bench.features, torch.cat(images), place, _radius(nose, images[0]))


def _small(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 side side"]:
    """Return an image of at most `SIDE` pixels: hundreds are warped at once, and the features need no more."""
    side = min(SIDE, image.shape[-1])
    return pixels.resize(image, side, side)


def _radius(nose: Region, image: Float[Tensor, "1 3 h w"]) -> float:
    """Return half of the side of a square of the region's area, in fractions of the image's."""
    return float((nose.mask(*image.shape[-2:]) > 0.5).double().mean().sqrt()) / 2
