"""FreeDrag: the table of its template's share, its three ways on, its line search, and drags with a known end."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ganvas.drag import defaults, freedrag, templates
from ganvas.drag.defaults import default_scale
from ganvas.drag.freedrag import elsewhere, next_anchor
from ganvas.drag.freedrag_state import FreeDrag
from ganvas.drag.sampling import Plane
from ganvas.drag.session import Order, open_session, prepare, run
from ganvas.drag.state import REACHED, STALLED, STEP_LIMIT, Task
from ganvas.drag.templates import adapted, discrepancies, localized, mismatches, patches, takeover
from tests.drag.sliding import SlidingGenerator

PLANE = Plane(64)
SCALE = 0.3
SETTINGS = FreeDrag(0.01, 10.0, 0.5, 60, radius=2.0, distance=4.0, scale=SCALE)


def place(x: float, y: float) -> Tensor:
    return torch.tensor([x, y], dtype=torch.float64)


def ramp() -> Tensor:
    """Return a map whose discrepancy from a place is the distance along x times 0.1."""
    x = (torch.arange(32) + 0.5) * 2 * 0.1
    return x.expand(1, 2, 32, 32).contiguous()


@pytest.mark.parametrize(
    ("left", "share"), [(0.0, 0.675), (0.1, 0.59), (0.2, 0.50), (0.4, 0.33), (0.5, 0.25), (0.8, 0.10), (1.0, 0.05)]
)
@pytest.mark.parametrize("scale", [0.3, 0.01])
def test_the_templates_share_is_the_papers(left: float, share: float, scale: float):
    assert float(takeover(torch.tensor([left * scale]), torch.tensor([scale]))) == pytest.approx(share, abs=0.006)


def test_templates_take_over_their_share_and_finished_ones_all():
    old, new = torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    left, finished = torch.tensor([0.2, 0.8]) * SCALE, torch.tensor([False, True])
    mixed = adapted(old, new, left, finished, torch.full((2,), SCALE))
    assert mixed[0, 0, 0, 0] == pytest.approx(0.5)
    assert (mixed[1] == 1).all()


def on(into: float, out: float, at: float = 20.0, target: float = 40.0, goal: float = SCALE) -> float:
    """Return where the next anchor lies, from one at x = `at` whose template is the patch at x = 20."""
    feature = ramp()
    template = patches(feature, place(20.0, 30.0)[None], PLANE, 2.0)[0]
    found = next_anchor(
        feature, place(at, 30.0), place(16.0, 30.0), place(target, 30.0), template, into, out, goal, PLANE, SETTINGS
    )
    assert found[1] == 30
    return float(found[0])


def test_advance_goes_to_where_the_discrepancy_is_about_l():
    assert on(into=1.0, out=0.5 * SCALE) == pytest.approx(20 + SCALE / 0.1, abs=0.21)


def test_an_advance_is_at_most_d_and_not_beyond_the_target():
    assert on(into=1.0, out=0.0, at=10.0) == pytest.approx(14.0)
    assert on(into=1.0, out=0.0, target=21.0) == pytest.approx(21.0)
    assert on(into=1.0, out=0.0, target=20.0) == pytest.approx(20.0)


def test_hold_stays():
    assert on(into=0.9 * SCALE, out=0.8 * SCALE) == 20.0


def test_half_of_a_smaller_goal_is_asked_of_an_anchor_that_began_with_less():
    assert on(into=0.4 * SCALE, out=0.3 * SCALE, goal=0.4 * SCALE) == 20.0
    assert on(into=0.4 * SCALE, out=0.2 * SCALE, goal=0.4 * SCALE) > 20.0


def test_backtrack_seeks_the_best_match_on_both_sides():
    """The template's own place lies behind an anchor that went too far, and ahead of one that lags."""
    assert on(into=0.7 * SCALE, out=0.8 * SCALE, at=23.0) == pytest.approx(20.0, abs=0.81)
    assert on(into=0.7 * SCALE, out=0.8 * SCALE, at=18.0) == pytest.approx(20.0, abs=0.81)
    assert on(into=0.7 * SCALE, out=0.8 * SCALE, at=40.0) < 40


