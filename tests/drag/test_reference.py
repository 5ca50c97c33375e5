"""Drags end where they ended on 29 November 2026, before the methods were rewritten (commit 1bd6535, one thread)."""

from typing import NamedTuple

import pytest
import torch

import ganvas
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.freedrag import FreeDragSettings
from ganvas.drag.request import PointPair
from ganvas.drag.session import DragSession, open_drag
from ganvas.drag.settings import DragSettings
from ganvas.latents.latent import Latent
from tests.drag.sliding import SlidingGenerator, sliding_session
from tests.generators.small import small_stylegan2

BOX = ganvas.Region.box(0.2, 0.2, 0.8, 0.8)
MASK = ganvas.Region.from_mask(torch.rand(9, 9, generator=torch.Generator().manual_seed(0)).clamp(min=0.6))


class Case(NamedTuple):
    """A drag: the session's name, points, movable region, method, limit of steps; then why and after how many steps it
    ended, the first two entries of the codes' shift, and its length.
    """

    session: str
    points: tuple[PointPair, ...]
    movable: ganvas.Region | None
    method: DragSettings
    limit: int
    reason: str
    steps: int
    shift: tuple[float, float]
    length: float


UP = ((0.45, 0.5), (0.55, 0.44))
ACROSS = ((0.4, 0.4), (0.6, 0.45))
PINNED = (((0.3, 0.3), (0.4, 0.3)), ((0.7, 0.6), (0.7, 0.6)))
CASES = {
    "draggan, two pairs, map with margins": Case(
        "margins",
        (UP, ((0.7, 0.6), (0.76, 0.55))),
        None,
        DragGANSettings(),
        40,
        "step limit",
        40,
        (0.31314, -0.22682),
        0.38665,
    ),
    "draggan, box": Case(
        "plain",
        (((0.45, 0.5), (0.52, 0.5)),),
        BOX,
        DragGANSettings(rate=0.03, mask_weight=2.0),
        25,
        "step limit",
        25,
        (0.01845, 0.01491),
        0.02372,
    ),
    "draggan, w+ with a mask": Case(
        "w+", (ACROSS,), MASK, DragGANSettings(), 12, "step limit", 12, (0.01057, 0.02778), 0.22235
    ),
    "draggan, w": Case(
        "w", (ACROSS,), None, DragGANSettings(rate=0.02), 30, "step limit", 30, (0.45441, 0.22481), 1.5258
    ),
    "draggan, z with a class": Case(
        "z", (ACROSS,), None, DragGANSettings(), 8, "step limit", 8, (0.06542, -0.06238), 0.14731
    ),
    "freedrag, content recovered": Case(
        "plain", (UP,), None, FreeDragSettings(rate=0.005), 400, "reached", 214, (0.89689, -0.49829), 1.02601
    ),
    "freedrag, map with margins": Case(
        "margins", (UP,), None, FreeDragSettings(rate=0.1), 400, "reached", 29, (0.94525, -0.53493), 1.08612
    ),
    "freedrag, box": Case(
        "plain",
        (((0.3, 0.3), (0.5, 0.4)),),
        BOX,
        FreeDragSettings(distance=3.0),
        40,
        "step limit",
        40,
        (0.02229, 0.03728),
        0.04343,
    ),
    "freedrag, w+ with a box and a pin": Case(
        "w+",
        (ACROSS[::-1], ((0.3, 0.6), (0.3, 0.6))),
        BOX,
        FreeDragSettings(),
        30,
        "step limit",
        30,
        (0.00306, 0.00332),
        0.02129,
    ),
    "freedrag, w": Case(
        "w", (ACROSS,), None, FreeDragSettings(scale=0.2), 30, "step limit", 30, (0.09811, 0.00551), 0.40618
    ),
    "freedrag, z with a class": Case(
        "z",
        (ACROSS,),
        None,
        FreeDragSettings(rate=0.05, inner_steps=3),
        20,
        "step limit",
        20,
        (0.2713, -0.05099),
        0.45649,
    ),
}


def opened(name: str) -> DragSession:
    """Return the session of the pattern that slides, or of a small StyleGAN2 in w+, w or z."""
    if name in ("plain", "margins"):
        return sliding_session(SlidingGenerator(64, 0.125 if name == "margins" else 0.0))
    if name == "z":
        generator = small_stylegan2(16, label_dim=3)
        return open_drag(generator, Latent(generator.sample([1]), "z", label=2, truncation=0.6), space="z")
    generator = small_stylegan2(32)
    return open_drag(generator, Latent(generator.sample([3]), "z", truncation=0.7), space=name)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_drag_ends_with_the_codes_of_the_first_implementation(case: Case):
    """Within 2 % of the shift: Adam turns rounding errors of small gradients into steps, and processors round apart."""
    session = opened(case.session)
    finished = session.drag(case.points, case.method, case.movable, case.limit).drags[0]
    assert finished.reason == case.reason
    assert finished.steps == pytest.approx(case.steps, rel=0.1)
    shift = (finished.codes - session.codes).flatten()
    shift = shift[shift != 0]
    assert float(shift.norm()) == pytest.approx(case.length, rel=0.02)
    assert shift[:2].tolist() == pytest.approx(case.shift, abs=0.02 * case.length)
