"""FreeDrag as in its paper: the table of its template weight, its three ways on, its line search, and the published
code's variant.
"""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.drag import defaults, freedrag, patches
from ganvas.drag.defaults import default_scale
from ganvas.drag.freedrag import FreeDragSettings, line_search, next_anchor, template_weight, updated_templates
from ganvas.drag.methods import module_of
from ganvas.drag.patches import discrepancies, discrepancy_map, patches_at
from ganvas.drag.request import DragRequest, PointPair
from ganvas.drag.run import prepare
from ganvas.drag.sampling import Plane
from ganvas.drag.state import REACHED, STEP_LIMIT
from ganvas.errors import GanvasError
from tests.drag.sliding import sliding_session

PLANE = Plane(64)
SCALE = 0.3
SETTINGS = FreeDragSettings(rate=0.01, mask_weight=10.0, tolerance=0.5, radius=2.0, distance=4.0, scale=SCALE)
PAIR: PointPair = ((0.45, 0.5), (0.55, 0.44))
WAY = torch.tensor([0.10, -0.06])
both_variants = pytest.mark.parametrize(
    "settings", [FreeDragSettings(), FreeDragSettings(recovery=False)], ids=["with recovery", "as published"]
)


def at(x: float, y: float) -> Tensor:
    return torch.tensor([x, y], dtype=torch.float64)


def ramp() -> Tensor:
    """Return a map whose discrepancy from a place is the distance along x times 0.1."""
    x = (torch.arange(32) + 0.5) * 2 * 0.1
    return x.expand(1, 2, 32, 32).contiguous()


@pytest.mark.parametrize(
    ("left", "weight"), [(0.0, 0.675), (0.1, 0.59), (0.2, 0.50), (0.4, 0.33), (0.5, 0.25), (0.8, 0.10), (1.0, 0.05)]
)
@pytest.mark.parametrize("scale", [0.3, 0.01])
def test_template_weight_is_the_papers(left: float, weight: float, scale: float):
    assert float(template_weight(torch.tensor([left * scale]), torch.tensor([scale]))) == pytest.approx(
        weight, abs=0.006
    )


def test_templates_are_updated_by_their_weight_and_finished_ones_replaced():
    old, new = torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    left, finished = torch.tensor([0.2, 0.8]) * SCALE, torch.tensor([False, True])
    mixed = updated_templates(old, new, left, finished, torch.full((2,), SCALE))
    assert mixed[0, 0, 0, 0] == pytest.approx(0.5)
    assert (mixed[1] == 1).all()


@pytest.mark.parametrize("method", [FreeDragSettings(), FreeDragSettings(recovery=False)])
def test_first_loss_is_that_of_the_papers_formula(method: FreeDragSettings):
    """``sum_i ||F_r(h_i) - T_i||_1 + gamma ||(F - F0) (1 - M)||_1`` by hand, on the enlarged map."""
    session = sliding_session()
    drag, state = prepare(session.context, session.codes, DragRequest((((0.3, 0.3), (0.5, 0.4)),), method))
    first = module_of(method).step(drag, state)
    whole = F.interpolate(state.feature, size=(64, 64), mode="bilinear", align_corners=False)

    def patch(x: float, y: float) -> Tensor:
        grid = torch.tensor([[(x + right, y + down) for right in (-2, 0, 2)] for down in (-2, 0, 2)]) / 32 - 1
        return F.grid_sample(whole, grid[None].float(), padding_mode="border", align_corners=False)[0]

    expected = (patch(*first.handles[0].tolist()) - patch(0.3 * 64, 0.3 * 64)).abs().mean()
    assert first.loss == pytest.approx(float(expected), rel=1e-3)


def next_x(entered: float, left: float, x: float = 20.0, target: float = 40.0, goal: float = SCALE) -> float:
    """Return where the next anchor lies, from one at `x` whose template is the patch at x = 20."""
    feature = ramp()
    template = patches_at(feature, at(20.0, 30.0)[None], PLANE, 2.0)[0]
    found = next_anchor(
        feature, at(x, 30.0), at(16.0, 30.0), at(target, 30.0), template, entered, left, goal, PLANE, SETTINGS
    )
    assert found[1] == 30
    return float(found[0])


def test_advance_goes_to_where_the_discrepancy_is_about_l():
    assert next_x(entered=1.0, left=0.5 * SCALE) == pytest.approx(20 + SCALE / 0.1, abs=0.21)


def test_advance_is_at_most_d_and_not_beyond_the_target():
    assert next_x(entered=1.0, left=0.0, x=10.0) == pytest.approx(14.0)
    assert next_x(entered=1.0, left=0.0, target=21.0) == pytest.approx(21.0)
    assert next_x(entered=1.0, left=0.0, target=20.0) == pytest.approx(20.0)


def test_anchor_stays_where_the_discrepancy_fell_but_not_below_half():
    assert next_x(entered=0.9 * SCALE, left=0.8 * SCALE) == 20.0