def test_localization_looks_at_ten_places():
    feature = ramp()
    template = patches(feature, place(20.0, 30.0)[None], PLANE, 2.0)[0]
    found = localized(feature, place(20.0, 30.0), place(40.0, 30.0), template, 5.0, 0.2, PLANE, 2.0)
    torch.testing.assert_close(found, place(22.0, 30.0))


def test_patches_are_nine_samples_a_radius_apart():
    values = patches(ramp(), place(30.0, 30.0)[None], PLANE, 2.0)[0]
    assert values.shape == (2, 3, 3)
    torch.testing.assert_close(values[0, 1], torch.tensor([2.8, 3.0, 3.2]))
    assert float(discrepancies(values[None], values[None])) == 0


def test_the_scale_is_what_an_advance_changes_and_follows_the_features():
    feature = ramp()
    one = default_scale(feature, PLANE, 1.0)
    assert default_scale(feature, PLANE, 2.0) == pytest.approx(2 * one, rel=0.05)
    assert default_scale(7 * feature, PLANE, 1.0) == pytest.approx(7 * one)
    # Half of 0.1 a pixel, for the map changes along x only, but for the last column, which repeats itself.
    assert one == pytest.approx(defaults.SCALE_IN_DIFFERENCES * 0.05, rel=0.05)


def test_the_scale_follows_a_distance_that_was_asked_for():
    session = open_session(SlidingGenerator(), torch.zeros(1, 3))
    order = Order(Task(((0.3, 0.3),), ((0.5, 0.4),)), "freedrag")
    default, longer, both = (
        prepare(session.subject, session.codes, replace(order, changes=changes))[0].settings
        for changes in ((), (("distance", 3.0),), (("distance", 3.0), ("scale", 0.7)))
    )
    assert (longer.distance, both.distance) == (3.0, 3.0)
    assert longer.scale > 1.5 * default.scale
    assert both.scale == 0.7


def drag_by(resolution: int, margin: float, rate: float) -> tuple[str, float]:
    """Return why a drag by (0.10, -0.06) ended, and which share of the way the content has gone."""
    task = Task(((0.45, 0.5),), ((0.55, 0.44),))
    session = open_session(SlidingGenerator(resolution, margin), torch.zeros(1, 3))
    done = session.drag(Order(task, "freedrag", 400, (("rate", rate),))).done[0]
    way = torch.tensor([0.10, -0.06])
    return done.reason, float(done.after[0, :2] / 10 @ way / way.square().sum())


@pytest.mark.parametrize("rate", [0.005, 0.008, 0.03, 0.1])
def test_the_content_arrives_with_its_anchor(rate: float):
    """Short steps let the template slip; that is seen when the anchor arrives, and what was left behind is fetched."""
    reason, share = drag_by(64, 0.0, rate)
    assert reason == REACHED
    assert 0.85 < share < 1.1


def blob(x: float, y: float) -> Tensor:
    """Return a map of 32 samples with one bright place at (x, y) in pixels of 64."""
    places = (torch.arange(32) + 0.5) * 2
    return torch.exp(-((places - x).square() + (places[:, None] - y).square()) / 18)[None, None]


@pytest.mark.parametrize(
    ("at", "found"), [((24.0, 33.0), True), ((39.6, 30.0), False), ((40.0, 30.0), False), ((24.0, 60.0), False)]
)
def test_what_was_left_behind_is_found_within_reach(at: tuple[float, float], found: bool):
    first = patches(blob(20.0, 30.0), place(20.0, 30.0)[None], PLANE, 2.0)[0]
    settings = replace(SETTINGS, scale=0.1)
    seen = elsewhere(blob(*at), place(40.0, 30.0), 20.0, first, PLANE, settings)
    if found:
        torch.testing.assert_close(seen, place(*at), rtol=0, atol=0.5)
    else:
        assert seen is None


