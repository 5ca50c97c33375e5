"""Steps that compute only what they read of the map find what steps with all of it find."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ganvas.drag import crop as nearby
from ganvas.drag.crop import samples_near
from ganvas.drag.sampling import Plane, sample_square, whole_offsets
from ganvas.drag.session import METHODS, Order, Session, ended, open_session, prepare, run
from ganvas.drag.state import CANCELED, NOT_FINITE, State, Task
from ganvas.generators.stylegan2.architecture import Kind
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.regions import Region
from tests.generators.small import small_stylegan2

HANDLES, TARGETS = ((0.3, 0.35), (0.05, 0.1)), ((0.4, 0.3), (0.1, 0.02))


@pytest.mark.parametrize("places", [((20.0, 31.5), (33.3, 30.0)), ((1.0, 64.0), (3.0, 70.0)), ((0.0, 0.0),)])
def test_nothing_beyond_the_window_is_read(places: tuple[tuple[float, float], ...]) -> None:
    points, plane, reach = torch.tensor(places, dtype=torch.float64), Plane(64), 5.0
    feature = torch.full((1, 2, 32, 32), torch.nan)
    window = samples_near(points, reach, plane, 32)
    feature[..., *window.slices] = 1.0
    for point in points:
        assert sample_square(feature, point, whole_offsets(reach), plane).isfinite().all()
    assert window.area < 0.5 * 32**2


def opened(kind: Kind = "skip", space: str = "w+") -> Session:
    generator = small_stylegan2(64, kind, width=12, channels=8)
    z = generator.sample([4])
    return open_session(generator, z if space == "z" else generator.map(z), space)


def last_states(order: Order, kind: Kind = "skip", space: str = "w+") -> list[State]:
    session = opened(kind, space)
    return list(run(*prepare(session.subject, session.codes, order), order))


@pytest.mark.parametrize("method", METHODS)
def test_drags_with_parts_equal_those_with_whole_maps(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order = Order(Task(HANDLES[:1], TARGETS[:1]), method, steps=40)
    parts, pad = [], F.pad
    monkeypatch.setattr(nearby.F, "pad", lambda x, around: parts.append(x.shape) or pad(x, around, value=1e3))
    near = last_states(order)
    monkeypatch.setattr(nearby, "WORTH", 0.0)
    whole = last_states(order)
    assert len(parts) > 10
    assert max(shape[-1] * shape[-2] for shape in parts) < 0.6 * 32**2
    assert [state.reason for state in near] == [state.reason for state in whole]
    assert (near[-1].codes - near[0].codes).abs().max() > 1e-3
    torch.testing.assert_close(near[-1].codes, whole[-1].codes, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(near[-1].feature, whole[-1].feature, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_whole_where_something_must_stay_or_points_lie_far_apart(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearby.F, "pad", lambda *_: pytest.fail("a part was computed"))
    last_states(Order(Task(HANDLES, TARGETS, Region.box(0, 0, 0.5, 0.5)), method, steps=2))
    last_states(Order(Task((*HANDLES, (0.95, 0.9)), (*TARGETS, (0.9, 0.95))), method, steps=2))


CORNER = Task(((0.01, 0.0), (0.02, 0.15), (0.1, 0.1)), ((0.2, 0.08), (0.02, 0.02), (0.1, 0.1)))  # the last is a pin
INSIDE = Task(((0.3, 0.3),), ((0.4, 0.3),))
FAR = {
    "draggan": (("reach", 16.0), ("radius", 6.0), ("step", 3.0)),
    "freedrag": (("distance", 16.0), ("inner_steps", 1), ("scale", 0.02)),
}


@pytest.mark.parametrize(("kind", "space"), [("skip", "w+"), ("resnet", "w"), ("orig", "z")])
@pytest.mark.parametrize("task", [CORNER, INSIDE], ids=["corner", "inside"])
@pytest.mark.parametrize("method", METHODS)
def test_no_step_depends_on_what_is_not_computed(
    method: str, task: Task, kind: Kind, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are so large that handles jump and anchors go back, off the image too. With nan in place of the rest of
    the map, which would be the nearest of all places, drags are the same to the last bit.
    """
    order = Order(task, method, 30, (*FAR[method], ("rate", 0.3)))
    monkeypatch.setattr(nearby, "WORTH", 1.0)
    monkeypatch.setattr(METHODS[method], "finite", lambda _: True)
    first, second, pad = list[State](), list[State](), F.pad
    for rest, states in ((0.0, first), (torch.nan, second)):
        monkeypatch.setattr(nearby.F, "pad", partial(pad, value=rest))
        states += last_states(order, kind, space)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.codes, other.codes)
        assert torch.equal(one.points, other.points)
    assert not torch.equal(first[0].feature, second[0].feature)
    assert torch.equal(first[-1].feature, second[-1].feature)
    if method == "freedrag":
        targets = 64 * torch.tensor(task.targets, dtype=torch.float64)
        far = [(targets - state.points).norm(dim=1) for state in first]
        assert any((after > before + 1e-6).any() for before, after in pairwise(far))


@pytest.mark.parametrize("method", METHODS)
def test_a_drag_that_ends_with_a_broken_map_keeps_all_of_the_last_one(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, order = opened(), Order(Task(HANDLES[:1], TARGETS[:1]), method)
    drag, state = prepare(session.subject, session.codes, order)
    for _ in range(2):
        state = METHODS[method].step(drag, state)
    whole = session.subject.feature_of(state.seen_codes)
    assert not torch.equal(state.feature, whole)
    features = StyleGAN2.features

    def breaking(generator: StyleGAN2, codes: torch.Tensor, *given: Any, **options: Any) -> dict[str, torch.Tensor]:
        sound = float(not torch.equal(codes, state.codes))
        return {name: value / sound for name, value in features(generator, codes, *given, **options).items()}

    monkeypatch.setattr(StyleGAN2, "features", breaking)
    last = ended(drag, state, method, CANCELED)
    assert last.reason == NOT_FINITE
    assert torch.equal(last.feature, whole)
