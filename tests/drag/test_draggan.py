"""DragGAN on a generator whose codes are shifts: its loss, its tracking and where it ends have closed forms."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganvas.drag import draggan
from ganvas.drag.adam import Moments, adam_step
from ganvas.drag.draggan import DragGANSettings, motion_supervision, subpixel_shift, track
from ganvas.drag.request import DragRequest
from ganvas.drag.run import prepare
from ganvas.drag.sampling import Plane, sample_point
from ganvas.drag.state import REACHED
from tests.drag.sliding import SlidingGenerator, sliding_session

PLANE = Plane(64)
SETTINGS = DragGANSettings(rate=0.01, mask_weight=20.0, tolerance=0.5, radius=3.0, reach=8.0)


def pixels(*points: tuple[float, float]) -> Tensor:
    return torch.tensor(points, dtype=torch.float64)


def map_of(x: float, y: float, resolution: int = 64) -> Tensor:
    """Return the map of the pattern moved by (x, y) pixels of the image."""
    codes = torch.tensor([[x, y, 0.0]], dtype=torch.float64) * 10 / resolution
    return SlidingGenerator(resolution).features(codes, ["f"], "z")["f"].float()


def plain_supervision(feature: Tensor, point: Tensor, target: Tensor, radius: float) -> Tensor:
    """Eq. 1 of the paper, pixel by pixel on the map enlarged to the image's size."""
    whole = F.interpolate(feature, size=(64, 64), mode="bilinear", align_corners=False)
    way = target - point
    ahead = way / way.norm() * min(1.0, float(way.norm()))
    terms = []
    for down in range(-5, 6):
        for right in range(-5, 6):
            if right**2 + down**2 < radius**2:
                q = point + pixels((right, down))[0]
                here, there = (
                    F.grid_sample(whole, ((at / 32 - 1).float())[None, None, None], padding_mode="border",
                                  align_corners=False)
                    for at in (q, q + ahead)
                )  # fmt: skip
                terms.append((here.detach() - there).abs().mean())
    return torch.stack(terms).mean()


