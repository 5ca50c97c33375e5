"""The study of regions: boxes, angles and shares by mathematics, Grams by closed form, and all of it on a fake."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from studies.command import run
from studies.regions import command as study
from studies.regions import measures, parts
from studies.regions.bench import Bench, Recipe, Trial, ratios, runs
from studies.regions.failures import failures, ways_of
from studies.regions.grams import exact_cover, find_grams, pack, range_jacobians, unpack
from studies.regions.plan import few_names, make_plan, telling_names, variants_of
from studies.regions.report import markdown
from studies.regions.settings import ALL, Settings, short, thirds

from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import About
from ganvas.metrics.distribution import kernel_mmd
from ganvas.regions import Region
from ganvas.regions.named import FACES
from tests.fakes import LayeredGenerator

pytestmark = pytest.mark.usefixtures("one_thread")

edges = st.tuples(*[st.floats(0.05, 0.45)] * 2, *[st.floats(0.55, 0.95)] * 2)


class Fake(LayeredGenerator):
    """Three layers of w+, 16 pixels, and the regions of a face."""

    about = About(
        "linear face", "hash", regions={name: FACES[name] for name in ("eyes", "left_eye", "right_eye", "nose")}
    )

    def __init__(self) -> None:
        super().__init__(width=5, resolution=16)


SHORT = Settings(
    ranges=("0", "1", "2"),
    layers="1",
    found_on=(0, 1),
    held_out=(10, 11, 12, 13),
    reference=tuple(range(20, 26)),
    count=2,
    compared=2,
    averages=(1, 2),
    amounts=(0.2,),
    ways=("right", "down"),
    ridges=(1e-3, 1e-2),
    few=1,
    limit=1e4,
    tolerance=1e-4,
    resamples=20,
)


def silent(line: str) -> None:
    pass


def mean_grams_of(fake: Fake, layers: list[int], region: Region) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A and B from the weights themselves: J of w is the sum of the layers' blocks."""
    blocks = fake.matrix.double().unflatten(1, (fake.layers, fake.width))
    jacobian = blocks[:, layers].sum(1)
    mask = region.mask(16, 16).double().flatten().repeat(3)
    inside = jacobian.T @ (mask[:, None] * jacobian) / mask.sum()
    outside = jacobian.T @ ((1 - mask)[:, None] * jacobian) / (1 - mask).sum()
    return inside, outside


@pytest.mark.parametrize(
    ("layers", "ranges"),
    [(12, ("0-3", "4-7", "8-11")), (10, ("0-2", "3-6", "7-9")), (16, ("0-4", "5-10", "11-15")), (2, ("0-0", "1-1"))],
)
def test_thirds_cover_all_layers_once(layers, ranges):
    assert thirds(layers) == ranges


def test_seeds_stay_apart():
    with pytest.raises(GanvasError, match="share none"):
        replace(SHORT, held_out=(1, 2, 3))
    with pytest.raises(GanvasError, match="average over 3"):
        replace(SHORT, averages=(3,))


def test_the_short_study_is_a_part_of_the_full_one():
    full = Settings(thirds(12), "4-7")
    quick = short(full)
    assert (len(full.found_on), full.found_on[0], full.held_out[0], len(full.held_out)) == (16, 0, 1000, 64)
    assert set(quick.found_on) < set(full.found_on)
    assert set(quick.held_out) < set(full.held_out)
    assert max(full.ridges) / min(full.ridges) == pytest.approx(1e4)


def test_angles_agree_with_scipy_and_do_not_depend_on_the_basis():
    random = torch.Generator().manual_seed(0)
    first, second, mix = (torch.randn(*shape, generator=random) for shape in ((3, 9), (3, 9), (3, 3)))
    found = measures.principal_angles(first, second)
    expected = np.sort(np.degrees(subspace_angles(first.double().numpy().T, second.double().numpy().T)))
    assert found.numpy() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(measures.principal_angles(mix @ first, second), found, atol=1e-3)
    assert measures.principal_angles(mix @ first, first).max() < 1e-2
    assert measures.abs_cosine(first[0], -2 * first[0]) == pytest.approx(1)


def test_quotients_of_what_is_out_of_reach():
    found = measures.quotients(np.array([2.0, 0.0, 3.0, 0.0]), np.array([4.0, 2.0, 0.0, 0.0]))
    assert found.tolist() == [0.5, 0, np.inf, 1]


