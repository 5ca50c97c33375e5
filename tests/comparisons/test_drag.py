"""The benchmark of drags on a generator whose code is a shift: what it measures has closed forms."""

import json
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
from ganvas.cli import drag_study
from ganvas.comparisons.drag import accuracy, command, pairs, trials
from ganvas.comparisons.drag.qualitative import DIRECTION, MASKED_SMILE, SMILE, landmarks, task_of
from ganvas.comparisons.drag.settings import QUICK, Settings, of_size
from ganvas.comparisons.drag.tasks import corners, draw
from ganvas.comparisons.drag.trials import Bench, along, read_trial, trial_path
from ganvas.comparisons.drag.yaw import HEAD, NOSE, smile
from ganvas.comparisons.records import claim_folder
from ganvas.drag import defaults
from ganvas.errors import GanvasError, RegionError, ResultFileError
from ganvas.generators.protocol import About
from ganvas.inversion.features import FeatureExtractor
from ganvas.regions import Region
from ganvas.regions.named import FACES
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.drag.sliding import SlidingGenerator
from tests.generators.small import small_stylegan2

SMALL = replace(of_size(3), steps=6, pairs=1, tracked=1)


class Plain:
    """Looks at the pixels themselves."""

    name = "a distance for tests"

    def __call__(self, images: Tensor) -> list[Tensor]:
        return [images]


LOOK: FeatureExtractor = Plain()


def quiet(what: str, done: int, total: int) -> None:
    pass


def bench(folder: Path, settings: Settings = SMALL, generator: object = None) -> Bench:
    return Bench(generator or SlidingGenerator(64), LOOK, settings, folder)


def pattern(seed: int) -> Tensor:
    return SlidingGenerator(64).synthesize(torch.randn(1, 3, generator=torch.Generator().manual_seed(seed)), "z")


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    torch.set_num_threads(1)


@examples(max_examples=20)
@given(number=st.integers(0, 500))
def test_tasks(number: int):
    drawn = draw(pattern(number), number, Settings())
    assert drawn == draw(pattern(number), number, Settings())
    assert math.dist(drawn.handle, drawn.target) == pytest.approx(drawn.length)
    assert all(0.12 <= at <= 0.88 for at in drawn.handle)
    assert all(0.05 < at < 0.95 for at in drawn.target)
    assert (drawn.back.handles, drawn.back.targets) == (drawn.there.targets, drawn.there.handles)
    mask = drawn.movable.mask(64, 64)[0]
    assert all(mask[int(y * 64), int(x * 64)] > 0.9 for x, y in (drawn.handle, drawn.target))


def test_a_third_of_each_length_is_of_low_texture():
    settings = Settings()
    for length in settings.lengths:
        mine = [n for n in range(180) if settings.length(n) == length]
        assert len(mine) == 60
        assert sum(settings.low_texture(n) for n in mine) == 20


def test_corners_lie_apart_and_where_they_may():
    found = corners(pattern(1), 8)
    gaps = [math.dist(a, b) for a in found for b in found if a is not b]
    assert min(gaps) > 0.04
    left = Region.box(0, 0, 0.5, 1).mask(64, 64)
    assert all(x < 0.5 for x, _ in corners(pattern(1), 8, left))
    assert corners(torch.zeros(1, 3, 64, 64), 8) == []


def test_the_benchmark_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text, paths = command.run(bench(tmp_path), "sliding", quiet)
    assert all(path.stat().st_size for path in paths)
    assert {"benchmark.md", "drags.jpg", "pairs.jpg"} <= {path.name for path in paths}
    before = {path.name: path.read_bytes() for path in (tmp_path / "trials").iterdir()}
    done = []
    real: Callable = trials.timed
    monkeypatch.setattr(trials, "timed", lambda *arguments: done.append(1) or real(*arguments))
    monkeypatch.setattr(pairs, "timed", lambda *arguments: done.append(1) or real(*arguments))
    assert command.run(bench(tmp_path), "sliding", quiet)[0] == text
    assert done == []
    command.run(bench(tmp_path, replace(SMALL, drags=4)), "sliding", quiet)
    assert len(done) == 2 * 3
    assert {name: (tmp_path / "trials" / name).read_bytes() for name in before} == before