@pytest.mark.parametrize("target", [(40.0, 20.0), (30.8, 31.2)])
def test_motion_supervision_is_eq_1_with_its_gradient(target: tuple[float, float]):
    feature = map_of(1.0, 2.0).requires_grad_()
    point = pixels((30.2, 31.0))
    ours = motion_supervision(feature, point, pixels(target), PLANE, SETTINGS)
    theirs = plain_supervision(feature, point[0], pixels(target)[0], 3.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    mine, other = (torch.autograd.grad(loss, feature)[0] for loss in (ours, theirs))
    assert (mine - other).abs().max() < 1e-4 * other.abs().max()


def test_handles_that_have_arrived_add_nothing_to_the_loss():
    feature, points = map_of(0, 0), pixels((20.0, 20.0), (40.0, 40.0))
    targets = pixels((20.4, 20.0), (44.0, 40.0))
    both = motion_supervision(feature, points, targets, PLANE, SETTINGS)
    assert float(both) == float(motion_supervision(feature, points[1:], targets[1:], PLANE, SETTINGS)) > 0
    assert float(motion_supervision(feature, points[:1], targets[:1], PLANE, SETTINGS)) == 0


@given(x=st.floats(-6, 6), y=st.floats(-6, 6))
@settings(max_examples=40)
def test_tracking_finds_the_shift_to_a_fraction_of_a_pixel(x: float, y: float):
    still, moved = map_of(0, 0), map_of(x, y)
    point = pixels((31.3, 30.8))[0]
    found = track(moved, point, sample_point(still, point, PLANE), 8.0, PLANE)
    assert (found - point - pixels((x, y))[0]).norm() < 0.1


def test_tracking_stays_on_the_image_and_finds_an_unmoved_handle():
    feature = map_of(0, 0)
    for point in pixels((0.0, 0.0), (64.0, 3.2), (31.0, 64.0)):
        wanted = sample_point(feature, point, PLANE)
        torch.testing.assert_close(track(feature, point, wanted, 8.0, PLANE), point)
    far = track(feature, pixels((63.0, 63.0))[0], sample_point(feature, pixels((70.0, 70.0))[0], PLANE), 8.0, PLANE)
    assert far.max() <= 64


def test_handle_stays_where_its_surroundings_look_alike():
    """On even ground altogether, along an edge in its direction."""
    point, wanted = pixels((30.0, 30.0))[0], torch.full((4,), 0.3)
    assert torch.equal(track(torch.full((1, 4, 32, 32), 0.3), point, wanted, 8.0, PLANE), point)
    assert torch.equal(track(torch.full((1, 4, 32, 32), 0.7), point, wanted, 8.0, PLANE), point)
    edge = torch.sigmoid(torch.arange(32) - 15.7).expand(1, 4, 32, 32).contiguous()
    found = track(edge.roll(2, dims=3), point, sample_point(edge, point, PLANE), 8.0, PLANE)
    torch.testing.assert_close(found, pixels((34.0, 30.0))[0], atol=0.05, rtol=0)


def test_subpixel_shift_is_least_squares():
    """On a map that is linear the nearest place is found exactly, and never beyond half a pixel."""
    slopes = torch.tensor([[1.0, 0.5, -2.0], [0.3, -1.0, 0.2]])
    steps = torch.tensor([-1.0, 0.0, 1.0])
    around = slopes[0][:, None, None] * steps + slopes[1][:, None, None] * steps[:, None]
    for x, y in ((0.3, -0.2), (-0.5, 0.5), (0.0, 0.0)):
        found = subpixel_shift(around, slopes[0] * x + slopes[1] * y)
        torch.testing.assert_close(found, pixels((x, y))[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(subpixel_shift(around, slopes[0] * 3), pixels((0.5, 0.0))[0], atol=1e-6, rtol=0)


def test_subpixel_shift_is_zero_along_an_edge_and_on_even_ground():
    edge = torch.tensor([-1.0, 0.0, 1.0]).expand(2, 3, 3)
    torch.testing.assert_close(subpixel_shift(edge, torch.full((2,), 0.3)), pixels((0.3, 0.0))[0], atol=1e-6, rtol=0)
    assert subpixel_shift(torch.ones(2, 3, 3), torch.zeros(2)).tolist() == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("margin", [0.0, 0.125])
@pytest.mark.parametrize("resolution", [64, 128])
def test_drag_finds_the_exact_shift(resolution: int, margin: float):
    """The only codes that bring the point to its target are (10 dx, 10 dy): no others can be right."""
    session = sliding_session(SlidingGenerator(resolution, margin))
    done = session.drag([((0.45, 0.5), (0.55, 0.44))], DragGANSettings(rate=0.01)).drags[0]
    assert done.reason == REACHED
    found = done.codes[0, :2] / 10 - torch.tensor([0.10, -0.06])
    assert float(found.norm()) * resolution < 0.5 + 0.25
    assert done.codes[0, 2] == 0


@pytest.mark.slow
@pytest.mark.parametrize("supervision", ["start", "gated"])
def test_supervision_by_the_start_finds_the_exact_shift_too(supervision: str):
    method = DragGANSettings(rate=0.01, supervision=supervision)
    done = sliding_session().drag([((0.45, 0.5), (0.55, 0.44))], method).drags[0]
    assert done.reason == REACHED
    assert float((done.codes[0, :2] / 10 - torch.tensor([0.10, -0.06])).norm()) * 64 < 0.75


@pytest.mark.parametrize(
    ("supervision", "confidence", "present"),
    [("current", 0.5, True), ("start", 0.5, False), ("gated", 0.999, False), ("gated", 0.01, True)],
)
def test_the_start_is_the_template_always_or_where_confidence_is_low(
    supervision: str, confidence: float, present: bool
):
    method = DragGANSettings(supervision=supervision, confidence=confidence)
    session = sliding_session()
    drag, _ = prepare(session.context, session.codes, DragRequest((((0.3, 0.3), (0.4, 0.3)),), method))
    moved, first = map_of(0.7, 0.4), drag.reference.handles[0]
    handle = first + pixels((0.7, 0.4))[0] + 0.5
    template, place = draggan.template_place(drag, moved, handle, first)
    assert torch.equal(template, moved if present else drag.reference.feature)
    assert torch.equal(place, handle if present else first)


def test_supervision_by_the_start_pulls_back_what_has_changed():
    start, changed = map_of(0, 0), map_of(0, 0) * 0.5
    point, target = pixels((30.0, 30.0)), pixels((33.0, 30.0))
    kept = motion_supervision(changed, point, target, PLANE, SETTINGS, [(start, point[0])])
    ours = motion_supervision(start, point, target, PLANE, SETTINGS, [(start, point[0])])
    assert torch.equal(ours, motion_supervision(start, point, target, PLANE, SETTINGS))
    assert kept > motion_supervision(changed, point, target, PLANE, SETTINGS)


@pytest.mark.slow
def test_agreeing_pairs_reach_their_targets_and_a_contrary_pin_prevents_it():
    session, pair = sliding_session(), ((0.3, 0.3), (0.36, 0.3))
    assert session.drag([pair, ((0.7, 0.6), (0.76, 0.6))]).drags[0].reason == REACHED
    pinned = session.drag([pair, ((0.7, 0.6), (0.7, 0.6))], steps=150).drags[0]
    assert pinned.reason != REACHED
    assert float(pinned.codes[0, 0]) < 0.5


def test_step_is_a_pure_function_of_the_state():
    session = sliding_session()
    drag, state = prepare(session.context, session.codes, DragRequest((((0.3, 0.3), (0.4, 0.3)),), DragGANSettings()))
    before = state.codes.clone()
    first, again = draggan.step(drag, state), draggan.step(drag, state)
    assert torch.equal(first.codes, again.codes)
    assert torch.equal(state.codes, before)
    assert not torch.equal(first.codes, before)
    assert (first.steps, state.steps) == (1, 0)
    assert torch.equal(first.seen_codes, before)
    assert not first.codes.requires_grad
    assert not first.feature.requires_grad


def test_adam_step_equals_torchs_adam():
    torch.manual_seed(0)
    weights = torch.zeros(5, requires_grad=True)
    torchs = torch.optim.Adam([weights], lr=0.02)
    ours, moments = torch.zeros(5), Moments(torch.zeros(5), torch.zeros(5))
    for _ in range(6):
        gradient = torch.randn(5)
        weights.grad = gradient.clone()
        torchs.step()
        moments, shift = adam_step(moments, gradient, 0.02)
        ours = ours + shift
        torch.testing.assert_close(ours, weights.detach())


def test_supervised_step_is_at_most_a_pixel_and_at_most_what_remains():
    feature, point = map_of(0, 0), pixels((30.0, 30.0))
    small = replace(SETTINGS, tolerance=0.01)
    far, farther, near = (
        float(motion_supervision(feature, point, pixels((30.0 + way, 30.0)), PLANE, small)) for way in (1.0, 9.0, 0.5)
    )
    assert far == pytest.approx(farther)
    assert near < far
