"""Steps that compute only what they read of the map find what steps with all of it find."""

import pytest
import torch
import torch.nn.functional as F

from ganvas.drag import nearby
from ganvas.drag.nearby import samples_near
from ganvas.drag.sampling import Plane, sample_square, whole_offsets
from ganvas.drag.session import METHODS, Order, Session, open_session, prepare, run
from ganvas.drag.state import State, Task
from ganvas.region import Region
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


def opened() -> Session:
    generator = small_stylegan2(64, width=12, channels=8)
    return open_session(generator, generator.map(generator.sample([4])))


def last_states(order: Order) -> list[State]:
    session = opened()
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