def test_a_folder_of_other_rules_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever a drag follows from: settings, rules by which usual ones are found, the machine that took seconds."""
    record = command.record(bench(tmp_path))
    assert record["methods"]["freedrag"]["scale"] > 0
    claim_folder(tmp_path, record)
    claim_folder(tmp_path, command.record(bench(tmp_path, replace(SMALL, drags=4))))
    with pytest.raises(GanvasError, match=r"other settings.*\(here: settings\)"):
        command.run(bench(tmp_path, replace(SMALL, steps=7)), "sliding", quiet)
    monkeypatch.setattr(defaults, "default_radius", lambda resolution: 5.0)
    with pytest.raises(GanvasError, match=r"\(here: methods\)"):
        claim_folder(tmp_path, command.record(bench(tmp_path)))
    monkeypatch.undo()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    with pytest.raises(GanvasError, match=r"\(here: threads\)"):
        claim_folder(tmp_path, command.record(bench(tmp_path)))
    (tmp_path / "study.json").write_text("{", "utf-8")
    with pytest.raises(GanvasError, match=r"study.json' is damaged"):
        claim_folder(tmp_path, record)


def test_what_a_drag_did_is_what_the_code_says(tmp_path: Path):
    """The image slides by a tenth of the code: the truth of what the tracker says, there and back."""
    setting = bench(tmp_path, replace(SMALL, drags=1, steps=100, methods=("draggan",)))
    (trial,) = trials.trials(setting, quiet)
    codes = trials.codes_of(tmp_path, trial)
    start = setting.open(trial.drawn.seed).start
    for way, leg, goal in (
        ("there", trial.there, trial.drawn.target),
        ("back", trial.back, trial.drawn.handle),
    ):
        x, y = (0.1 * (codes[way] - start)[0, :2]).tolist()
        place = (trial.drawn.handle[0] + x, trial.drawn.handle[1] + y)
        assert leg.off == pytest.approx(math.dist(place, goal), abs=0.005)
        assert leg.along == pytest.approx(along(trial.drawn.handle, trial.drawn.target, place), abs=0.1)
    assert trial.there.along is not None
    assert trial.there.along > 0.2
    assert trial.back.distance < 0.1 * trial.there.distance
    assert trial.back.psnr > trial.there.psnr


def test_along():
    assert along((0.2, 0.2), (0.4, 0.2), (0.3, 0.9)) == pytest.approx(0.5)
    assert along((0.2, 0.2), (0.4, 0.4), (0.0, 0.0)) == pytest.approx(-1)


def test_pairs_are_as_far_as_the_code_says(tmp_path: Path):
    setting = bench(tmp_path)
    pair, session, second = pairs.pair_of(setting, 0)
    shift = 0.1 * (second - session.start)[0, :2].double()
    went = torch.tensor(pair.targets) - torch.tensor(pair.handles)
    assert (went - shift).abs().max() < 0.01
    assert pair.length == pytest.approx(float(shift.norm()), abs=0.01)
    again, _, same = pairs.pair_of(setting, 0)
    assert again == pair
    assert torch.equal(second, same)


def test_known_shifts_are_known():
    """Moving by splines is sliding, away from the border; a warped image shows what its places say."""
    generator = SlidingGenerator(64)
    still, slid = (generator.synthesize(torch.tensor([[10 * x / 64, 0.0, 0.0]]), "z") for x in (0.0, 2.3))
    shifted = accuracy.moved_by(still, torch.tensor([2.3, 0.0]).double().numpy())
    assert (shifted - slid)[..., 8:-8, 8:-8].abs().max() < 1e-3
    bent, places = accuracy.warped(still, 3)
    x, y = places[0, :, 30, 20].tolist()
    moved = generator.synthesize(torch.tensor([[10 * ((20.5 / 64) - x), 10 * ((30.5 / 64) - y), 0.0]]), "z")
    assert (bent - moved)[0, :, 30, 20].abs().max() < 0.02


def test_damaged_files_are_told(tmp_path: Path):
    setting = bench(tmp_path, replace(SMALL, drags=1))
    trials.trials(setting, quiet)
    path = trial_path(tmp_path, 0, "draggan")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ResultFileError):
        read_trial(path)


@pytest.mark.parametrize("drags", [1, 12, 200])
def test_sizes(drags: int):
    assert of_size(drags).drags == drags
    assert of_size(drags).pairs >= 1
    assert QUICK.drags < Settings().drags
    with pytest.raises(GanvasError, match="at least one"):
        of_size(0)


def test_named_drags(tmp_path: Path):
    generator = small_stylegan2(32)
    setting = bench(tmp_path, replace(SMALL, steps=3, learned=4), generator)
    text, paths = command.run_poster(setting, "nobody", FACES, 1, quiet)
    assert "Does the head turn?" in text
    turned = json.loads((tmp_path / "named.json").read_text("utf-8"))["turns, degrees"]
    assert {name: len(degrees) for name, degrees in turned.items()} == dict.fromkeys(
        ("draggan", "freedrag", smile("draggan"), smile("freedrag"), HEAD, NOSE), 1
    )
    assert {"face-direction.gif", "smile.webp", "smile-only-the-mouth-may-move.jpg"} <= {path.name for path in paths}
    with pytest.raises(RegionError, match="no region named nose"):
        command.run_poster(setting, "nobody", {}, 1, quiet)


def test_tasks_of_named_drags():
    at = landmarks(pattern(2), FACES)
    assert at["left mouth corner"][0] < at["right mouth corner"][0]
    (handle,), (target,) = (getattr(task_of(DIRECTION, at, FACES["mouth"]), what) for what in ("handles", "targets"))
    assert abs(target[0] - handle[0]) == pytest.approx(0.1)
    assert task_of(SMILE, at, FACES["mouth"]).movable is None
    smile = task_of(MASKED_SMILE, at, FACES["mouth"])
    assert smile.movable == FACES["mouth"]
    assert all(target[1] < handle[1] for handle, target in zip(smile.handles, smile.targets, strict=True))


def test_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drag_study, "of_size", lambda drags: replace(of_size(drags), steps=2, tracked=1))
    model = save_generator(tmp_path / "plain.safetensors", small_stylegan2(32), About("plain", "plain" * 9, {}))
    told = run("drag", model, "--benchmark", "--drags", "1", "--out", tmp_path / "out")
    assert told.code == 0, told.err
    assert "# Drags on plain" in told.out
    assert f"wrote {tmp_path / 'out' / 'benchmark.md'}" in told.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--benchmark", "--named"), "one of them"),
        (("--quick",), "one of them"),
        (("--benchmark", "--quick", "--drags", "3"), "both say how many"),
        (("--benchmark", "--drags", "0"), "give 1 or more"),
        (("--benchmark", "--point", "0.4,0.4>0.5,0.5"), "draws its own images and points"),
        (("--benchmark", "--rate", "0.1"), "draws its own images and points"),
        (("--benchmark", "--method", "freedrag"), "measures both methods"),
        (("--named", "--steps", "10"), "measures both methods"),
        (("--benchmark", "--frames", "0"), "measures both methods"),
        (("--benchmark", "--undo", "1"), "measures both methods"),
        (("--benchmark", "--latent", "x.safetensors"), "draws its own images"),
    ],
)
def test_options_that_contradict(run: Run, tmp_path: Path, options: tuple[str, ...], told: str):
    found = run("drag", "faces", *options, "--out", tmp_path / "out")
    assert found.code == 2
    assert told in found.err
    assert not (tmp_path / "out").exists()
