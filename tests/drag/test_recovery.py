"""What Ganvas adds to FreeDrag: recovery of content that was left behind, and pins."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ganvas.drag import freedrag, recovery
from ganvas.drag.freedrag import FreeDragSettings
from ganvas.drag.patches import patches_at
from ganvas.drag.recovery import RecoveryState, content_elsewhere
from ganvas.drag.request import DragRequest
from ganvas.drag.run import prepare
from ganvas.drag.sampling import Plane
from ganvas.drag.state import REACHED, STALLED, STEP_LIMIT
from tests.drag.sliding import SlidingGenerator, sliding_session

PLANE = Plane(64)
SETTINGS = FreeDragSettings(rate=0.01, mask_weight=10.0, tolerance=0.5, radius=2.0, distance=4.0, scale=0.1)


def at(x: float, y: float) -> Tensor:
    return torch.tensor([x, y], dtype=torch.float64)


def drag_by(resolution: int, margin: float, rate: float) -> tuple[str, float]:
    """Return why a drag by (0.10, -0.06) ended, and which share of the way the content has gone."""
    session = sliding_session(SlidingGenerator(resolution, margin))
    session = session.drag([((0.45, 0.5), (0.55, 0.44))], FreeDragSettings(rate=rate), steps=400)
    way = torch.tensor([0.10, -0.06])
    return session.drags[0].reason, float(session.codes[0, :2] / 10 @ way / way.square().sum())


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.005, 0.008, 0.03, 0.1])
def test_content_arrives_with_its_anchor_at_every_rate(rate: float):
    """Short steps let the template slip; that is seen when the anchor arrives, and the content is recovered."""
    reason, share = drag_by(64, 0.0, rate)
    assert reason == REACHED
    assert 0.85 < share < 1.1


def blob(x: float, y: float) -> Tensor:
    """Return a map of 32 samples with one bright spot at (x, y) in pixels of 64."""
    places = (torch.arange(32) + 0.5) * 2
    return torch.exp(-((places - x).square() + (places[:, None] - y).square()) / 18)[None, None]


@pytest.mark.parametrize(
    ("spot", "found"), [((24.0, 33.0), True), ((39.6, 30.0), False), ((40.0, 30.0), False), ((24.0, 60.0), False)]
)
def test_content_left_behind_is_found_within_reach(spot: tuple[float, float], found: bool):
    first = patches_at(blob(20.0, 30.0), at(20.0, 30.0)[None], PLANE, 2.0)[0]
    seen = content_elsewhere(blob(*spot), at(40.0, 30.0), 20.0, first, PLANE, SETTINGS)
    if found:
        torch.testing.assert_close(seen, at(*spot), rtol=0, atol=0.5)
    else:
        assert seen is None


def test_content_that_is_not_clearly_elsewhere_counts_as_arrived():
    """The content has arrived but changed; what resembles it elsewhere is not clearly better."""
    first = patches_at(blob(20.0, 30.0), at(20.0, 30.0)[None], PLANE, 2.0)[0]
    both = 0.97 * blob(40.0, 30.0) + 0.98 * blob(26.0, 34.0)
    assert content_elsewhere(both, at(40.0, 30.0), 20.0, first, PLANE, SETTINGS) is None


def test_content_that_recovery_brings_no_nearer_has_stalled():
    session = sliding_session()
    drag, state = prepare(session.context, session.codes, DragRequest((((0.3, 0.3), (0.5, 0.4)),), FreeDragSettings()))
    assert isinstance(state, RecoveryState)
    state = replace(state, handles=drag.reference.targets)
    once = recovery.recover(drag, state, drag.reference.feature)
    assert once.reason == ""
    assert float((once.handles - drag.reference.handles).norm()) <= drag.settings.distance + 1
    assert recovery.recover(drag, once, drag.reference.feature).reason == STALLED


@pytest.mark.parametrize("margin", [0.0, 0.125])
@pytest.mark.parametrize("resolution", [64, 128])
def test_content_follows_at_any_size_and_margin(resolution: int, margin: float):
    reason, share = drag_by(resolution, margin, 0.1)
    assert reason == REACHED
    assert 0.8 < share < 1.1


@pytest.mark.slow
def test_pin_that_slides_has_not_arrived():
    """The image can only slide as a whole: what brings the one handle to its target carries the pin away."""
    session = sliding_session()
    points = (((0.3, 0.3), (0.4, 0.3)), ((0.7, 0.6), (0.7, 0.6)))
    run = session.begin(DragRequest(points, FreeDragSettings(rate=0.03)))
    *_, last = run
    assert last.reason in (STALLED, STEP_LIMIT)
    assert isinstance(last, RecoveryState)
    first = freedrag.first_patches(run.drag)
    assert torch.equal(last.templates[1], first[1])  # it absorbed nothing of what slid to its position
    assert not torch.equal(last.templates[0], first[0])


def test_content_near_a_pin_is_looked_for_there():
    """The line of a pin has no length: within d of it the content is sought all the same."""
    session = sliding_session()
    request = DragRequest((((0.7, 0.6), (0.7, 0.6)),), FreeDragSettings(distance=4.0))
    drag, _ = prepare(session.context, session.codes, request)
    slid = session.context.feature_map(torch.tensor([[10 * 3.0 / 64, 0.0, 0.0]]))
    (found,) = recovery.left_behind(drag, slid)
    assert found is not None
    assert (found - drag.reference.handles[0] - at(3.0, 0.0)).norm() < 0.5
    assert recovery.left_behind(drag, drag.reference.feature) == [None]
