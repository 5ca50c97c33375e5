"""Drags in a row, undo, the reasons for which they end, hostile orders, and every family."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import ganvas
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.draggan import track as follow
from ganvas.drag.freedrag import FreeDragSettings
from ganvas.drag.methods import METHODS, module_of, settings_of
from ganvas.drag.patches import discrepancies, patches_at
from ganvas.drag.request import DragRequest, PointPair
from ganvas.drag.run import prepare
from ganvas.drag.sampling import disc, sample_point, sample_square, whole_offsets
from ganvas.drag.session import drag_points, open_drag
from ganvas.drag.settings import DragSettings
from ganvas.drag.state import CANCELED, NOT_FINITE, REACHED, STALLED, STEP_LIMIT, Drag
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.generators.stylegan2.architecture import StyleGAN2Architecture
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.latents.latent import Latent
from ganvas.metrics.tracking import track
from tests.drag.sliding import SlidingGenerator, sliding_session
from tests.generators.biggan_parts import small_biggan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3
from tests.generators.test_dcgan import small_dcgan

RIGHT: PointPair = ((0.45, 0.5), (0.52, 0.5))
SETTINGS = (DragGANSettings(rate=0.03), FreeDragSettings(rate=0.03), FreeDragSettings(rate=0.03, recovery=False))
every_method = pytest.mark.parametrize("method", SETTINGS, ids=["draggan", "freedrag", "freedrag without recovery"])


@pytest.mark.slow
@every_method
def test_drags_in_a_row_are_undone_one_by_one(method: DragSettings):
    once = sliding_session().drag([RIGHT], method)
    twice = once.drag([((0.5, 0.5), (0.5, 0.44))], method)
    assert [one.reason for one in twice.drags] == [REACHED, REACHED]
    assert not torch.equal(twice.codes, once.codes)
    assert torch.equal(twice.undo().codes, once.codes)
    assert torch.equal(twice.undo().undo().codes, torch.zeros(1, 3))
    with pytest.raises(GanvasError, match="no drag to undo"):
        sliding_session().undo()


def test_image_of_a_session_is_that_of_its_latent():
    generator = small_stylegan2(16, label_dim=3)
    latent = Latent(generator.sample([1]), "z", seeds=(1,), label=2, truncation=0.6)
    begun = open_drag(generator, latent, space="z")
    dragged = begun.drag([RIGHT], steps=2)
    for session in (begun, dragged):
        expected = generator.synthesize(session.codes, "z", label=2, truncation=0.6)
        torch.testing.assert_close(session.image(), expected)
        torch.testing.assert_close(next(session.latent.images(generator)), expected)
    torch.testing.assert_close(dragged.image(dragged.start.codes), begun.image())
    assert not torch.equal(dragged.image(), begun.image())
    assert (dragged.latent.space, dragged.latent.label, dragged.latent.names) == ("z", 2, ("seed 1, dragged",))


@pytest.mark.slow
@every_method
def test_each_drag_is_as_if_it_were_the_first(method: DragSettings):
    """The optimizer's moments and the reference do not survive: the published tools keep the former."""
    once = sliding_session().drag([RIGHT], method, steps=200)
    fresh = open_drag(SlidingGenerator(), once.latent)
    assert torch.equal(once.drag([RIGHT], method, steps=200).codes, fresh.drag([RIGHT], method, steps=200).codes)


@every_method
def test_same_drag_gives_the_same_codes(method: DragSettings):
    first, second = (sliding_session().drag([RIGHT], method, steps=12).codes for _ in range(2))
    assert torch.equal(first, second)


@every_method
def test_drag_ends_at_its_limit_when_stalled_when_canceled_and_when_there_already(method: DragSettings):
    limited = sliding_session().drag([RIGHT], replace(method, rate=1e-3), steps=3).drags[0]
    assert (limited.reason, limited.steps) == (STEP_LIMIT, 3)
    assert limited.codes[0, 0] > 0
    unmoved = sliding_session().drag([RIGHT], replace(method, rate=1e-9, patience=7)).drags[0]
    assert unmoved.reason == STALLED
    assert unmoved.steps < 40
    answers = iter([False, False, True])
    stopped = sliding_session().drag([RIGHT], method, steps=50, canceled=lambda: next(answers)).drags[0]
    assert (stopped.reason, stopped.steps) == (CANCELED, 2)
    there = sliding_session().drag([((0.5, 0.5), (0.5, 0.5))], method, steps=50).drags[0]
    assert (there.reason, there.steps) == (REACHED, 0)
    assert torch.equal(there.codes, torch.zeros(1, 3))


@every_method
def test_last_state_has_the_map_and_the_handles_of_its_codes(method: DragSettings):
    """The published tools show the image before the last step; here map, handles and codes are of one moment."""
    for steps in (3, 200):
        session = sliding_session()
        run = session.begin(DragRequest((RIGHT,), method, None, steps))
        *_, last = run
        assert torch.equal(last.seen_codes, last.codes)
        assert torch.equal(last.feature, session.context.feature_map(last.codes))