def test_anchor_with_a_smaller_goal_has_to_halve_that_goal():
    assert next_x(entered=0.4 * SCALE, left=0.3 * SCALE, goal=0.4 * SCALE) == 20.0
    assert next_x(entered=0.4 * SCALE, left=0.2 * SCALE, goal=0.4 * SCALE) > 20.0


def test_backtracking_finds_the_best_match_on_both_sides():
    """The template's own position lies behind an anchor that went too far, and ahead of one that lags."""
    assert next_x(entered=0.7 * SCALE, left=0.8 * SCALE, x=23.0) == pytest.approx(20.0, abs=0.81)
    assert next_x(entered=0.7 * SCALE, left=0.8 * SCALE, x=18.0) == pytest.approx(20.0, abs=0.81)
    assert next_x(entered=0.7 * SCALE, left=0.8 * SCALE, x=40.0) < 40


def test_official_backtracking_goes_no_farther_back_than_what_remains():
    """The published code goes back by min(d, what remains): an anchor a pixel from its target looks a pixel behind."""
    feature, settings = ramp(), replace(SETTINGS, compat="official")
    template = patches_at(feature, at(20.0, 30.0)[None], PLANE, 2.0)[0]
    line = (at(24.0, 30.0), at(16.0, 30.0), at(25.0, 30.0))
    ours, official = (
        next_anchor(feature, *line, template, 0.1, 0.4, SCALE, PLANE, one)[0] for one in (SETTINGS, settings)
    )
    assert float(ours) < 21
    assert 23 < float(official) < 23.5


def test_line_search_compares_ten_positions():
    feature = ramp()
    template = patches_at(feature, at(20.0, 30.0)[None], PLANE, 2.0)[0]
    found = line_search(feature, at(20.0, 30.0), at(40.0, 30.0), template, 5.0, 0.2, PLANE, 2.0)
    torch.testing.assert_close(found, at(22.0, 30.0))


def test_patches_are_nine_samples_a_radius_apart():
    values = patches_at(ramp(), at(30.0, 30.0)[None], PLANE, 2.0)[0]
    assert values.shape == (2, 3, 3)
    torch.testing.assert_close(values[0, 1], torch.tensor([2.8, 3.0, 3.2]))
    assert float(discrepancies(values[None], values[None])) == 0


def test_default_scale_is_what_an_advance_changes_and_follows_the_features():
    feature = ramp()
    one = default_scale(feature, PLANE, 1.0)
    assert default_scale(feature, PLANE, 2.0) == pytest.approx(2 * one, rel=0.05)
    assert default_scale(7 * feature, PLANE, 1.0) == pytest.approx(7 * one)
    # Half of 0.1 a pixel, for the map changes along x only, but for the last column, which repeats itself.
    assert one == pytest.approx(defaults.SCALE_IN_DIFFERENCES * 0.05, rel=0.05)


def test_default_scale_follows_a_distance_that_was_given():
    session = sliding_session()
    default, longer, both = (
        prepare(session.context, session.codes, DragRequest((PAIR,), settings))[0].settings
        for settings in (FreeDragSettings(), FreeDragSettings(distance=3.0), FreeDragSettings(distance=3.0, scale=0.7))
    )
    assert (longer.distance, both.distance) == (3.0, 3.0)
    assert longer.scale > 1.5 * default.scale
    assert both.scale == 0.7


def test_official_settings_are_those_of_the_published_code():
    session, pair = sliding_session(), DragRequest((PAIR,), FreeDragSettings(compat="official"))
    settings = prepare(session.context, session.codes, pair)[0].settings
    assert (settings.scale, settings.rate, settings.mask_weight) == (0.3, 0.002, 10.0)
    assert (settings.radius, settings.tolerance, settings.distance) == (3.0, 1.0, 12.0 * 64 / 512)
    assert not settings.recovers
    with pytest.raises(GanvasError, match="compat 'paper' is not known"):
        FreeDragSettings(compat="paper")


@pytest.mark.slow
def test_published_method_moves_no_content_that_its_templates_absorbed():
    """As published, the drag ends as soon as the anchors match; with recovery the content is brought after them."""

    def share(recovery: bool) -> float:
        session = sliding_session().drag([PAIR], FreeDragSettings(rate=0.005, recovery=recovery))
        assert session.drags[0].reason == REACHED
        return float(session.codes[0, :2] / 10 @ WAY / WAY.square().sum())

    assert share(True) > 0.85
    assert share(False) < share(True) - 0.05


def test_official_decisions_use_the_map_before_the_last_step_of_a_sub_motion():
    """After five steps the anchor advances by what the fifth began with; its sub-motion begins on the new map."""
    session = sliding_session()
    settings = FreeDragSettings(compat="official", rate=0.05, scale=0.05)
    drag, state = prepare(session.context, session.codes, DragRequest((PAIR,), settings))
    while not (state.taken == 5 and state.steps):
        state = freedrag.step(drag, state)
    plane, radius = session.context.plane, drag.settings.radius
    stale, fresh = state.feature, session.context.feature_map(state.codes)
    after = freedrag.proceed(drag, state, fresh)
    assert after.taken == 0
    found = patches_at(stale, state.handles, plane, radius)
    left = discrepancies(found, state.templates)
    none = torch.tensor([False])
    expected = updated_templates(state.templates, found, left, none, drag.settings.scale)
    torch.testing.assert_close(after.templates, expected)
    begun = discrepancies(patches_at(fresh, after.handles, plane, radius), after.templates)
    torch.testing.assert_close(after.entered, begun)


