"""Drags in a row, undo, the reasons for which they end, hostile orders, and every family."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import ganvas
from ganvas.drag.draggan import track as follow
from ganvas.drag.freedrag_state import FreeDrag
from ganvas.drag.sampling import disc, sample_point, sample_square, whole_offsets
from ganvas.drag.session import METHODS, Order, Session, drag_points, open_session, prepare, run
from ganvas.drag.state import CANCELED, NOT_FINITE, REACHED, STALLED, STEP_LIMIT, Drag, Task
from ganvas.drag.templates import discrepancies, patches
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.generators.stylegan2.architecture import StyleGAN2Architecture
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.metrics.tracking import track
from tests.drag.sliding import SlidingGenerator
from tests.generators.biggan_parts import small_biggan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3
from tests.generators.test_dcgan import small_dcgan

RIGHT = Task(((0.45, 0.5),), ((0.52, 0.5),))
FAST = (("rate", 0.03),)


def opened(generator: SlidingGenerator | None = None) -> Session:
    return open_session(generator or SlidingGenerator(), torch.zeros(1, 3))


@pytest.mark.parametrize("method", METHODS)
def test_drags_in_a_row_and_undo(method: str):
    order = Order(RIGHT, method, 200, FAST)
    once = opened().drag(order)
    twice = once.drag(Order(Task(((0.5, 0.5),), ((0.5, 0.44),)), method, 200, FAST))
    assert [done.reason for done in twice.done] == [REACHED, REACHED]
    assert not torch.equal(twice.codes, once.codes)
    assert torch.equal(twice.undo().codes, once.codes)
    assert torch.equal(twice.undo().undo().codes, torch.zeros(1, 3))
    with pytest.raises(GanvasError, match="no drag to undo"):
        opened().undo()


def test_the_image_of_a_session_is_that_of_its_codes_in_their_space():
    generator = small_stylegan2(16, label_dim=3)
    begun = open_session(generator, generator.sample([1]), "z", label=2, truncation=0.6)
    for session in (begun, begun.drag(Order(RIGHT, steps=2))):
        expected = generator.synthesize(session.codes, "z", label=2, truncation=0.6)
        torch.testing.assert_close(session.image(), expected)
    torch.testing.assert_close(session.image(session.start), begun.image())
    assert not torch.equal(session.image(), begun.image())


@pytest.mark.parametrize("method", METHODS)
def test_each_drag_is_as_if_it_were_the_first(method: str):
    """The optimizer's moments and the reference do not survive: the published tools keep the former."""
    order = Order(RIGHT, method, 200, FAST)
    once = opened().drag(order)
    fresh = open_session(SlidingGenerator(), once.codes)
    assert torch.equal(once.drag(order).codes, fresh.drag(order).codes)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_drag_gives_the_same_codes(method: str):
    order = Order(RIGHT, method, 12, FAST)
    assert torch.equal(opened().drag(order).codes, opened().drag(order).codes)


@pytest.mark.parametrize("method", METHODS)
def test_reasons(method: str):
    limited = opened().drag(Order(RIGHT, method, 3, (("rate", 1e-3),))).done[0]
    assert (limited.reason, limited.steps) == (STEP_LIMIT, 3)
    assert limited.after[0, 0] > 0
    unmoved = opened().drag(Order(RIGHT, method, 300, (("rate", 1e-9), ("patience", 7)))).done[0]
    assert unmoved.reason == STALLED
    assert unmoved.steps < 40
    asked = iter([False, False, True])
    stopped = opened().drag(Order(RIGHT, method, 50, FAST), lambda: next(asked)).done[0]
    assert (stopped.reason, stopped.steps) == (CANCELED, 2)
    still = Task(((0.5, 0.5),), ((0.5, 0.5),))
    equal = opened().drag(Order(still, method, 50)).done[0]
    assert (equal.reason, equal.steps) == (REACHED, 0)
    assert torch.equal(equal.after, torch.zeros(1, 3))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_seen_last_belongs_to_the_codes(method: str):
    """The published tools show the image before the last step; here map, points and codes are of one moment."""
    session = opened()
    for steps in (3, 200):
        order = Order(RIGHT, method, steps, FAST)
        *_, last = run(*prepare(session.subject, session.codes, order), order)
        assert torch.equal(last.seen_codes, last.codes)
        assert torch.equal(last.feature, session.subject.feature_of(last.codes))


@pytest.mark.parametrize("method", METHODS)
def test_broken_weights_are_told_before_the_first_step(method: str):
    with pytest.raises(GanvasError, match="not finite"):
        opened(SlidingGenerator(broken=True)).drag(Order(RIGHT, method))


