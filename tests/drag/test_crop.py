"""Steps that compute only a crop of the map find what steps with all of it find."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ganvas.drag import crop
from ganvas.drag.crop import samples_near
from ganvas.drag.methods import METHODS, module_of, settings_of
from ganvas.drag.request import DragRequest, PointPair
from ganvas.drag.run import ended, prepare
from ganvas.drag.sampling import Plane, sample_square, whole_offsets
from ganvas.drag.session import DragSession, open_drag
from ganvas.drag.settings import DragSettings
from ganvas.drag.state import CANCELED, NOT_FINITE, DragState
from ganvas.generators.stylegan2.architecture import Kind
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from tests.generators.small import small_stylegan2

PAIRS: tuple[PointPair, ...] = (((0.3, 0.35), (0.4, 0.3)), ((0.05, 0.1), (0.1, 0.02)))


@pytest.mark.parametrize("places", [((20.0, 31.5), (33.3, 30.0)), ((1.0, 64.0), (3.0, 70.0)), ((0.0, 0.0),)])
def test_samples_beyond_the_crop_are_not_read(places: tuple[tuple[float, float], ...]) -> None:
    points, plane, reach = torch.tensor(places, dtype=torch.float64), Plane(64), 5.0
    feature = torch.full((1, 2, 32, 32), torch.nan)
    window = samples_near(points, reach, plane, 32)
    feature[..., *window.slices] = 1.0
    for point in points:
        assert sample_square(feature, point, whole_offsets(reach), plane).isfinite().all()
    assert window.area < 0.5 * 32**2


def opened(kind: Kind = "skip", space: str = "w+") -> DragSession:
    generator = small_stylegan2(64, kind, width=12, channels=8)
    return open_drag(generator, Latent(generator.sample([4]), "z"), space=space)


def states(request: DragRequest, kind: Kind = "skip", space: str = "w+") -> list[DragState]:
    return list(opened(kind, space).begin(request))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_drags_with_crops_equal_those_with_whole_maps(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = DragRequest(PAIRS[:1], settings_of(method), steps=40)
    parts, pad = [], F.pad
    monkeypatch.setattr(crop.F, "pad", lambda x, around: parts.append(x.shape) or pad(x, around, value=1e3))
    near = states(request)
    monkeypatch.setattr(crop, "MAX_SHARE", 0.0)
    whole = states(request)
    assert len(parts) > 10
    assert max(shape[-1] * shape[-2] for shape in parts) < 0.6 * 32**2
    assert [state.reason for state in near] == [state.reason for state in whole]
    assert (near[-1].codes - near[0].codes).abs().max() > 1e-3
    torch.testing.assert_close(near[-1].codes, whole[-1].codes, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(near[-1].feature, whole[-1].feature, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_whole_with_a_mask_or_handles_far_apart(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crop.F, "pad", lambda *_: pytest.fail("a crop was computed"))
    states(DragRequest(PAIRS, settings_of(method), Region.box(0, 0, 0.5, 0.5), steps=2))
    states(DragRequest((*PAIRS, ((0.95, 0.9), (0.9, 0.95))), settings_of(method), steps=2))


CORNER = (((0.01, 0.0), (0.2, 0.08)), ((0.02, 0.15), (0.02, 0.02)), ((0.1, 0.1), (0.1, 0.1)))  # the last is a pin
INSIDE = (((0.3, 0.3), (0.4, 0.3)),)
FAR = {"distance": 16.0, "inner_steps": 1, "scale": 0.02, "rate": 0.3}
LARGE_STEPS = {
    "draggan": settings_of("draggan", reach=16.0, radius=6.0, step=3.0, rate=0.3),
    "freedrag": settings_of("freedrag", **FAR),
    "freedrag without recovery": settings_of("freedrag", recovery=False, **FAR),
    "freedrag, official": settings_of("freedrag", compat="official", **FAR),
}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "space"), [("skip", "w+"), ("resnet", "w"), ("orig", "z")])
@pytest.mark.parametrize("points", [CORNER, INSIDE], ids=["corner", "inside"])
@pytest.mark.parametrize("method", LARGE_STEPS.values(), ids=LARGE_STEPS)
def test_no_step_reads_what_the_crop_leaves_out(
    method: DragSettings, points: tuple[PointPair, ...], kind: Kind, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are so large that handles jump and anchors go back, off the image too. With nan in place of the rest of
    the map, which would be the best match of all, drags are the same to the last bit.
    """
    request = DragRequest(points, method, steps=30)
    monkeypatch.setattr(crop, "MAX_SHARE", 1.0)
    monkeypatch.setattr(module_of(method), "is_finite", lambda _: True)
    first, second, pad = list[DragState](), list[DragState](), F.pad
    for rest, found in ((0.0, first), (torch.nan, second)):
        monkeypatch.setattr(crop.F, "pad", partial(pad, value=rest))
        found += states(request, kind, space)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.codes, other.codes)
        assert torch.equal(one.handles, other.handles)
    assert not torch.equal(first[0].feature, second[0].feature)
    assert torch.equal(first[-1].feature, second[-1].feature)
    if method == LARGE_STEPS["freedrag"]:
        targets = 64 * torch.tensor(request.targets, dtype=torch.float64)
        far = [(targets - state.handles).norm(dim=1) for state in first]
        assert any((after > before + 1e-6).any() for before, after in pairwise(far))


@pytest.mark.parametrize("method", METHODS)
def test_a_drag_that_ends_with_a_broken_map_keeps_all_of_the_last_one(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, settings = opened(), settings_of(method)
    drag, state = prepare(session.context, session.codes, DragRequest(PAIRS[:1], settings))
    for _ in range(2):
        state = module_of(settings).step(drag, state)
    whole = session.context.feature_map(state.seen_codes)
    assert not torch.equal(state.feature, whole)
    features = StyleGAN2.features

    def breaking(generator: StyleGAN2, codes: torch.Tensor, *given: Any, **options: Any) -> dict[str, torch.Tensor]:
        sound = float(not torch.equal(codes, state.codes))
        return {name: value / sound for name, value in features(generator, codes, *given, **options).items()}

    monkeypatch.setattr(StyleGAN2, "features", breaking)
    last = ended(drag, state, CANCELED)
    assert last.reason == NOT_FINITE
    assert torch.equal(last.feature, whole)
