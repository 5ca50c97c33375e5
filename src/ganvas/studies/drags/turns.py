"""By how many degrees heads turn when their noses are dragged aside, read from the pictures; and how the same faces are
read when they are turned by a known angle, or when the nose is pushed aside alone.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.metrics.turning import TurnReader, degrees_for, learn_turns, pushed_aside, turned
from ganvas.region import Region
from ganvas.studies.drags.poster import DIRECTION, Face, middle, steps_of
from ganvas.studies.drags.trials import Bench, Say

HEAD, NOSE = "the head turned, by a warp", "the nose alone pushed aside, by a warp"
Turns = Mapping[str, Sequence[float]]
"""Degrees towards the target, face by face in the same order, by method and by warp."""


def turns_of(bench: Bench, found: Sequence[Face], regions: Mapping[str, Region], say: Say) -> Turns:
    """Return degrees towards the target for every face whose nose was dragged: by method, and for the two warps that
    bring the nose where it was to go.
    """
    nose = regions["nose"]
    reader = _learned(bench, nose, say)
    read: dict[str, list[float]] = {}
    done = [face for face in found if face.named == DIRECTION]
    for face in done:
        session = bench.open(face.seed)
        before, side = session.picture(), 1.0 if face.asked[0] > 0 else -1.0
        codes, _ = steps_of(bench.folder, face)
        read.setdefault(face.method, []).append(side * float(reader.degrees(before, session.picture(codes[-1:]))))
        if face.method == done[0].method:
            (place,), way = face.handles, before.new_tensor([face.asked[0]])
            known = before.new_tensor([side * degrees_for(abs(face.asked[0]))])
            warped = {HEAD: turned(before, known), NOSE: pushed_aside(before, place, _radius(nose, before), way)}
            for name, after in warped.items():
                read.setdefault(name, []).append(side * float(reader.degrees(before, after)))
    return read


def _learned(bench: Bench, nose: Region, say: Say) -> TurnReader:
    """Return a reader that learned on pictures of which none is dragged."""
    pictures = []
    for number in range(bench.settings.learned):
        say("Pictures to learn turns from", number, bench.settings.learned)
        pictures.append(bench.open(number).picture())
    place = middle(nose.mask(*pictures[0].shape[-2:]))
    return learn_turns(bench.look, torch.cat(pictures), place, _radius(nose, pictures[0]))


def _radius(nose: Region, picture: Float[Tensor, "1 3 h w"]) -> float:
    """Return half of the side of a square of the region's area, in fractions of the picture's."""
    return float((nose.mask(*picture.shape[-2:]) > 0.5).double().mean().sqrt()) / 2