@pytest.mark.parametrize("method", METHODS)
def test_what_becomes_infinite_ends_the_drag_where_it_was(method: str):
    class Breaking(SlidingGenerator):
        def features(self, codes, names, space="z", **options):
            maps = super().features(codes, names, space, **options)
            return {name: value / (codes[0, 0] < 0.15) for name, value in maps.items()}

    done = opened(Breaking()).drag(Order(RIGHT, method, 100, FAST)).done[0]
    assert done.reason == NOT_FINITE
    assert 0 < done.after[0, 0] < 0.15


@pytest.mark.parametrize("method", METHODS)
def test_targets_at_the_border_and_a_hundred_points(method: str):
    border = Task(((0.1, 0.5), (0.9, 1.0)), ((0.0, 0.5), (0.8, 1.0)))
    done = opened().drag(Order(border, method, 10, FAST)).done[0]
    assert (done.reason, done.steps) == (STEP_LIMIT, 10)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for step in done.path for x, y in step)
    places = [((i % 10 + 1) / 12, (i // 10 + 1) / 12) for i in range(100)]
    many = Task(tuple(places), tuple((x + 0.02, y) for x, y in places))
    done = opened().drag(Order(many, method, 2, FAST)).done[0]
    assert len(done.path[-1]) == 100
    assert done.after[0, 0] > 0


def test_the_mask_holds_what_is_outside():
    """With only one way to move, a heavier mask leaves less of it; one that excludes the handle is refused."""
    box = ganvas.Region.box(0.3, 0.3, 0.7, 0.7)

    def gone(weight: float) -> float:
        order = Order(replace(RIGHT, movable=box), "draggan", 25, (*FAST, ("mask_weight", weight)))
        return float(opened().drag(order).codes[0, 0])

    assert gone(0.0) > 3 * gone(20.0)
    with pytest.raises(RegionError, match="lies outside of what the mask lets move"):
        opened().drag(Order(replace(RIGHT, movable=ganvas.Region.box(0.7, 0.7, 0.9, 0.9))))
    faint = ganvas.Region.from_mask(torch.full((4, 4), 0.001))
    with pytest.raises(RegionError, match="lets nothing move"):
        opened().drag(Order(replace(RIGHT, movable=faint)))


def test_orders_are_checked():
    for wrong, told in (
        ({"method": "pull"}, "choose draggan or freedrag"),
        ({"steps": 0}, "at least 1"),
        ({"changes": (("scale", 1.0),)}, "draggan has no setting 'scale'"),
    ):
        with pytest.raises(GanvasError, match=told):
            Order(RIGHT, **wrong)
    with pytest.raises(LatentError, match="One image is dragged at a time; 2"):
        open_session(SlidingGenerator(), torch.zeros(2, 3))
    with pytest.raises(LatentError, match="have shape"):
        open_session(SlidingGenerator(), torch.zeros(1, 4))


def test_codes_of_z_are_told_from_those_of_w():
    """Both have one shape here; only z is still to be mapped, with its label and truncation."""
    generator = StyleGAN2(StyleGAN2Architecture(16, (5,) * 3, 6, 6, (6,) * 2, 3)).eval().requires_grad_(False)
    z = generator.sample([1])
    mapped = generator.map(z, to="w+", label=2, truncation=0.5)
    told = open_session(generator, z, label=2, truncation=0.5, code_space="z")
    assert torch.equal(told.codes, mapped)
    assert torch.equal(open_session(generator, z).codes, z[:, None].repeat(1, generator.layers, 1))
    assert torch.equal(open_session(generator, z, "z", label=2).codes, z)
    for given in ({"label": 2}, {"truncation": 0.5}, {"truncation": 0.5, "code_space": "w"}):
        with pytest.raises(LatentError, match='say code_space="z"'):
            open_session(generator, z, **given)
    with pytest.raises(LatentError, match="No way leads from w back to z"):
        open_session(generator, z, "z", label=2, code_space="w")


FAMILIES = {
    "stylegan2": (lambda: small_stylegan2(32), ("w+", "w", "z"), None),
    "stylegan2 with classes": (lambda: small_stylegan2(16, label_dim=3), ("w+", "z"), 2),
    "stylegan3": (small_stylegan3, ("w+", "w", "z"), None),
    "biggan": (small_biggan, ("z",), 3),
    "dcgan": (small_dcgan, ("z",), None),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("family", "space"), [(name, space) for name, (_, spaces, _) in FAMILIES.items() for space in spaces]
)
def test_every_family_in_every_space(family: str, space: str, method: str):
    """What lies ahead of the handle becomes more like it, in codes of the right shape; only trained rows change."""
    make, _, label = FAMILIES[family]
    generator = make()
    z = generator.sample([1])
    codes = z if space == "z" else generator.map(z, label=label, truncation=0.7)
    known = {"label": label, "truncation": 0.7} if space == "z" else {}
    session = open_session(generator, codes, space, **known)
    drag, state = prepare(session.subject, codes, Order(Task(((0.4, 0.4),), ((0.7, 0.6),)), method))
    first = METHODS[method].step(drag, state)
    left = [first.loss, *(ahead(drag, first, one) for one in (first.seen_codes, first.codes))]
    assert left[0] == pytest.approx(left[1], rel=1e-4)
    assert left[2] < left[1]
    state = METHODS[method].step(drag, first)
    assert state.codes.shape == codes.shape
    if space != "z":
        rows = range(round(generator.layers * 6 / 17), generator.layers)
        assert torch.equal(state.codes[:, rows], codes[:, rows])
    if space == "w":
        shift = (state.codes - codes)[0]
        torch.testing.assert_close(shift[0], shift[1])


def ahead(drag: Drag[Any], first: Any, codes: Tensor) -> float:
    """Return how unlike the map of `codes`, a step ahead of the handle, is what the first step asked for there."""
    feature = drag.subject.feature_of(codes)
    if isinstance(drag.settings, FreeDrag):
        found = patches(feature, first.points, drag.subject.plane, drag.settings.radius)
        return float(discrepancies(found, first.templates).sum())
    point, way = first.points[0], drag.fixed.targets[0] - first.points[0]
    offsets, inside = whole_offsets(drag.settings.radius), disc(drag.settings.radius)
    here, there = (
        sample_square(one, at, offsets, drag.subject.plane)
        for one, at in ((first.feature, point), (feature, point + drag.settings.step * way / way.norm()))
    )
    return float((here - there).abs()[:, inside].mean())


@pytest.mark.parametrize("margin", [0.0, 0.125])
@pytest.mark.parametrize("method", METHODS)
def test_the_image_shows_what_the_method_says(method: str, margin: float):
    """A tracker that knows no features finds the content at the target, and where the method does."""
    generator, handle, target = SlidingGenerator(64, margin), (0.45, 0.5), (0.53, 0.46)
    done = drag_points(generator, torch.zeros(1, 3), [(handle, target)], method=method, rate=0.02)
    assert done.reason == REACHED
    before, after = (generator.synthesize(codes, "z") for codes in (torch.zeros(1, 3), done.after))
    seen = track(before, after, torch.tensor([handle], dtype=torch.float64))
    assert bool(seen.found)
    place = (float(seen.places[0, 0]), float(seen.places[0, 1]))
    assert math.dist(place, target) * 64 < 1
    (told,) = done.places
    assert told is not None
    assert math.dist(place, told) * 64 < 0.6


def test_stylegan3s_content_lies_where_its_plane_says():
    """Its input can be moved by a known way: the map, with its margins, and the image move by just that."""
    generator = small_stylegan3(64)
    codes, way = generator.map(generator.sample([1])), torch.tensor([0.06, -0.04], dtype=torch.float64)
    still = open_session(generator, codes)
    moved = open_session(generator.transformed(translate=(0.06, -0.04)), codes)
    plane, (before, after) = still.subject.plane, (one.subject.feature_of(codes) for one in (still, moved))
    for point in torch.tensor([[30.0, 33.0], [20.0, 41.5]], dtype=torch.float64):
        found = follow(after, point, sample_point(before, point, plane), 8.0, plane)
        assert float((found - point - 64 * way).norm()) < 0.5


def test_points_of_the_published_kind_of_generator():
    """`faces`, from Python: an eye moves where it was asked to, by the generator's own image."""
    generator, handle, target = ganvas.load("faces"), (0.29, 0.295), (0.29, 0.265)
    codes = generator.map(generator.sample([4]), truncation=0.7)
    done = ganvas.drag_points(generator, codes, [(handle, target)], steps=60)
    assert done.reason == REACHED
    with torch.no_grad():
        before, after = (generator.synthesize(one, "w+") for one in (codes, done.after))
    seen = track(before, after, torch.tensor([handle], dtype=torch.float64))
    assert bool(seen.found)
    assert float((seen.places[0] - torch.tensor(target)).norm()) < 0.4 * math.dist(handle, target)