def test_what_only_looks_alike_is_left_alone():
    """The content has arrived but changed; what resembles it elsewhere is not clearly better."""
    first = patches(blob(20.0, 30.0), place(20.0, 30.0)[None], PLANE, 2.0)[0]
    both = 0.97 * blob(40.0, 30.0) + 0.98 * blob(26.0, 34.0)
    assert elsewhere(both, place(40.0, 30.0), 20.0, first, PLANE, replace(SETTINGS, scale=0.1)) is None


def test_content_that_cannot_be_fetched_has_stalled():
    generator = SlidingGenerator()
    session = open_session(generator, torch.zeros(1, 3))
    drag, state = prepare(session.subject, session.codes, Order(Task(((0.3, 0.3),), ((0.5, 0.4),)), "freedrag"))
    state = replace(state, points=drag.fixed.targets)
    once = freedrag.fetching(drag, state, drag.fixed.feature)
    assert once.reason == ""
    assert float((once.points - drag.fixed.starts).norm()) <= drag.settings.distance + 1
    assert freedrag.fetching(drag, once, drag.fixed.feature).reason == STALLED


@pytest.mark.parametrize("margin", [0.0, 0.125])
@pytest.mark.parametrize("resolution", [64, 128])
def test_the_content_follows_at_any_size(resolution: int, margin: float):
    reason, share = drag_by(resolution, margin, 0.1)
    assert reason == REACHED
    assert 0.8 < share < 1.1


def test_anchors_lie_on_the_line_and_a_sub_motion_has_five_steps():
    generator = SlidingGenerator()
    order = Order(Task(((0.3, 0.3),), ((0.5, 0.4),)), "freedrag", 40, (("rate", 1e-4),))
    session = open_session(generator, torch.zeros(1, 3))
    drag, state = prepare(session.subject, session.codes, order)
    taken = []
    for _ in range(12):
        state = freedrag.step(drag, state)
        taken.append(state.taken)
        way = state.points[0] / 64 - torch.tensor([0.3, 0.3], dtype=torch.float64)
        assert abs(float(way[0] * 0.1 - way[1] * 0.2)) < 1e-9
    assert taken == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]  # a rate that small never matches early


def test_a_sub_motion_that_matches_ends_early():
    generator = SlidingGenerator()
    session = open_session(generator, torch.zeros(1, 3))
    order = Order(Task(((0.3, 0.3),), ((0.5, 0.4),)), "freedrag")
    drag, state = prepare(session.subject, session.codes, order)
    state = freedrag.step(drag, state)
    matched = patches(state.feature, state.points, session.subject.plane, drag.settings.radius)
    state = replace(state, templates=matched, codes=state.seen_codes)
    further = freedrag.proceed(drag, state, state.feature)
    assert further.taken == 0
    assert not torch.equal(further.points, state.points)
    assert torch.equal(freedrag.look(drag, state, state.feature).points, state.points)  # a last look sends nothing on


@pytest.mark.parametrize("steps", [10, 25])
def test_a_drag_that_is_cut_short_tells_where_the_content_is(steps: int):
    """Its anchor is ahead of it, and stays where the last step left it."""
    generator, target = SlidingGenerator(), (0.6, 0.5)
    session = open_session(generator, torch.zeros(1, 3))
    done = session.drag(Order(Task(((0.45, 0.5),), (target,)), "freedrag", steps, (("rate", 0.03),))).done[0]
    assert done.reason == STEP_LIMIT
    assert done.path[-1] == done.path[-2]
    (found,) = done.places
    assert found is not None
    x, y = (0.1 * done.after[0, :2]).tolist()
    assert abs(found[0] - 0.45 - x) * 64 < 0.5
    assert abs(found[1] - 0.5 - y) * 64 < 0.5
    assert abs(done.path[-1][0][0] - 0.45 - x) * 64 > 0.5