def test_groups_are_disjoint():
    assert list(measures.groups_of(tuple(range(7)), 3, 4)) == [(0, 1, 2), (3, 4, 5)]
    assert list(measures.groups_of((5, 6, 7), 1, 2)) == [(5,), (6,)]


def test_shares_of_twins_and_of_the_mirror():
    change = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    even, odd = change + change.flip(3), change - change.flip(3)
    one_side = change.clone()
    one_side[..., 4:] = 0
    assert measures.odd_share(even).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert measures.odd_share(odd).tolist() == pytest.approx([1, 1], abs=1e-6)
    assert measures.odd_share(one_side).tolist() == pytest.approx([0.5, 0.5], abs=1e-6)
    assert measures.twin_share(torch.tensor([3.0]), torch.tensor([1.0])).item() == 0.25


def wave(shift: float, turn: float = 0.0) -> torch.Tensor:
    """Return a smooth image, moved and turned."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48), indexing="ij")
    x, y = x * math.cos(turn) - y * math.sin(turn) + shift, x * math.sin(turn) + y * math.cos(turn)
    return torch.stack([torch.sin(3 * x + y), torch.cos(2 * y - x), torch.sin(x * y * 3)])[None]


def test_motion_explains_what_moves_and_nothing_else():
    assert float(measures.motion_share(wave(0.02) - wave(0), wave(0))) > 0.98
    assert float(measures.motion_share(wave(0, 0.02) - wave(0), wave(0))) > 0.98
    noise = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(2))
    assert float(measures.motion_share(noise, wave(0))) < 0.01


def test_the_excess_of_a_kernel_distance():
    random = torch.Generator().manual_seed(3)
    reference, before = torch.randn(40, 4, generator=random), torch.randn(12, 4, generator=random)
    same = measures.kernel_excess(reference, before, before)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    after = before + 3
    far = measures.kernel_excess(reference, before, after)
    assert far.value == pytest.approx(kernel_mmd(reference, after).value - kernel_mmd(reference, before).value)
    assert 0 < far.low < far.value < far.high


def test_triangles_unpack():
    matrix = torch.randn(7, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    gram = matrix @ matrix.T
    assert torch.allclose(unpack(pack(gram)), gram, atol=1e-5)


def test_exact_covers():
    assert exact_cover((0, 1, 2, 3), [(0, 1), (1, 2), (2, 3)]) == ((0, 1), (2, 3))
    assert exact_cover((0, 1, 2), [(0, 1), (1, 2)]) == ()
    assert exact_cover((4, 5), [(4, 5), (4,), (5,)]) == ((4, 5),)


def test_jacobians_of_ranges_are_those_of_the_weights():
    fake = Fake()
    blocks = fake.matrix.unflatten(1, (fake.layers, fake.width))
    code = fake.map(fake.sample([3]))
    found = dict(range_jacobians(fake, code, "w", ["0", "1-2", ALL]))
    for text, layers in (("0", [0]), ("1-2", [1, 2]), (ALL, [0, 1, 2])):
        assert torch.allclose(found[text].columns.T, blocks[:, layers].sum(1), atol=1e-4)


def test_grams_come_once_and_agree_with_closed_forms(tmp_path):
    fake, names = Fake(), ["eyes", "nose"]
    masks = {name: FACES[name].mask(16, 16) for name in names}
    wanted = {"1": names, "1-2": ["nose"]}
    told: list[str] = []
    for _ in range(2):
        grams = find_grams(fake, "w", masks, wanted, (0, 5), 0.7, tmp_path, told.append)
    assert len(told) == 2
    for layers, numbers in (("1", [1]), ("1-2", [1, 2])):
        found = grams.mean(layers, "nose", (0, 5))
        for one, exact in zip(found, mean_grams_of(fake, numbers, FACES["nose"]), strict=True):
            assert torch.allclose(one, exact, rtol=1e-4, atol=1e-4)


def test_a_plan_names_what_it_leaves_out():
    plan = make_plan(Fake.about.regions, ["eyes"], "face", 16, SHORT)
    assert set(variants_of(plan.regions, "eyes")) == {"box", "rough box", "moved 20%", "larger 20%", "smaller 20%"}
    assert plan.parts == {"one eye": "one eye: twin", "one nostril": "one nostril: twin"}
    assert set(plan.wanted("s", SHORT)["1"]) == set(plan.parts)
    assert set(plan.wanted("w", SHORT)) == set(SHORT.all_ranges)
    frame = ~Region.box(0.2, 0.2, 0.8, 0.8)
    most = make_plan({"all": Region.box(0.02, 0.02, 0.98, 0.98), "frame": frame}, ["all", "frame"], "", 16, SHORT)
    for name, reason in zip(("all", "frame"), most.reasons, strict=False):
        assert not variants_of(most.regions, name)
        assert f"{name}: a box around it is most of the image" in reason
    with pytest.raises(GanvasError, match="no region 'tail'"):
        make_plan(FACES, ["tail"], "face", 16, SHORT)


def test_sheets_of_several_show_the_telling_regions_first():
    assert telling_names(("background", "chin", "ears", "eyes", "mouth", "nose")) == ("eyes", "nose", "mouth", "ears")
    assert telling_names(("sky", "eyes")) == ("eyes", "sky")


def test_three_regions_for_the_short_study():
    assert few_names(FACES) == ("eyes", "nose", "mouth")
    assert few_names({"sky": FACES["nose"], "tower": FACES["nose"]}) == ("sky", "tower")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    torch.set_num_threads(1)
    fake, folder = Fake(), tmp_path_factory.mktemp("regions")
    plan = make_plan(fake.about.regions, ["eyes", "nose"], "face", 16, SHORT)
    return plan, folder, *study.run(fake, plan, SHORT, folder, silent)


@pytest.mark.slow
def test_the_first_direction_of_a_linear_generator_does_what_it_predicts(measured):
    _, _, found, bench = measured
    for row in found.directions:
        inside, outside = mean_grams_of(bench.generator, [1], FACES[row.region])
        n = bench.direction(bench.recipe(row.region, index=row.index)).vector.double()
        assert row.ratio.value == pytest.approx(float(n @ inside @ n) / float(n @ outside @ n), rel=1e-3)
        assert row.strength == pytest.approx(0.1 / math.sqrt(float(n @ inside @ n)), rel=1e-3)
        assert row.eigenvalue_of_one.value == pytest.approx(row.eigenvalue, rel=1e-3)
        assert row.unreached == 0


def test_where_images_do_not_matter_neither_do_averages(measured):
    _, _, found, _ = measured
    assert [row.cosine for row in found.averages] == pytest.approx([1] * len(found.averages), abs=1e-4)
    assert {(row.images, row.groups) for row in found.averages} == {(1, 2), (2, 1)}


def test_tables_have_a_row_for_everything(measured):
    plan, _, found, _ = measured
    assert {(row.region, row.layers) for row in found.ranges} == {
        (n, r) for n in plan.names for r in ("0", "1", "2", ALL)
    }
    assert {row.kind for row in found.boxes} == {"box", "rough box", "moved 20%", "larger 20%", "smaller 20%"}
    assert all(0 <= row.cosine <= 1 + 1e-6 and len(row.angles) == 2 for row in found.boxes)
    assert {(row.region, row.tau) for row in found.ridges} == {(n, tau) for n in plan.names for tau in SHORT.ridges}
    assert {row.part for row in found.failures} == {"one eye", "one nostril", "head"}
    page = markdown(found, SHORT, "linear face", plan.reasons, True)
    assert page.startswith("Short study (--quick) of `linear face`: seeds 0-1 for discovery, 10-13 held out")
    tables = [[line for line in part.splitlines() if line.startswith("|")] for part in page.split("## ")[1:-1]]
    assert len(tables) == 6
    assert all(len({line.count("|") for line in lines}) == 1 for lines in tables)
    assert "* whiskers of one side: there is no box" in page


def test_a_shape_that_is_the_region_gives_its_direction(measured):
    _, _, _, bench = measured
    twice = {"eyes": FACES["eyes"], "eyes: box (0)": FACES["eyes"]}
    masks = {name: region.mask(16, 16) for name, region in twice.items()}
    grams = find_grams(bench.generator, "w", masks, {"1": list(twice)}, (0, 1), 0.7, bench.folder / "twice", silent)
    again = Bench(bench.generator, twice, {"w": grams}, SHORT, bench.folder / "same", silent)
    (row,) = parts.robustness(again, ["eyes"])
    assert (row.cosine, row.quotient.value) == pytest.approx((1, 1), abs=1e-6)
    assert row.angles == pytest.approx((0, 0), abs=1e-2)


def test_each_way_to_a_part_is_tried(measured):
    plan, _, found, bench = measured
    ways = ways_of(bench, "one eye")
    assert list(ways) == ["w, 2 images", "w, the pair as region", "w, 1 image", "w+, 1 image"]
    assert ways_of(bench, "one ear") == {}
    eye = {row.way: row for row in found.failures if row.part == "one eye"}
    assert set(eye) == set(ways)
    for row in eye.values():
        assert 0 < row.best_twin <= 1
        assert 0 <= row.odd.low <= row.odd.high <= 1
    assert all(row.twin is None for row in found.failures if row.part == "head")
    assert failures(bench, plan) == found.failures


def test_what_is_finished_is_not_computed_again(measured, monkeypatch):
    plan, folder, found, bench = measured
    monkeypatch.setattr(Bench, "_measure", None)
    monkeypatch.setattr("studies.regions.grams.seed_grams", None)
    again, _ = study.run(bench.generator, plan, SHORT, folder, silent)
    assert again == found


def test_a_trial_out_of_reach_counts_as_no_locality(measured):
    _, folder, _, bench = measured
    near = Bench(bench.generator, bench.regions, bench.grams, replace(SHORT, limit=1e-6), folder / "near", silent)
    trial = Trial(near.recipe("eyes"), "eyes", 0.1)
    cell = near.cells([trial], "x")[trial]
    assert not cell.reached.any()
    assert ratios(cell).tolist() == [0, 0, 0, 0]


def test_file_names_say_what_they_hold_and_differ():
    recipe = Recipe("eyes: moved 10% (3)", "3-5", (0, 1, 2, 7))
    names = {
        Trial(one, "eyes", target).file_name
        for one in (recipe, replace(recipe, index=1), replace(recipe, tau=0.1), replace(recipe, space="s"))
        for target in (0.1, 0.2)
    }
    assert len(names) == 8
    assert all("/" not in name and "seeds_0-2,7-7" not in name and "seeds_0-2,7" in name for name in names)
    assert runs([4]) == [(4, 4)]


def test_generators_without_layers_and_wrong_layers_are_refused():
    fake = Fake()
    assert study.settings_for(fake, None, None, False).ranges == ("0-0", "1-1", "2-2")
    assert study.settings_for(fake, None, "0-1", True).layers == "0-1"
    with pytest.raises(LatentError, match="Layer 3 does not exist"):
        study.settings_for(fake, ["2-3"], None, False)
    fake.spaces = ("z",)
    with pytest.raises(GanvasError, match=r"give one with w\+"):
        study.settings_for(fake, None, None, False)


@pytest.mark.slow
def test_the_command_writes_tables_and_sheets_and_refuses_another_study(measured, tmp_path, monkeypatch, capsys):
    _, _, found, bench = measured
    monkeypatch.setattr(study, "load", lambda source: bench.generator)
    monkeypatch.setattr(study, "named_regions", lambda generator: generator.about.regions)
    monkeypatch.setattr(study, "short", lambda settings: SHORT)
    monkeypatch.setattr(study, "run", lambda *others: (found, bench))
    words = ["faces", "--out", str(tmp_path), "--quick", "--regions", "eyes", "nose"]
    assert run(study.study, words) == 0
    written = capsys.readouterr().out.split()
    assert {"a-eyes", "a-shared", "b-layers", "c-nose", "d-averages", "e-ridge", "f-one-eye", "f-head"} <= {
        path.split("/")[-1].removesuffix(".jpg") for path in written
    }
    assert all(path.stat().st_size < 300_000 for path in tmp_path.glob("*.jpg"))
    numbers = json.loads((tmp_path / "regions.json").read_text())
    assert len(numbers["results"]["directions"]) == 4
    assert numbers["settings"]["held_out"] == [10, 11, 12, 13]
    assert "Short study" in (tmp_path / "regions.md").read_text()
    assert run(study.study, words[:-1]) == 2
    assert "another" in capsys.readouterr().err
