"""The benchmark of drags on a generator whose code is a shift: what it measures has closed forms."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor

from ganvas.checkpoints.own_format import save_generator
from ganvas.cli import compare
from ganvas.comparisons.drag import pairs, trials
from ganvas.comparisons.drag import run as command
from ganvas.comparisons.drag.settings import QUICK, DragBenchmarkSettings, of_size
from ganvas.comparisons.drag.tasks import corners, draw
from ganvas.comparisons.drag.trials import DragBenchmark, read_trial, share_of_way, trial_path
from ganvas.drag import defaults
from ganvas.errors import GanvasError, ResultFileError
from ganvas.generators.protocol import About
from ganvas.inversion.features import FeatureExtractor
from ganvas.io.shared_folder import claim_folder
from ganvas.metrics.likeness import Likeness
from ganvas.metrics.lpips import load_published
from ganvas.regions import Region
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.drag.sliding import SlidingGenerator
from tests.generators.small import small_stylegan2
from tests.metrics.lpips_weights import alex_files

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = replace(of_size(3), steps=6, pairs=1)


class Plain:
    """Features that are the pixels themselves."""

    name = "a distance for tests"

    def __call__(self, images: Tensor) -> list[Tensor]:
        return [images]


FEATURES: FeatureExtractor = Plain()


def quiet(what: str, done: int, total: int) -> None:
    pass


def bench(folder: Path, settings: DragBenchmarkSettings = SMALL, generator: object = None) -> DragBenchmark:
    return DragBenchmark(generator or SlidingGenerator(64), FEATURES, settings, folder)


def pattern(seed: int) -> Tensor:
    return SlidingGenerator(64).synthesize(torch.randn(1, 3, generator=torch.Generator().manual_seed(seed)), "z")


@examples(max_examples=20)
@given(number=st.integers(0, 500))
def test_tasks_are_deterministic_of_the_given_length_and_inside_the_image(number: int):
    task = draw(pattern(number), number, DragBenchmarkSettings())
    assert task == draw(pattern(number), number, DragBenchmarkSettings())
    assert math.dist(task.handle, task.target) == pytest.approx(task.length)
    assert all(0.12 <= at <= 0.88 for at in task.handle)
    assert all(0.05 < at < 0.95 for at in task.target)
    assert task.reverse == task.forward[::-1]
    mask = task.movable.mask(64, 64)[0]
    assert all(mask[int(y * 64), int(x * 64)] > 0.9 for x, y in (task.handle, task.target))


def test_a_third_of_the_tasks_of_each_length_has_low_texture():
    settings = DragBenchmarkSettings()
    for length in settings.lengths:
        mine = [n for n in range(180) if settings.length(n) == length]
        assert len(mine) == 60
        assert sum(settings.low_texture(n) for n in mine) == 20


def test_corners_lie_apart_and_inside_the_mask():
    found = corners(pattern(1), 8)
    gaps = [math.dist(a, b) for a in found for b in found if a is not b]
    assert min(gaps) > 0.04
    left = Region.box(0, 0, 0.5, 1).mask(64, 64)
    assert all(x < 0.5 for x, _ in corners(pattern(1), 8, left))
    assert corners(torch.zeros(1, 3, 64, 64), 8) == []


@pytest.mark.slow
def test_benchmark_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text, paths = command.run_benchmark(bench(tmp_path), "sliding", quiet)
    assert all(path.stat().st_size for path in paths)
    assert {"benchmark.md", "drags.jpg", "pairs.jpg"} <= {path.name for path in paths}
    before = {path.name: path.read_bytes() for path in (tmp_path / "trials").iterdir()}
    timed = []
    real: Callable = trials.timed
    monkeypatch.setattr(trials, "timed", lambda *arguments: timed.append(1) or real(*arguments))
    monkeypatch.setattr(pairs, "timed", lambda *arguments: timed.append(1) or real(*arguments))
    assert command.run_benchmark(bench(tmp_path), "sliding", quiet)[0] == text
    assert timed == []
    command.run_benchmark(bench(tmp_path, replace(SMALL, drags=4)), "sliding", quiet)
    assert len(timed) == 2 * 3
    assert {name: (tmp_path / "trials" / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_lpips_takes_the_place_of_the_perceptual_distance_alone(tmp_path: Path):
    settings = replace(of_size(1), steps=2, methods=("draggan",))
    own = bench(tmp_path / "own", settings)
    published = load_published(*alex_files(tmp_path / "weights"))
    by_lpips = replace(own, features=published, folder=tmp_path / "lpips")
    assert "distances: LPIPS-Alex;" in command.run_benchmark(by_lpips, "sliding", quiet)[0]
    (plain,), (seen,) = (trials.trials(one, quiet) for one in (own, by_lpips))
    for leg in trials.LEGS:
        before, outcome = getattr(plain, leg), getattr(seen, leg)
        assert replace(outcome, distance=before.distance, seconds=before.seconds) == before
    session = own.open(settings.first_seed)
    images = session.image(), session.image(trials.codes_of(by_lpips.folder, seen)["reverse"])
    with torch.no_grad():
        assert seen.reverse.distance == pytest.approx(float(published.distance_map(*images).mean()), rel=0.05)


def test_folder_of_other_settings_rules_or_threads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever a drag follows from: settings, the rules of the defaults, the machine that took the seconds."""
    record = command.record(bench(tmp_path))
    assert record["methods"]["freedrag"]["scale"] > 0
    claim_folder(tmp_path, record)
    claim_folder(tmp_path, command.record(bench(tmp_path, replace(SMALL, drags=4))))
    with pytest.raises(GanvasError, match=r"other settings.*\(here: settings\)"):
        command.run_benchmark(bench(tmp_path, replace(SMALL, steps=7)), "sliding", quiet)
    monkeypatch.setattr(defaults, "default_radius", lambda resolution: 5.0)
    with pytest.raises(GanvasError, match=r"\(here: methods\)"):
        claim_folder(tmp_path, command.record(bench(tmp_path)))
    monkeypatch.undo()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    with pytest.raises(GanvasError, match=r"\(here: threads\)"):
        claim_folder(tmp_path, command.record(bench(tmp_path)))
    monkeypatch.undo()
    heads = alex_files(tmp_path / "one")[1], alex_files(tmp_path / "two", seed=1)[1]
    network = alex_files(tmp_path / "one")[0]
    by_lpips = [replace(bench(tmp_path / "lpips"), features=load_published(network, one)) for one in heads]
    claim_folder(tmp_path / "lpips", command.record(by_lpips[0]))
    with pytest.raises(GanvasError, match=r"\(here: features\)"):
        claim_folder(tmp_path / "lpips", command.record(by_lpips[1]))
    (tmp_path / "study.json").write_text("{", "utf-8")
    with pytest.raises(GanvasError, match=r"study.json' is damaged"):
        claim_folder(tmp_path, record)


