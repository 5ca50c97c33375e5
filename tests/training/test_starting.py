"""How runs begin and go on: bit for bit, or with a note of what changed; other settings are refused by name."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.errors import TrainingError
from ganvas.images.datasets import ImageSet
from ganvas.training.gan import snapshots
from ganvas.training.gan.networks import WARMING_STEPS, Source, tensors
from ganvas.training.gan.run import Recipe
from ganvas.training.gan.starting import newest, recipe_of
from ganvas.training.log import read_log
from tests.training.tiny import CPU, DC, STYLE, begin, differing, finish, go_on, unequal

pytestmark = pytest.mark.usefixtures("one_thread")
SAME = {"rate", "seconds"}


def numbers(folder: Path) -> list[dict]:
    return [{name: value for name, value in line.items() if name not in SAME} for line in read_log(folder)]


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        (replace(STYLE, path=2.0, path_every=2, r2=0.5, precision="bfloat16"), "adaptive"),
        (replace(STYLE, objective="relativistic", discriminator_warmup=3), "none"),
        (DC, "diff"),
        (replace(DC, objective="hinge"), "adaptive"),
    ],
    ids=["path and adaptive", "relativistic", "dcgan", "dcgan adaptive"],
)
def test_resumed_is_bit_for_bit_the_run_never_stopped(tmp_path: Path, recipe: Recipe, kind: str):
    whole = begin(recipe, tmp_path / "whole", 96, kind=kind, sheet_every=48)
    finish(whole)
    finish(begin(recipe, tmp_path / "cut", 32, kind=kind, sheet_every=48))
    resumed = go_on(recipe, tmp_path / "cut", 96, kind=kind, sheet_every=48)
    finish(resumed)
    assert differing(whole.networks, resumed.networks) == []
    assert whole.progress == resumed.progress
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "cut")
    for name in ("generator.safetensors", "sheet-000000096.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
    for one, other in zip(*(snapshots.all_in(tmp_path / name) for name in ("whole", "cut")), strict=True):
        assert unequal(snapshots.read(one).tensors, snapshots.read(other).tensors) == []


def test_data_do_not_repeat_where_the_run_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []

    def batch(self: ImageSet, indices: np.ndarray, device: object = "cpu") -> torch.Tensor:
        seen.extend(indices)
        return torch.zeros(len(indices), 3, 32, 32)

    monkeypatch.setattr(ImageSet, "batch", batch)
    finish(begin(DC, tmp_path / "run", 24))
    finish(go_on(DC, tmp_path / "run", 40))
    after_the_cut = seen[-16:]
    finish(begin(DC, tmp_path / "other", 40))
    assert seen[-16:] == after_the_cut
    assert len(set(seen[-40:])) == 40  # an epoch


def test_a_slim_snapshot_warms_up_and_marks_the_join(tmp_path: Path):
    first = begin(STYLE, tmp_path / "run", 32, slim_every=32, snapshot_every=0)
    finish(first)
    slim = tmp_path / "run" / "slim-000000032.safetensors"
    run = go_on(STYLE, tmp_path / "run", 64, path=str(slim))
    assert run.progress.fresh_since == 4
    run.step()
    rate = run.networks.generator_optimizer.param_groups[0]["lr"]
    assert rate == pytest.approx(STYLE.rate / WARMING_STEPS)
    for old, new in zip(first.networks.generator.parameters(), run.networks.generator.parameters(), strict=True):
        torch.testing.assert_close(new, old, atol=0.05, rtol=0.01)
    finish(run)
    joins = [line for line in read_log(tmp_path / "run") if line.get("event") == "joined"]
    assert joins == [{"event": "joined", "images": 32, "from": slim.name}]
    again = go_on(STYLE, tmp_path / "run", 72)
    assert again.progress.fresh_since == 4  # the warming up goes on


def test_resumed_while_warming_up_is_bit_for_bit(tmp_path: Path):
    finish(begin(DC, tmp_path / "first", 16, slim_every=16))
    slim = str(tmp_path / "first" / "slim-000000016.safetensors")
    whole = go_on(DC, tmp_path / "whole", 64, path=slim)
    finish(whole)
    finish(go_on(DC, tmp_path / "cut", 32, path=slim))
    cut = go_on(DC, tmp_path / "cut", 64)
    finish(cut)
    assert differing(whole.networks, cut.networks) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": 1e-3}, "rate was 0.0025, now 0.001"),
        ({"channels": (8, 8, 4)}, r"channels was \(8, 8, 8\), now \(8, 8, 4\)"),
        ({"seed": 3, "batch": 4}, "batch was 8, now 4; seed was 0, now 3"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, changes: dict, said: str):
    finish(begin(STYLE, tmp_path / "run", 16))
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(TrainingError, match=f"made with other settings: {said}. Give those, or --change"):
        go_on(replace(STYLE, **changes), tmp_path / "run", 32)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_other_augmentation_and_family_are_refused(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 16))
    with pytest.raises(TrainingError, match="augment was none, now adaptive"):
        go_on(STYLE, tmp_path / "run", 32, kind="adaptive")
    with pytest.raises(TrainingError, match="family was stylegan2, now dcgan"):
        go_on(DC, tmp_path / "run", 32)


def test_change_goes_on_with_other_settings_and_says_so(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 16, kind="adaptive"))
    other = replace(STYLE, rate=1e-3, batch=4)
    run = go_on(other, tmp_path / "run", 32, change=True)
    finish(run)
    assert run.progress.images == 32
    assert run.networks.generator_optimizer.param_groups[0]["lr"] == 1e-3
    assert "strength" not in run.networks.extra
    assert [line for line in read_log(tmp_path / "run") if line.get("event") == "changed"] == [
        {
            "event": "changed",
            "images": 16,
            "settings": "augment was adaptive, now none; batch was 8, now 4; rate was 0.0025, now 0.001",
        }
    ]
    with pytest.raises(TrainingError, match="generator has other layers"):
        go_on(replace(STYLE, channels=(8, 8, 4)), tmp_path / "run", 48, change=True)


def test_another_precision_needs_no_leave(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 16))
    assert finish(go_on(replace(STYLE, precision="bfloat16"), tmp_path / "run", 32))[-1].images == 32


def test_going_back_sets_aside_what_was_given_up(tmp_path: Path):
    folder = tmp_path / "run"
    finish(begin(DC, folder, 96, sheet_every=32))
    older = folder / "snapshot-000000032.safetensors"
    finish(go_on(DC, folder, 64, path=str(older), sheet_every=32))
    assert sorted(path.name for path in (folder / "superseded").iterdir()) == [
        *(f"sheet-{n:09d}.png" for n in (64, 96)),
        *(f"snapshot-{n:09d}.safetensors" for n in (64, 96)),
    ]
    assert [line["images"] for line in read_log(folder)] == [16, 32, 48, 64]
    assert newest(folder).name == "snapshot-000000064.safetensors"


def test_a_folder_that_holds_a_run_is_not_begun_in(tmp_path: Path):
    folder = tmp_path / "run"
    finish(begin(DC, folder, 16))
    for attempt in (lambda: begin(DC, folder, 16), lambda: begin(STYLE, folder, 16)):
        with pytest.raises(TrainingError, match="holds a run already: go on with --resume auto, or give another --out"):
            attempt()
    finish(begin(DC, tmp_path / "other", 16))
    with pytest.raises(TrainingError, match="holds a run already"):
        go_on(DC, folder, 32, path=str(tmp_path / "other" / "snapshot-000000016.safetensors"))


def test_nothing_to_go_on_from(tmp_path: Path):
    with pytest.raises(TrainingError, match="holds no snapshot to go on from; start without --resume"):
        go_on(DC, tmp_path / "run", 32)
    with pytest.raises(TrainingError, match="no file 'nowhere'"):
        go_on(DC, tmp_path / "run", 32, path="nowhere")


def test_a_damaged_snapshot_is_told_and_an_older_one_serves(tmp_path: Path):
    folder = tmp_path / "run"
    finish(begin(DC, folder, 64))
    latest, older = newest(folder), folder / "snapshot-000000032.safetensors"
    latest.write_bytes(latest.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="not a readable safetensors file"):
        go_on(DC, folder, 96)
    assert finish(go_on(DC, folder, 96, path=str(older)))[-1].images == 96


def test_settings_of_another_version_are_told():
    with pytest.raises(TrainingError, match="does not know"):
        recipe_of({"family": "stylegan9"})
    with pytest.raises(TrainingError, match="does not know"):
        recipe_of({"family": "dcgan", "color": 3})


def test_recipes_travel_through_json():
    for recipe in (STYLE, DC):
        assert recipe_of(json.loads(json.dumps(vars(recipe)))) == recipe


def test_begun_from_another_generator(tmp_path: Path):
    source = Source(STYLE.build(CPU).average)
    run = begin(
        replace(STYLE, channels=(8, 8, 8, 4), discriminator_channels=(8, 8, 8, 4), seed=5),
        tmp_path / "a",
        8,
        source=source,
    )
    assert torch.equal(run.networks.average.synthesis.blocks["b4"].const, source.generator.synthesis.blocks["b4"].const)
    with pytest.raises(TrainingError, match="A dcgan starts from another dcgan, not from a stylegan2"):
        begin(DC, tmp_path / "b", 8, source=source)
    with pytest.raises(TrainingError, match="starts from one of the same sizes"):
        begin(replace(DC, width=8), tmp_path / "c", 8, source=Source(DC.build(CPU).average))
    same = begin(replace(DC, seed=9), tmp_path / "d", 8, source=Source(DC.build(CPU).average))
    assert torch.equal(same.networks.generator.colors.weight, DC.build(CPU).generator.colors.weight)


def test_both_networks_warm_up_from_their_first_step_after_a_start_from_another(tmp_path: Path):
    recipe = replace(STYLE, discriminator_warmup=3, rate=2e-3, discriminator_rate=1e-3, r1=0.0)
    run = begin(recipe, tmp_path / "run", 80, source=Source(STYLE.build(CPU).average))
    rates = []
    for _ in range(5):
        run.step()
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in run.networks.optimizers.values()])
    generator, discriminator = (np.array(each) * WARMING_STEPS for each in zip(*rates, strict=True))
    assert generator == pytest.approx(2e-3 * np.array([0, 0, 0, 1, 2]))
    assert discriminator == pytest.approx(1e-3 * np.array([1, 2, 3, 4, 5]))
    assert begin(recipe, tmp_path / "new", 80).progress.fresh_since is None


def test_two_processes_that_grow_from_one_source_are_equal(tmp_path: Path):
    larger = replace(STYLE, channels=(8, 8, 8, 8), discriminator_channels=(8, 8, 8, 8))
    source = STYLE.build(CPU)
    assert unequal(tensors(larger.build(CPU, source)), tensors(larger.build(CPU, source))) == []


def test_rates_fall_towards_the_end_and_a_resumed_run_is_the_same(tmp_path: Path):
    whole = begin(DC, tmp_path / "whole", 64, cool=32, snapshot_every=8)
    rates = []
    for event in whole.events():
        if event.kind == "step":
            rates.append(whole.networks.discriminator_optimizer.param_groups[0]["lr"] / DC.discriminator_rate)
    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    cut = go_on(DC, tmp_path / "cut", 64, cool=32, path=str(tmp_path / "whole" / "snapshot-000000048.safetensors"))
    finish(cut)
    assert differing(whole.networks, cut.networks) == []
