"""The locality study: strengths that match, intervals, going on after a stop, and a generator whose answer is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from studies.locality import report, study
from studies.locality.statistics import quotient, quotient_estimate

from ganvas.comparisons.estimates import median_estimate
from ganvas.comparisons.matching import match_strength, match_strengths
from ganvas.directions.direction import Direction
from ganvas.errors import GanvasError
from ganvas.generators.base import IMAGE, GeneratorBase
from ganvas.generators.protocol import Generator
from ganvas.regions import Region

SIDE, WIDTH = 8, 6
TOP = Region.box(0, 0, 1, 0.5)
SETTINGS = study.Settings(
    found_on=(0,), seeds=(1, 2, 3), layers="1", count=2, random_count=4, target=0.1, tolerance=1e-4, resamples=50
)


class LinearFake(GeneratorBase):
    """Images that depend linearly on w+, so that changes grow as the strength's square; only layer 1 counts."""

    resolution, spaces, layers, feature_names = SIDE, ("z", "w", "w+"), 2, ()
    device, code_dtype = torch.device("cpu"), torch.float32
    weight = torch.randn(3 * SIDE * SIDE, WIDTH, generator=torch.Generator().manual_seed(5))

    def dimensions(self, space):
        return (2, WIDTH) if space == "w+" else (WIDTH,)

    def sample(self, seeds):
        return torch.stack([torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

    def map_z(self, z, to, given):
        return given.truncation * (z if to == "w" else z[:, None].expand(-1, 2, -1))

    def paint(self, codes, space, given, request=IMAGE):
        layer = codes[:, 1] if space == "w+" else codes
        return (layer @ self.weight.T).view(-1, 3, SIDE, SIDE), {}


def grams(fake: LinearFake) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean Gram matrices of the upper and the lower half, from the weights themselves."""
    rows = fake.weight.double().view(3, SIDE, SIDE, WIDTH)
    upper, lower = (half.reshape(-1, WIDTH) for half in (rows[:, : SIDE // 2], rows[:, SIDE // 2 :]))
    return upper.T @ upper / len(upper), lower.T @ lower / len(lower)


def silent(text: str) -> None:
    pass


@settings(max_examples=50)
@given(
    st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8),
    st.floats(0.3, 3),
    st.floats(1e-4, 1e-1),
)
def test_powers_are_matched_in_every_row(slopes, power, tolerance):
    slope = torch.tensor(slopes)
    found = match_strength(lambda rows, a: slope[rows] * (a / 10) ** power, len(slopes), 1.0, 20.0, tolerance)
    exact = 10 * slope ** (-1 / power)
    beyond, within = exact > 20 * 1.001, exact < 20 * 0.999
    assert found[beyond].isinf().all()
    reached = slope[within] * (found[within] / 10) ** power
    assert ((reached >= 1 - 1e-4) & (reached <= 1 + 1.01 * tolerance + 1e-4)).all()


def test_a_saturating_change_is_matched_or_counted():
    height = torch.tensor([0.05, 0.0999, 0.1001, 0.5])
    found = match_strength(lambda rows, a: height[rows] * (1 - torch.exp(-a)), 4, 0.1, 60.0)
    assert found[:2].isinf().all()
    assert found[3] == pytest.approx(-math.log(1 - 0.2), rel=0.02)
    assert 0.1 <= float(height[2] * (1 - torch.exp(-found[2]))) <= 0.101


def test_what_never_reaches_or_is_no_number_is_inf_and_nothing_is_asked_beyond_the_limit():
    asked = []

    def change(rows, a):
        asked.append(float(a.max()))
        return torch.where(rows == 0, 0.0, torch.nan)

    assert match_strength(change, 2, 0.1, 7.0).isinf().all()
    assert max(asked) == 7.0


def test_a_change_that_is_reached_only_at_the_limit_counts_as_reached():
    assert match_strength(lambda rows, a: a / 60, 1, 1.0, 60.0).tolist() == [60.0]


def test_a_jump_over_the_target_gives_the_strength_just_after_it():
    found = match_strength(lambda rows, a: (a > 3).float(), 1, 0.5, 60.0)
    assert float(found) == pytest.approx(3, abs=1e-3)


def test_the_first_crossing_is_taken():
    found = match_strength(lambda rows, a: (a * math.pi / 30).sin(), 1, 0.5, 60.0)
    assert float(found) == pytest.approx(5, rel=0.02)


@settings(max_examples=50)
@given(
    st.lists(st.floats(1e-2, 1e2), min_size=1, max_size=5),
    st.lists(st.floats(0.05, 3), min_size=1, max_size=4, unique=True),
    st.floats(0.4, 2.5),
)
def test_several_targets_give_what_each_gives_alone_within_tolerance(slopes, targets, power):
    slope, targets = torch.tensor(slopes), sorted(targets)
    found = match_strengths(lambda rows, a: slope[rows] * (a / 10) ** power, len(slopes), targets, 20.0)
    for target, strengths in zip(targets, found, strict=True):
        exact = 10 * (target / slope) ** (1 / power)
        assert strengths[exact > 20 * 1.001].isinf().all()
        within = exact < 20 * 0.999
        reached = slope[within] * (strengths[within] / 10) ** power
        assert ((reached >= target * (1 - 1e-4)) & (reached <= target * 1.0102)).all()


def test_a_change_that_is_nearly_straight_needs_few_evaluations():
    asked = []

    def change(rows, a):
        asked.append(len(rows))
        return a / 10 * (1 - a / 300)

    found = match_strengths(change, 1, (0.1, 0.2, 0.3), 30.0)
    assert found[:, 0].tolist() == pytest.approx([1.003, 2.013, 3.03], rel=0.01)
    assert len(asked) <= 8


def test_a_jump_passes_several_targets_at_once_and_targets_that_fall_are_refused():
    found = match_strengths(lambda rows, a: (a > 3).float(), 1, (0.5, 0.7, 1.0), 60.0)
    assert found[:, 0].tolist() == pytest.approx([3, 3, 3], abs=1e-3)
    with pytest.raises(GanvasError, match="must rise"):
        match_strengths(lambda rows, a: a, 1, (0.2, 0.1), 60.0)


@pytest.mark.parametrize(
    ("target", "limit", "tolerance"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 1.0), (1.0, math.inf, 1.0), (1.0, 1.0, 0.0)]
)
def test_senseless_targets_are_refused(target, limit, tolerance):
    with pytest.raises(GanvasError, match="positive"):
        match_strength(lambda rows, a: a, 1, target, limit, tolerance)


def test_the_interval_of_a_median_is_that_of_the_order_statistics():
    # For 101 seeds the exact 95 % interval of a median runs from about the 41st to the 61st value.
    found = median_estimate(np.arange(101.0)[None], resamples=4000)
    assert found.value == 50
    assert found.low == pytest.approx(40, abs=1.5)
    assert found.high == pytest.approx(60, abs=1.5)


def test_the_interval_covers_the_true_median_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(120):
        found = median_estimate(rng.exponential(size=(1, 64)), resamples=150, seed=trial)
        hits += found.low <= math.log(2) <= found.high
    assert 0.88 <= hits / 120 <= 0.99


def test_seeds_are_resampled_with_all_their_directions():
    by_direction = np.repeat([[1.0], [2.0], [3.0]], 16, axis=1)
    found = median_estimate(by_direction, resamples=100)
    assert (found.low, found.value, found.high) == (2, 2, 2)
    other = quotient_estimate(by_direction, np.ones((1, 16)), resamples=200)
    assert (other.low, other.value, other.high) == (1, 2, 3)


def test_infinities_never_become_nan():
    ours = np.array([[np.inf, np.inf, 1.0]])
    assert median_estimate(ours, 200).value == np.inf
    assert quotient(np.full((2, 3), np.inf), ours) == 0
    assert not math.isnan(quotient_estimate(np.ones((2, 3)), ours, 200).high)


def test_fresh_seeds_must_be_fresh():
    with pytest.raises(GanvasError, match=r"Seeds \[3\]"):
        study.Settings(found_on=(3,), seeds=(3, 4))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locality")
    return folder, *study.run(LinearFake(), {"top": TOP}, SETTINGS, folder, silent)


def test_the_fake_satisfies_the_protocol():
    assert isinstance(LinearFake(), Generator)


def test_a_linear_generator_gives_what_its_weights_say(measured):
    _, trials, cells = measured
    a, b = grams(LinearFake())
    assert {trial.kind for trial in trials} == set(report.UNREACHED)
    for trial in trials:
        n = trial.direction.vector.double()
        inside, outside = float(n @ a @ n), float(n @ b @ n)
        cell = cells[trial.region, trial.kind, trial.index]
        assert cell.strengths == pytest.approx(np.full(3, 0.1 / math.sqrt(inside)), rel=2e-4)
        assert cell.ratios(np.inf) == pytest.approx(np.full(3, outside / inside), rel=1e-4)


def test_the_kinds_are_what_they_are_called(measured):
    _, trials, _ = measured
    a, b = grams(LinearFake())
    first = {trial.kind: trial.direction.vector.double() for trial in reversed(trials)}
    axis = torch.linalg.eigh(a)[1][:, -1]
    assert abs(float(first["foreground"] @ axis)) == pytest.approx(1, abs=1e-5)
    ridged = b + 1e-3 * b.trace() * torch.eye(WIDTH)
    best = scipy.linalg.eigh(a.numpy(), ridged.numpy())[1][:, -1]
    assert abs(first["ours"].numpy() @ best) / np.linalg.norm(best) == pytest.approx(1, abs=1e-5)
    assert torch.equal(first["other sign"], first["ours"])
    assert torch.allclose(torch.stack([n.norm() for n in first.values()]), torch.ones(5, dtype=torch.float64))


def test_what_is_finished_is_not_computed_again(measured, monkeypatch):
    folder, _, cells = measured
    missing = folder / "cells" / "top-random-2.json"
    missing.unlink()
    seen = []
    measure = study.measure

    def counting(generator, codes, originals, trial, *others):
        seen.append(trial.file_name)
        return measure(generator, codes, originals, trial, *others)

    monkeypatch.setattr(study, "measure", counting)
    monkeypatch.setattr(study.ReSeFa, "find", None)
    _, again = study.run(LinearFake(), {"top": TOP}, SETTINGS, folder, silent)
    assert seen == ["top-random-2.json"]
    for key, cell in cells.items():
        assert np.array_equal(cell.outside, again[key].outside)


def test_a_folder_with_another_study_is_left_alone(measured):
    folder, _, _ = measured
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    with pytest.raises(GanvasError, match="another folder"):
        study.run(LinearFake(), {"top": TOP}, replace(SETTINGS, target=0.2), folder, silent)
    assert before == {path: path.read_bytes() for path in folder.rglob("*.json")}


def test_unreached_strengths_are_counted_and_stand_against_the_claim(tmp_path):
    a, _ = grams(LinearFake())
    limit = 0.1 / math.sqrt(float(torch.linalg.eigvalsh(a).mean()))
    near = replace(SETTINGS, limit=limit)
    trials, cells = study.run(LinearFake(), {"top": TOP}, near, tmp_path, silent)
    (one,) = report.results(cells, near)
    for kind in report.UNREACHED:
        vectors = [trial.direction.vector.double() for trial in trials if trial.kind == kind]
        weak = sum(0.1 / math.sqrt(float(n @ a @ n)) > limit for n in vectors)
        assert (one.pooled[kind].unreached, one.pooled[kind].measured) == (3 * weak, 3 * len(vectors))
    assert one.pooled["random"].unreached > 0
    assert json.loads(json.dumps(report.to_json([one]), allow_nan=False))[0]["region"] == "top"


def test_a_cell_survives_its_file():
    cell = study.Cell(np.array([1.5, np.inf]), np.array([0.01, np.nan]), np.array([0.1, np.nan]))
    again = study.Cell.from_json(json.loads(json.dumps(cell.to_json(), allow_nan=False)))
    assert cell.ratios(np.inf).tolist() == again.ratios(np.inf).tolist() == [10, np.inf]
    assert again.ratios(0.0).tolist() == [10, 0]
    assert again.reached.tolist() == [True, False]


def test_tables_and_sheet_show_every_region(measured, tmp_path):
    _, trials, cells = measured
    table = report.markdown(report.results(cells, SETTINGS))
    lines = [line for line in table.splitlines() if line]
    assert len(lines) == 6
    assert len({line.count("|") for line in lines[:3]}) == len({line.count("|") for line in lines[3:]}) == 1
    assert "0 of 12" in lines[2]
    sheet = report.sheet(LinearFake(), trials, cells, {"top": TOP}, SETTINGS)
    assert sheet.shape[-2] > 3 * report.SHOWN_SIZE
    path = report.write_small_png(tmp_path / "sheet.png", sheet)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_random_directions_are_unit_vectors_that_the_seed_decides():
    drawn = study.random_directions(LinearFake(), SETTINGS)
    again = study.random_directions(LinearFake(), SETTINGS)
    other = study.random_directions(LinearFake(), replace(SETTINGS, random_seed=1))
    assert all(isinstance(direction, Direction) and direction.layers == (1,) for direction in drawn)
    assert torch.allclose(torch.stack([d.vector.norm() for d in drawn]), torch.ones(4))
    assert torch.equal(drawn[0].vector, again[0].vector)
    assert not torch.allclose(drawn[0].vector, other[0].vector)