@both_variants
def test_anchors_lie_on_the_line_and_a_sub_motion_has_five_steps(settings: FreeDragSettings):
    session = sliding_session()
    request = DragRequest((((0.3, 0.3), (0.5, 0.4)),), replace(settings, rate=1e-4))
    drag, state = prepare(session.context, session.codes, request)
    taken = []
    for _ in range(12):
        state = module_of(settings).step(drag, state)
        taken.append(state.taken)
        way = state.handles[0] / 64 - torch.tensor([0.3, 0.3], dtype=torch.float64)
        assert abs(float(way[0] * 0.1 - way[1] * 0.2)) < 1e-9
    assert taken == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]  # a rate that small never matches early


@both_variants
def test_sub_motion_that_matches_ends_early_and_a_last_look_advances_nothing(settings: FreeDragSettings):
    session, method = sliding_session(), module_of(settings)
    drag, state = prepare(session.context, session.codes, DragRequest((((0.3, 0.3), (0.5, 0.4)),), settings))
    state = method.step(drag, state)
    matched = patches_at(state.feature, state.handles, session.context.plane, drag.settings.radius)
    state = replace(state, templates=matched, codes=state.seen_codes)
    further = method.proceed(drag, state, state.feature)
    assert further.taken == 0
    assert not torch.equal(further.handles, state.handles)
    assert torch.equal(method.observe(drag, state, state.feature).handles, state.handles)


@both_variants
@pytest.mark.parametrize("steps", [10, 25])
def test_drag_that_is_cut_short_says_where_the_content_is(steps: int, settings: FreeDragSettings):
    """Its anchor is ahead of it, and stays where the last step left it."""
    session = sliding_session().drag([((0.45, 0.5), (0.6, 0.5))], replace(settings, rate=0.03), steps=steps)
    finished = session.drags[0]
    assert finished.reason == STEP_LIMIT
    assert finished.path[-1] == finished.path[-2]
    (found,) = finished.final_handles
    assert found is not None
    x, y = (0.1 * finished.codes[0, :2]).tolist()
    assert abs(found[0] - 0.45 - x) * 64 < 0.5
    assert abs(found[1] - 0.5 - y) * 64 < 0.5
    assert abs(finished.path[-1][0][0] - 0.45 - x) * 64 > 0.5


def test_content_that_is_nowhere_is_not_located():
    session = sliding_session()
    drag, state = prepare(session.context, session.codes, DragRequest((((0.3, 0.3), (0.5, 0.4)),), FreeDragSettings()))
    torch.testing.assert_close(freedrag.locate(drag, state)[0], drag.reference.handles[0])
    assert freedrag.locate(drag, replace(state, feature=state.feature + 5)) == [None]


def test_content_that_looks_different_is_located_where_all_else_is_less_alike():
    session = sliding_session()
    drag, state = prepare(session.context, session.codes, DragRequest((((0.3, 0.3), (0.5, 0.4)),), FreeDragSettings()))
    drag = replace(drag, settings=replace(drag.settings, scale=0.01))
    paler = 0.8 * state.feature
    at_start = patches_at(paler, drag.reference.handles, drag.context.plane, drag.settings.radius)
    assert float(discrepancies(at_start, freedrag.first_patches(drag))) > drag.settings.scale
    (found,) = freedrag.locate(drag, replace(state, feature=paler))
    assert found is not None
    assert (found - drag.reference.handles[0]).norm() < 2


def test_discrepancy_map_in_strips_equals_the_map_at_once(monkeypatch: pytest.MonkeyPatch):
    feature = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    first = patches_at(feature, at(9.3, 20.2)[None], PLANE, 2.0)[0]
    offsets, whole = discrepancy_map(feature, at(11.0, 22.5), 5.0, first, PLANE, 2.0)
    row, column = divmod(int(whole.argmin()), len(offsets))
    found = at(11.0, 22.5) + torch.stack([offsets[column], offsets[row]])
    assert (found - at(9.3, 20.2)).abs().max() <= 0.25
    one = patches_at(feature, (at(11.0, 22.5) + torch.stack([offsets[4], offsets[7]]))[None], PLANE, 2.0)
    assert float(whole[7, 4]) == pytest.approx(float(discrepancies(one, first[None])), rel=1e-5)
    read = []
    real = patches.sample_grid
    monkeypatch.setattr(patches, "sample_grid", lambda *given: read.append(len(given[2])) or real(*given))
    monkeypatch.setattr(patches, "MAX_VALUES", 3 * 4 * (len(offsets) + 8))
    torch.testing.assert_close(discrepancy_map(feature, at(11.0, 22.5), 5.0, first, PLANE, 2.0)[1], whole)
    assert set(read) <= {4 + 8, len(offsets) % 4 + 8}