def test_content_that_is_nowhere_is_not_located():
    session = open_session(SlidingGenerator(), torch.zeros(1, 3))
    drag, state = prepare(session.subject, session.codes, Order(Task(((0.3, 0.3),), ((0.5, 0.4),)), "freedrag"))
    torch.testing.assert_close(freedrag.located(drag, state)[0], drag.fixed.starts[0])
    assert freedrag.located(drag, replace(state, feature=state.feature + 5)) == [None]


def test_content_that_looks_different_is_located_where_all_else_is_less_alike():
    session = open_session(SlidingGenerator(), torch.zeros(1, 3))
    drag, state = prepare(session.subject, session.codes, Order(Task(((0.3, 0.3),), ((0.5, 0.4),)), "freedrag"))
    drag = replace(drag, settings=replace(drag.settings, scale=0.01))
    paler = 0.8 * state.feature
    first = freedrag.first_patches(drag)
    at_start = patches(paler, drag.fixed.starts, drag.subject.plane, drag.settings.radius)
    assert float(discrepancies(at_start, first)) > drag.settings.scale
    (found,) = freedrag.located(drag, replace(state, feature=paler))
    assert found is not None
    assert (found - drag.fixed.starts[0]).norm() < 2


def test_a_pin_that_slides_has_not_arrived():
    """The image can only slide as a whole: what brings the one point to its target carries the pin away."""
    session = open_session(SlidingGenerator(), torch.zeros(1, 3))
    task = Task(((0.3, 0.3), (0.7, 0.6)), ((0.4, 0.3), (0.7, 0.6)))
    order = Order(task, "freedrag", 300, (("rate", 0.03),))
    drag, state = prepare(session.subject, session.codes, order)
    *_, last = run(drag, state, order)
    assert last.reason in (STALLED, STEP_LIMIT)
    assert isinstance(last, freedrag.FreeDragState)
    first = freedrag.first_patches(drag)
    assert torch.equal(last.templates[1], first[1])  # it took nothing over of what slid to its place
    assert not torch.equal(last.templates[0], first[0])


def test_content_near_a_pin_is_looked_for_there():
    """The line of a pin has no length: within d of it the content is sought all the same."""
    session = open_session(SlidingGenerator(), torch.zeros(1, 3))
    order = Order(Task(((0.7, 0.6),), ((0.7, 0.6),)), "freedrag", 5, (("distance", 4.0),))
    drag, _ = prepare(session.subject, session.codes, order)
    slid = session.subject.feature_of(torch.tensor([[10 * 3.0 / 64, 0.0, 0.0]]))
    (found,) = freedrag.left_behind(drag, slid)
    assert found is not None
    assert (found - drag.fixed.starts[0] - place(3.0, 0.0)).norm() < 0.5
    assert freedrag.left_behind(drag, drag.fixed.feature) == [None]


def test_a_search_in_strips_is_the_search_at_once(monkeypatch: pytest.MonkeyPatch):
    feature = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    first = patches(feature, place(9.3, 20.2)[None], PLANE, 2.0)[0]
    offsets, whole = mismatches(feature, place(11.0, 22.5), 5.0, first, PLANE, 2.0)
    row, column = divmod(int(whole.argmin()), len(offsets))
    found = place(11.0, 22.5) + torch.stack([offsets[column], offsets[row]])
    assert (found - place(9.3, 20.2)).abs().max() <= 0.25
    one = patches(feature, (place(11.0, 22.5) + torch.stack([offsets[4], offsets[7]]))[None], PLANE, 2.0)
    assert float(whole[7, 4]) == pytest.approx(float(discrepancies(one, first[None])), rel=1e-5)
    read = []
    real = templates.sample_grid
    monkeypatch.setattr(templates, "sample_grid", lambda *given: read.append(len(given[2])) or real(*given))
    monkeypatch.setattr(templates, "VALUES_AT_ONCE", 3 * 4 * (len(offsets) + 8))
    torch.testing.assert_close(mismatches(feature, place(11.0, 22.5), 5.0, first, PLANE, 2.0)[1], whole)
    assert set(read) <= {4 + 8, len(offsets) % 4 + 8}
