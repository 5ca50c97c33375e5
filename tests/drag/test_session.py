"""Drags in a row, undo, the reasons for which they end, hostile orders, and every family."""

import math
from dataclasses import replace

import pytest
import torch

import ganvas
from ganvas.drag.session import Order, Session, drag_points, open_session, prepare, run, settled
from ganvas.drag.state import CANCELLED, NOT_FINITE, REACHED, STALLED, STEP_LIMIT, Task
from ganvas.errors import GanvasError, LatentError, RegionError
from tests.drag.sliding import SlidingGenerator
from tests.generators.biggan_parts import small_biggan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3
from tests.generators.test_dcgan import small_dcgan

METHODS = ("draggan", "freedrag")
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


@pytest.mark.parametrize("method", METHODS)
def test_each_drag_is_as_if_it_were_the_first(method: str):
    """The optimiser's moments and the reference do not survive: the published tools keep the former."""
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
    assert (stopped.reason, stopped.steps) == (CANCELLED, 2)
    still = Task(((0.5, 0.5),), ((0.5, 0.5),))
    equal = opened().drag(Order(still, method, 50)).done[0]
    assert (equal.reason, equal.steps) == (REACHED, 0)
    assert torch.equal(equal.after, torch.zeros(1, 3))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_seen_last_belongs_to_the_codes(method: str):
    """The published tools show the picture before the last step; here map, points and codes are of one moment."""
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
    assert done.reason
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
    with pytest.raises(LatentError, match="One picture is dragged at a time; 2"):
        open_session(SlidingGenerator(), torch.zeros(2, 3))
    with pytest.raises(LatentError, match="have shape"):
        open_session(SlidingGenerator(), torch.zeros(1, 4))


def test_settled_masks_come_back_exactly():
    region = settled(ganvas.Region.from_mask(torch.rand(7, 7)), 16)
    assert region is not None
    assert torch.equal(settled(region, 16).mask(16, 16), region.mask(16, 16))
    box = ganvas.Region.box(0.1, 0.1, 0.2, 0.2)
    assert settled(box, 16) is box
    assert settled(None, 16) is None


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
    """The loss falls where a point is pulled, in codes of the right shape; only the trained rows change."""
    make, _, label = FAMILIES[family]
    generator = make()
    z = generator.sample([1])
    codes = z if space == "z" else generator.map(z, label=label, truncation=0.7)
    known = {"label": label, "truncation": 0.7} if space == "z" else {}
    done = drag_points(generator, codes, [((0.4, 0.4), (0.7, 0.6))], method=method, space=space, steps=4, **known)
    assert done.after.shape == codes.shape
    assert (done.after != codes).any()
    assert done.after.isfinite().all()
    if space != "z":
        rows = range(round(generator.layers * 6 / 17), generator.layers)
        assert torch.equal(done.after[:, rows], codes[:, rows])
    if space == "w":
        shift = (done.after - codes)[0]
        torch.testing.assert_close(shift[0], shift[1])


def test_points_of_the_published_kind_of_generator():
    """`faces`, from Python: an eye moves where it was asked to, by the generator's own picture."""
    generator = ganvas.load("faces")
    codes = generator.map(generator.sample([4]), truncation=0.7)
    done = ganvas.drag_points(generator, codes, [((0.29, 0.295), (0.29, 0.275))], steps=60)
    assert done.reason == REACHED
    (x, y) = done.path[-1][0]
    assert math.dist((x, y), (0.29, 0.275)) * generator.resolution <= max(0.5, generator.resolution / 256)