@every_method
def test_states_of_a_run_are_the_path_of_its_finished_drag(method: DragSettings):
    """One loop for everybody: the session's drag is the run's states, collected."""
    session = sliding_session()
    run = session.begin(DragRequest((RIGHT,), method, None, 9))
    handles = [tuple((state.handles[0] / 64).tolist()) for state in run]
    finished = run.finish()
    assert [step[0] for step in finished.path] == handles
    assert session.drag([RIGHT], method, steps=9).drags[0].path == finished.path
    stopped = session.begin(DragRequest((RIGHT,), method, None, 9))
    next(iter(stopped))
    assert (stopped.finish().reason, stopped.finish().steps) == (CANCELED, 1)


@every_method
def test_broken_weights_are_refused_before_the_first_step(method: DragSettings):
    with pytest.raises(GanvasError, match="not finite"):
        sliding_session(SlidingGenerator(broken=True)).drag([RIGHT], replace(method, rate=None))


@every_method
def test_codes_that_become_infinite_end_the_drag_where_it_was(method: DragSettings):
    class Breaking(SlidingGenerator):
        def features(self, codes, names, space="z", **options):
            maps = super().features(codes, names, space, **options)
            return {name: value / (codes[0, 0] < 0.15) for name, value in maps.items()}

    broken = sliding_session(Breaking()).drag([RIGHT], method, steps=100).drags[0]
    assert broken.reason == NOT_FINITE
    assert 0 < broken.codes[0, 0] < 0.15