@pytest.mark.slow
def test_outcomes_agree_with_the_shift_that_the_code_makes(tmp_path: Path):
    """The image slides by a tenth of the code: the ground truth of the tracker, forward and in reverse."""
    setting = bench(tmp_path, replace(SMALL, drags=1, steps=100, methods=("draggan",)))
    setting = replace(setting, likeness=Likeness("plain", lambda photo: lambda image: setting.distance(image, photo)))
    (trial,) = trials.trials(setting, quiet)
    codes = trials.codes_of(tmp_path, trial)
    start = setting.open(trial.task.seed).codes
    for name, leg, goal in (
        ("forward", trial.forward, trial.task.target),
        ("reverse", trial.reverse, trial.task.handle),
    ):
        x, y = (0.1 * (codes[name] - start)[0, :2]).tolist()
        place = (trial.task.handle[0] + x, trial.task.handle[1] + y)
        assert leg.error == pytest.approx(math.dist(place, goal), abs=0.005)
        assert leg.share == pytest.approx(share_of_way(trial.task.handle, trial.task.target, place), abs=0.1)
    assert trial.forward.share is not None
    assert trial.forward.share > 0.2
    assert trial.reverse.distance < 0.1 * trial.forward.distance
    assert trial.reverse.psnr > trial.forward.psnr
    assert trial.confined.outside < 0.7 * trial.masked.outside  # what is left lies in the rim
    assert trial.confined.steps == trial.masked.steps
    assert trial.forward.identity == pytest.approx(trial.forward.distance, rel=0.5)


def test_share_of_way_is_the_projection_on_the_line():
    assert share_of_way((0.2, 0.2), (0.4, 0.2), (0.3, 0.9)) == pytest.approx(0.5)
    assert share_of_way((0.2, 0.2), (0.4, 0.4), (0.0, 0.0)) == pytest.approx(-1)


@pytest.mark.slow
def test_displacements_of_pairs_agree_with_the_codes(tmp_path: Path):
    setting = bench(tmp_path)
    pair, session, second = pairs.pair_of(setting, 0)
    shift = 0.1 * (second - session.codes)[0, :2].double()
    went = torch.tensor(pair.targets) - torch.tensor(pair.handles)
    assert (went - shift).abs().max() < 0.01
    assert pair.length == pytest.approx(float(shift.norm()), abs=0.01)
    again, _, same = pairs.pair_of(setting, 0)
    assert again == pair
    assert torch.equal(second, same)


@pytest.mark.slow
def test_damaged_trial_is_refused(tmp_path: Path):
    setting = bench(tmp_path, replace(SMALL, drags=1))
    trials.trials(setting, quiet)
    path = trial_path(tmp_path, 0, "draggan")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ResultFileError):
        read_trial(path)


@pytest.mark.parametrize("drags", [1, 12, 200])
def test_benchmark_sizes_have_at_least_one_drag_and_pair(drags: int):
    assert of_size(drags).drags == drags
    assert of_size(drags).pairs >= 1
    assert QUICK.drags < DragBenchmarkSettings().drags
    with pytest.raises(GanvasError, match="at least one"):
        of_size(0)
    for methods, told in ((("magic",), "no drag method 'magic'.*draggan-gated"), (("draggan",) * 2, "each once")):
        with pytest.raises(GanvasError, match=told):
            DragBenchmarkSettings(methods=methods)


@pytest.mark.slow
def test_benchmark_runs_from_the_command_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare, "of_size", lambda drags: replace(of_size(drags), steps=2))
    model = save_generator(tmp_path / "plain.safetensors", small_stylegan2(32), About("plain", "plain" * 9, {}))
    told = run("compare", "drag", model, "--drags", "1", "--out", tmp_path / "out")
    assert told.code == 0, told.err
    assert "# Drags on plain" in told.out
    assert f"wrote {tmp_path / 'out' / 'benchmark.md'}" in told.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--quick", "--drags", "3"), "both say how many"),
        (("--drags", "0"), "--drags: 0 is not possible; give 1 to"),
        (("--label", "3"), "no classes"),
        (("--point", "0.4,0.4>0.5,0.5"), "--point"),
        (("--method", "freedrag"), "--method"),
        (("--steps", "10"), "--steps"),
        (("--latent", "x.safetensors"), "--latent"),
    ],
)
def test_contradicting_benchmark_options_are_refused(run: Run, tmp_path: Path, options: tuple[str, ...], told: str):
    found = run("compare", "drag", "faces", *options, "--out", tmp_path / "out")
    assert found.code == 2
    assert told in found.err
    assert not (tmp_path / "out").exists()
