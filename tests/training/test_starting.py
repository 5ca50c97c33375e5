"""How runs start and resume: bit for bit, or with a record of what changed; other settings are refused by name."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.checkpoints.own_format import save_generator
from ganvas.errors import TrainingError
from ganvas.generators.protocol import About
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.images.datasets import ImageSet
from ganvas.training.gan import snapshots
from ganvas.training.gan.growing import unfitting_sizes
from ganvas.training.gan.networks import WARMUP_STEPS, InitialNetworks, tensors
from ganvas.training.gan.snapshots import TrainingState
from ganvas.training.gan.starting import fits, newest, read_initial, settings_of, sized_as
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.task import GANSettings
from ganvas.training.launch import RunOptions
from ganvas.training.log import read_log
from ganvas.training.train import rehearse
from tests.generators.small import small_stylegan2
from tests.training.tiny import BIG, CPU, DC, R3, STYLE, STYLE3, begin, differing, finish, go_on, unequal, write_images

pytestmark = pytest.mark.usefixtures("one_thread")
TIMES = {"images_per_second", "seconds"}


def numbers(folder: Path) -> list[dict]:
    return [{name: value for name, value in line.items() if name not in TIMES} for line in read_log(folder)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (replace(STYLE, path=2.0, path_every=2, r2=0.5, precision="bfloat16"), "adaptive"),
        (replace(STYLE, loss="relativistic", discriminator_warmup=3), "none"),
        (DC, "diff"),
        (replace(DC, loss="hinge"), "adaptive"),
        (BIG, "diff"),
        (R3, "diff"),
        (replace(R3, precision="bfloat16"), "adaptive"),
        (replace(STYLE3, blur_images=48, precision="bfloat16"), "adaptive"),
        (replace(BIG, discriminator_steps=2, precision="bfloat16"), "adaptive"),
    ],
    ids=[
        "path and adaptive",
        "relativistic",
        "dcgan",
        "dcgan adaptive",
        "biggan",
        "r3gan",
        "r3gan adaptive",
        "stylegan3",
        "biggan adaptive",
    ],
)
def test_resumed_run_is_bit_identical_to_the_uninterrupted_one(tmp_path: Path, settings: GANSettings, kind: str):
    whole = begin(settings, tmp_path / "whole", 96, kind=kind, sheet_every=48)
    finish(whole)
    finish(begin(settings, tmp_path / "cut", 32, kind=kind, sheet_every=48))
    resumed = go_on(settings, tmp_path / "cut", 96, kind=kind, sheet_every=48)
    finish(resumed)
    assert differing(whole.networks, resumed.networks) == []
    assert whole.state == resumed.state
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "cut")
    for name in ("generator.safetensors", "sheet-000000096.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
    for one, other in zip(*(snapshots.all_in(tmp_path / name) for name in ("whole", "cut")), strict=True):
        assert unequal(snapshots.read(one).tensors, snapshots.read(other).tensors) == []


def test_resumed_run_continues_the_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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


def test_weights_only_snapshot_warms_up_and_is_logged_as_joined(tmp_path: Path):
    first = begin(STYLE, tmp_path / "run", 32, weights_every=32, snapshot_every=0)
    finish(first)
    weights = tmp_path / "run" / "weights-000000032.safetensors"
    run = go_on(STYLE, tmp_path / "run", 64, path=str(weights))
    assert run.state.fresh_since == 4
    run.step()
    learning_rate = run.networks.generator_optimizer.param_groups[0]["lr"]
    assert learning_rate == pytest.approx(STYLE.learning_rate / WARMUP_STEPS)
    for old, new in zip(first.networks.generator.parameters(), run.networks.generator.parameters(), strict=True):
        torch.testing.assert_close(new, old, atol=0.05, rtol=0.01)
    finish(run)
    joins = [line for line in read_log(tmp_path / "run") if line.get("event") == "joined"]
    assert joins == [{"event": "joined", "images": 32, "from": weights.name}]
    again = go_on(STYLE, tmp_path / "run", 72)
    assert again.state.fresh_since == 4  # the lr_warmup up goes on


def test_run_resumed_during_the_warmup_is_bit_identical(tmp_path: Path):
    finish(begin(DC, tmp_path / "first", 16, weights_every=16))
    weights = str(tmp_path / "first" / "weights-000000016.safetensors")
    whole = go_on(DC, tmp_path / "whole", 64, path=weights)
    finish(whole)
    finish(go_on(DC, tmp_path / "cut", 32, path=weights))
    cut = go_on(DC, tmp_path / "cut", 64)
    finish(cut)
    assert differing(whole.networks, cut.networks) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": 1e-3}, "learning_rate was 0.0025, now 0.001"),
        ({"channels": (8, 8, 4)}, r"channels was \(8, 8, 8\), now \(8, 8, 4\)"),
        ({"seed": 3, "batch": 4}, "batch was 8, now 4; seed was 0, now 3"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, changes: dict, said: str):
    finish(begin(STYLE, tmp_path / "run", 16))
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(TrainingError, match=f"has other settings: {said}. Give those, or --change"):
        go_on(replace(STYLE, **changes), tmp_path / "run", 32)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_other_augmentation_and_family_are_refused_by_name(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 16))
    with pytest.raises(TrainingError, match="augment was none, now adaptive"):
        go_on(STYLE, tmp_path / "run", 32, kind="adaptive")
    with pytest.raises(TrainingError, match="family was stylegan2, now dcgan"):
        go_on(DC, tmp_path / "run", 32)


def test_allowed_changes_are_applied_and_logged(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 16, kind="adaptive"))
    other = replace(STYLE, learning_rate=1e-3, batch=4)
    run = go_on(other, tmp_path / "run", 32, change=True)
    finish(run)
    assert run.state.images == 32
    assert run.networks.generator_optimizer.param_groups[0]["lr"] == 1e-3
    assert "strength" not in run.networks.extra
    assert [line for line in read_log(tmp_path / "run") if line.get("event") == "changed"] == [
        {
            "event": "changed",
            "images": 16,
            "settings": "augment was adaptive, now none; batch was 8, now 4; learning_rate was 0.0025, now 0.001",
        }
    ]
    with pytest.raises(TrainingError, match="generator has other layers"):
        go_on(replace(STYLE, channels=(8, 8, 4)), tmp_path / "run", 48, change=True)


def test_precision_may_change_when_resuming(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 16))
    assert finish(go_on(replace(STYLE, precision="bfloat16"), tmp_path / "run", 32))[-1].images == 32


def test_resuming_from_an_older_snapshot_sets_later_files_aside(tmp_path: Path):
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


def test_folder_with_a_run_is_refused_for_a_new_one(tmp_path: Path):
    folder = tmp_path / "run"
    finish(begin(DC, folder, 16))
    for attempt in (lambda: begin(DC, folder, 16), lambda: begin(STYLE, folder, 16)):
        with pytest.raises(TrainingError, match="holds a run already: go on with --resume auto, or give another --out"):
            attempt()
    finish(begin(DC, tmp_path / "other", 16))
    with pytest.raises(TrainingError, match="holds a run already"):
        go_on(DC, folder, 32, path=str(tmp_path / "other" / "snapshot-000000016.safetensors"))


def test_missing_snapshot_is_refused(tmp_path: Path):
    with pytest.raises(TrainingError, match="holds no snapshot to resume from; start without --resume"):
        go_on(DC, tmp_path / "run", 32)
    with pytest.raises(TrainingError, match="no file 'nowhere'"):
        go_on(DC, tmp_path / "run", 32, path="nowhere")


def test_damaged_snapshot_is_refused_and_an_older_one_resumes(tmp_path: Path):
    folder = tmp_path / "run"
    finish(begin(DC, folder, 64))
    latest, older = newest(folder), folder / "snapshot-000000032.safetensors"
    latest.write_bytes(latest.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="not a readable safetensors file"):
        go_on(DC, folder, 96)
    assert finish(go_on(DC, folder, 96, path=str(older)))[-1].images == 96


def test_settings_of_another_version_are_refused():
    with pytest.raises(TrainingError, match="does not know"):
        settings_of({"family": "stylegan9"})
    with pytest.raises(TrainingError, match="does not know"):
        settings_of({"family": "dcgan", "color": 3})


def test_settings_survive_json():
    for settings in (STYLE, DC, BIG, STYLE3, R3):
        assert settings_of(json.loads(json.dumps(vars(settings)))) == settings


def test_run_started_from_a_generator_has_its_weights(tmp_path: Path):
    source = InitialNetworks(STYLE.build(CPU).average)
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
        begin(replace(DC, width=8), tmp_path / "c", 8, source=InitialNetworks(DC.build(CPU).average))
    same = begin(replace(DC, seed=9), tmp_path / "d", 8, source=InitialNetworks(DC.build(CPU).average))
    assert torch.equal(same.networks.generator.colors.weight, DC.build(CPU).generator.colors.weight)


@pytest.mark.parametrize(("fresh_since", "warmup"), [(0, 0), (0, 3), (5, 3)])
def test_learning_rates_warm_up_from_each_networks_first_step(tmp_path: Path, fresh_since: int, warmup: int):
    """Each network's rate is (k + 1) / 200 of its own, k being the steps that it has learned with a fresh optimizer; a
    network that does not learn yet has rate 0 and keeps its weights bit for bit.
    """
    settings = replace(STYLE, discriminator_warmup=warmup, learning_rate=2e-3, discriminator_learning_rate=1e-3, r1=0.0)
    run = begin(settings, tmp_path / "run", 800, source=InitialNetworks(STYLE.build(CPU).average))
    run.state = TrainingState(fresh_since, 0, fresh_since)
    starts = {"generator": max(fresh_since, warmup), "discriminator": fresh_since}
    rates = {"generator": 2e-3, "discriminator": 1e-3}
    for step in range(fresh_since, fresh_since + 5):
        before = {name: [p.detach().clone() for p in net.parameters()] for name, net in run.networks.modules.items()}
        run.step()
        for name, optimizer in run.networks.optimizers.items():
            learned = step - starts[name]
            expected = rates[name] * max(0, learned + 1) / WARMUP_STEPS
            assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, abs=1e-12), (name, step)
            now = list(run.networks.modules[name].parameters())
            unchanged = all(torch.equal(a, b) for a, b in zip(before[name], now, strict=True))
            assert unchanged == (learned < 0), (name, step)


def test_run_from_random_weights_has_no_warmup(tmp_path: Path):
    run = begin(DC, tmp_path / "new", 80)
    assert run.state.fresh_since is None
    run.step()
    assert run.networks.generator_optimizer.param_groups[0]["lr"] == DC.learning_rate


def test_growing_from_one_source_is_deterministic(tmp_path: Path):
    larger = replace(STYLE, channels=(8, 8, 8, 8), discriminator_channels=(8, 8, 8, 8))
    source = STYLE.build(CPU)
    assert unequal(tensors(larger.build(CPU, source)), tensors(larger.build(CPU, source))) == []


def test_learning_rates_decay_at_the_end_and_a_resumed_run_is_bit_identical(tmp_path: Path):
    whole = begin(DC, tmp_path / "whole", 64, lr_decay_images=32, snapshot_every=8)
    rates = []
    for event in whole.events():
        if event.kind == "step":
            rates.append(whole.networks.discriminator_optimizer.param_groups[0]["lr"] / DC.discriminator_learning_rate)
    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    cut = go_on(
        DC, tmp_path / "cut", 64, lr_decay_images=32, path=str(tmp_path / "whole" / "snapshot-000000048.safetensors")
    )
    finish(cut)
    assert differing(whole.networks, cut.networks) == []


def own_generator(tmp_path: Path) -> tuple[StyleGAN2, str]:
    """Return a generator of sizes that no default has, and its file."""
    generator = small_stylegan2(16, "resnet", width=6, z_dim=7)
    return generator, str(save_generator(tmp_path / "own.safetensors", generator, About("own", "")))


def test_sizes_that_are_not_given_are_those_of_the_generator_to_start_from(tmp_path: Path):
    generator, file = own_generator(tmp_path)
    settings = StyleGAN2Settings.standard(**sized_as(file, {"batch": 8}))
    assert settings.architecture == replace(generator.architecture, clamp=None)
    built = settings.build(CPU, read_initial(file)).average
    ws = generator.map(generator.sample([3]))
    torch.testing.assert_close(built.synthesize(ws, "w+"), generator.synthesize(ws, "w+"), rtol=0, atol=1e-5)
    torch.testing.assert_close(built.map(built.sample([3])), ws, rtol=0, atol=1e-5)


def test_sizes_that_are_given_count_and_finer_maps_are_no_wider_than_its_own(tmp_path: Path):
    generator = small_stylegan2(16, width=6)
    file = str(save_generator(tmp_path / "own.safetensors", generator, About("own", "")))
    assert sized_as(file, {"resolution": 32})["channels"] == (5, 5, 5, 5)
    assert "channels" not in sized_as(file, {"resolution": 8})  # else the resolution of the channels would win
    assert sized_as(file, {"channels": "8,8,8"})["channels"] == "8,8,8"
    assert "channels" not in sized_as(file, {"channel_max": 8})
    assert "hidden" not in sized_as(file, {"mapping_layers": 3})
    assert sized_as(None, {"z_dim": 4}) == {"z_dim": 4}


def test_all_sizes_that_differ_are_named_in_one_message(tmp_path: Path):
    _, file = own_generator(tmp_path)
    with pytest.raises(TrainingError) as refusal:
        STYLE.build(CPU, read_initial(file))
    for name in ("z_dim is 7, not 8", "w_dim is 6", "hidden is", "kind is resnet, not skip", "own"):
        assert name in str(refusal.value)


@pytest.mark.parametrize("kind", ["resnet", "orig"])
def test_only_skip_generators_grow(tmp_path: Path, kind: str):
    source = small_stylegan2(8, kind).architecture
    larger = replace(source, resolution=16, channels=(5, 5, 5))
    assert unfitting_sizes(larger, source) == [f"resolution is 8, and one of kind {kind} does not grow"]
    assert unfitting_sizes(replace(larger, kind="skip"), replace(source, kind="skip")) == []


@pytest.mark.slow
def test_own_generator_of_others_is_trained_on_without_its_sizes(shared: Path, tmp_path: Path):
    """NVlabs' file of a user: 8 pixels, z of 8 numbers, two mapping layers."""
    data = shared / "cases" / "10-labels-of-a-data-set" / "labelled.zip"
    options = RunOptions(start=str(shared / "cases" / "11-start-from-own-generator" / "control.pkl"))
    with pytest.warns(UserWarning, match="3 classes|no discriminator") as warned:
        found = rehearse(data, options=options)
    assert found.data.count == 40
    assert len([one for one in warned if "dataset.json" in str(one.message)]) == 1
    assert len([one for one in warned if "NVIDIA file is not used" in str(one.message)]) == 1


@pytest.mark.slow
def test_labels_that_are_not_used_are_said_once(tmp_path: Path):
    folder = write_images(tmp_path / "images", 20, (32, 32))
    labels = [[f"{number:02}.png", number % 2] for number in range(20)]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.warns(UserWarning, match=r"gives 2 classes, which a dcgan does not use; ganvas train biggan learns"):
        rehearse(folder, DC)


@pytest.mark.parametrize(
    ("given", "fitting"),
    [({}, True), ({"resolution": 256}, True), ({"resolution": 64}, False), ({"z_dim": 128}, False)],
    ids=str,
)
def test_whether_a_run_could_start_from_the_bundled_faces(given: dict, fitting: bool):
    assert fits(StyleGAN2Settings.standard(**sized_as("faces", given)), "faces") is fitting


def test_a_dcgan_could_not_start_from_the_bundled_faces():
    assert not fits(DC, "faces")