@pytest.mark.slow
@every_method
def test_targets_at_the_border_and_a_hundred_pairs_are_dragged(method: DragSettings):
    border = [((0.1, 0.5), (0.0, 0.5)), ((0.9, 1.0), (0.8, 1.0))]
    finished = sliding_session().drag(border, method, steps=10).drags[0]
    assert (finished.reason, finished.steps) == (STEP_LIMIT, 10)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for step in finished.path for x, y in step)
    handles = [((i % 10 + 1) / 12, (i // 10 + 1) / 12) for i in range(100)]
    many = [((x, y), (x + 0.02, y)) for x, y in handles]
    finished = sliding_session().drag(many, method, steps=2).drags[0]
    assert len(finished.path[-1]) == 100
    assert finished.codes[0, 0] > 0


def test_mask_holds_the_rest_and_excluded_handles_are_refused():
    """With only one way to move, a heavier mask leaves less of it."""
    box = ganvas.Region.box(0.3, 0.3, 0.7, 0.7)

    def shift(weight: float) -> float:
        settings = DragGANSettings(rate=0.03, mask_weight=weight)
        return float(sliding_session().drag([RIGHT], settings, box, 25).codes[0, 0])

    assert shift(0.0) > 3 * shift(20.0)
    with pytest.raises(RegionError, match="lies outside of what the mask lets move"):
        sliding_session().drag([RIGHT], movable=ganvas.Region.box(0.7, 0.7, 0.9, 0.9))
    tiny = torch.zeros(1024, 1024)
    tiny[0, 0] = 1.0
    faint = ganvas.Region.from_mask(tiny)  # less than half a level of 8 bits at the size of the map
    with pytest.raises(RegionError, match="lets nothing move"):
        sliding_session().drag([RIGHT], movable=faint)


def test_drag_refuses_zero_steps_several_images_wrong_shapes_and_bare_tensors():
    with pytest.raises(GanvasError, match="steps 0 is not possible"):
        sliding_session().drag([RIGHT], steps=0)
    with pytest.raises(LatentError, match="One image is dragged at a time; 2"):
        open_drag(SlidingGenerator(), Latent(torch.zeros(2, 3), "z"))
    with pytest.raises(LatentError, match="do not lie in space z"):
        open_drag(SlidingGenerator(), Latent(torch.zeros(1, 4), "z"))
    for call in (
        lambda codes: open_drag(SlidingGenerator(), codes),
        lambda codes: drag_points(SlidingGenerator(), codes, [RIGHT]),
    ):
        with pytest.raises(LatentError, match="begins with a Latent, which knows its space; Tensor was given"):
            call(torch.zeros(1, 3))


def test_latents_of_z_w_and_w_plus_begin_at_their_own_codes():
    """All have one shape here but w+; only z is still to be mapped, with its label and truncation."""
    generator = StyleGAN2(StyleGAN2Architecture(16, (5,) * 3, 6, 6, (6,) * 2, 3)).eval().requires_grad_(False)
    z = generator.sample([1])
    latent = Latent(z, "z", label=2, truncation=0.5)
    mapped = generator.map(z, to="w+", label=2, truncation=0.5)
    assert torch.equal(open_drag(generator, latent).codes, mapped)
    assert torch.equal(open_drag(generator, latent, space="z").codes, z)
    for space in ("w+", "w"):
        assert torch.equal(open_drag(generator, Latent(z, "w"), space=space).codes, z[:, None].repeat(1, 6, 1))
        assert torch.equal(open_drag(generator, Latent(mapped, "w+"), space=space).codes, mapped)
    for other in (Latent(z, "w"), Latent(mapped, "w+")):
        with pytest.raises(LatentError, match=f"space {re.escape(other.space)} do not lead to space z"):
            open_drag(generator, other, space="z")
    with pytest.raises(LatentError):
        open_drag(generator, Latent(z, "s"))


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
def test_a_step_lowers_the_loss_in_every_family_and_space(family: str, space: str, method: str):
    """The map ahead of the handle becomes more like it, in codes of the right shape; only optimized layers change."""
    make, _, label = FAMILIES[family]
    generator = make()
    latent = Latent(generator.sample([1]), "z", label=label, truncation=0.7)
    session = open_drag(generator, latent, space=space)
    codes, settings = session.codes, settings_of(method)
    drag, state = prepare(session.context, codes, DragRequest((((0.4, 0.4), (0.7, 0.6)),), settings))
    step = module_of(settings).step
    first = step(drag, state)
    left = [first.loss, *(ahead(drag, first, one) for one in (first.seen_codes, first.codes))]
    assert left[0] == pytest.approx(left[1], rel=1e-4)
    assert left[2] < left[1]
    state = step(drag, first)
    assert state.codes.shape == codes.shape
    if space != "z":
        layers = range(round(generator.layers * 6 / 17), generator.layers)
        assert torch.equal(state.codes[:, layers], codes[:, layers])
    if space == "w":
        shift = (state.codes - codes)[0]
        torch.testing.assert_close(shift[0], shift[1])


def ahead(drag: Drag[Any], first: Any, codes: Tensor) -> float:
    """Return how unlike the map of `codes`, a step ahead of the handle, is what the first step asked for there."""
    feature, plane = drag.context.feature_map(codes), drag.context.plane
    if isinstance(drag.settings, FreeDragSettings):
        found = patches_at(feature, first.handles, plane, drag.settings.radius)
        return float(discrepancies(found, first.templates).sum())
    handle, way = first.handles[0], drag.reference.targets[0] - first.handles[0]
    offsets, inside = whole_offsets(drag.settings.radius), disc(drag.settings.radius)
    here, there = (
        sample_square(one, at, offsets, plane)
        for one, at in ((first.feature, handle), (feature, handle + drag.settings.step * way / way.norm()))
    )
    return float((here - there).abs()[:, inside].mean())


@pytest.mark.slow
@pytest.mark.parametrize("margin", [0.0, 0.125])
@pytest.mark.parametrize("method", METHODS)
def test_an_independent_tracker_finds_the_content_where_the_method_does(method: str, margin: float):
    """A tracker that knows no features finds the content at the target, and where the method does."""
    generator, handle, target = SlidingGenerator(64, margin), (0.45, 0.5), (0.53, 0.46)
    finished = sliding_session(generator).drag([(handle, target)], settings_of(method, rate=0.02)).drags[0]
    assert finished.reason == REACHED
    before, after = (generator.synthesize(codes, "z") for codes in (torch.zeros(1, 3), finished.codes))
    seen = track(before, after, torch.tensor([handle], dtype=torch.float64))
    assert bool(seen.found)
    position = (float(seen.places[0, 0]), float(seen.places[0, 1]))
    assert math.dist(position, target) * 64 < 1
    (found,) = finished.final_handles
    assert found is not None
    assert math.dist(position, found) * 64 < 0.6


def test_stylegan3s_content_lies_where_its_plane_says():
    """Its input can be moved by a known way: the map, with its margins, and the image move by just that."""
    generator = small_stylegan3(64)
    latent, way = Latent(generator.sample([1]), "z"), torch.tensor([0.06, -0.04], dtype=torch.float64)
    still = open_drag(generator, latent)
    moved = open_drag(generator.transformed(translate=(0.06, -0.04)), latent)
    plane, (before, after) = still.context.plane, (one.context.feature_map(still.codes) for one in (still, moved))
    for handle in torch.tensor([[30.0, 33.0], [20.0, 41.5]], dtype=torch.float64):
        found = follow(after, handle, sample_point(before, handle, plane), 8.0, plane)
        assert float((found - handle - 64 * way).norm()) < 0.5


@pytest.mark.slow
def test_an_eye_of_the_bundled_faces_moves_to_its_target():
    """`faces`, from Python: an eye moves where it was asked to, by the generator's own image."""
    generator, handle, target = ganvas.load("faces"), (0.29, 0.295), (0.29, 0.265)
    latent = ganvas.sample(generator, [4], truncation=0.7)
    session = ganvas.drag_points(generator, latent, [(handle, target)], steps=60)
    assert session.drags[-1].reason == REACHED
    before, after = (next(one.images(generator)) for one in (latent, session.latent))
    seen = track(before, after, torch.tensor([handle], dtype=torch.float64))
    assert bool(seen.found)
    assert float((seen.places[0] - torch.tensor(target)).norm()) < 0.4 * math.dist(handle, target)
