"""``ganvas sample``: mixing, and generators of every kind of prior."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images.saving import ImageFiles
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return small generators: z only, with layers, and with classes."""
    folder = tmp_path_factory.mktemp("generators")
    made = {"dcgan": small_dcgan(), "plain": small_stylegan2(16), "classes": small_stylegan2(8, label_dim=3)}
    return {
        name: save_generator(folder / f"{name}.safetensors", one, About(name, "", {})) for name, one in made.items()
    }


@pytest.mark.slow
def test_mixing_writes_a_sheet_and_the_mixed_codes(run: Run, tmp_path: Path):
    options = ("--seeds", "42,54", "--mix", "7,38,24", "--layers", "coarse", "--layers", "8-9", "--truncation", "0.5")
    outcome = run("sample", "faces", *options, "--out", tmp_path, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    assert list(summary["layers"].values()) == [[0, 1, 2, 3], [8, 9]]
    latent = ganvas.load_latent(tmp_path / "latent.safetensors")
    assert (latent.space, len(latent), latent.seeds[:4]) == ("w+", 12, (42, 42, 42, 54))
    assert latent.names[0] == "seed 42, coarse layers (0-3) of seed 7"
    faces = ganvas.load("faces")
    kept, taken = (ganvas.sample(faces, seeds, truncation=0.5) for seeds in ([42, 54], [7, 38, 24]))
    expected = torch.cat([ganvas.mix_grid(faces, kept, taken, layers).codes for layers in ("0-3", "8-9")])
    torch.testing.assert_close(latent.codes, expected)
    with Image.open(tmp_path / "sample.png") as sheet:
        assert sheet.width > 4 * 128
        assert sheet.height > 5 * 128


def test_mixing_takes_the_groups_that_there_are(run: Run, files: dict[str, Path], tmp_path: Path):
    outcome = run("sample", files["plain"], "--mix", "9", "--out", tmp_path, "--json")
    assert outcome.err == ""
    assert list(json.loads(outcome.out)["layers"].values()) == [[0, 1, 2, 3], [4, 5]]
    assert ganvas.load_latent(tmp_path / "latent.safetensors").seeds[:5] == (0, 1, 2, 3, 0)


def test_a_latent_file_can_be_mixed(run: Run, files: dict[str, Path], tmp_path: Path):
    assert run("sample", files["classes"], "--seeds", "0-1", "--label", "2", "--out", tmp_path / "a").code == 0
    options = ("--latent", tmp_path / "a" / "latent.safetensors", "--mix", "5", "--layers", "0-1")
    assert run("sample", files["classes"], *options, "--out", tmp_path / "b").err == ""
    mixed = ganvas.load_latent(tmp_path / "b" / "latent.safetensors")
    generator = ganvas.load(files["classes"])
    source = generator.map(generator.sample([5]), "w", label=2, truncation=0.7)
    assert (mixed.label, mixed.truncation) == (2, 0.7)
    torch.testing.assert_close(mixed.codes[:, :2], source.expand(2, 2, -1))


def test_z_only_generators_are_sampled_at_their_truncated_codes(run: Run, files: dict[str, Path], tmp_path: Path):
    outcome = run("sample", files["dcgan"], "--seeds", "3,5", "--truncation", "0.5", "--out", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    latent = ganvas.load_latent(tmp_path / "latent.safetensors")
    generator = ganvas.load(files["dcgan"])
    assert (latent.space, latent.truncation) == ("z", 0.5)
    assert torch.equal(latent.codes, generator.sample([3, 5]))
    torch.testing.assert_close(next(latent.images(generator)), generator.synthesize(0.5 * latent.codes, "z"))


def test_generators_with_classes_need_a_label(run: Run, files: dict[str, Path], tmp_path: Path):
    assert "needs a label" in run("sample", files["classes"], "--out", tmp_path).err
    assert run("sample", files["classes"], "--seeds", "0", "--label", "1", "--out", tmp_path).code == 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dcgan", ("--mix", "3"), "Styles cannot be mixed here"),
        ("dcgan", ("--label", "3"), "no classes"),
        ("dcgan", ("--truncation-layers", "2"), "Truncation of 2 layers is not possible"),
        ("plain", ("--layers", "0-3"), "give --mix, or leave --layers out"),
        ("plain", ("--mix", "3", "--columns", "2"), "leave --columns out"),
        ("plain", ("--mix", "3", "--layers", "fine"), "has no fine layers"),
        ("plain", ("--mix", "x"), "'x' does not name seeds"),
        ("plain", ("--mix", "0-99", "--seeds", "0-99"), "are too many for one sheet"),
        ("plain", ("--columns", "0"), "--columns: 0 is not possible"),
    ],
)
def test_sample_refuses_wrong_options(
    run: Run, files: dict[str, Path], tmp_path: Path, name: str, options: tuple[str, ...], message: str
):
    outcome = run("sample", files[name], *options, "--out", tmp_path / "none")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_z_only_generators_get_directions_and_edits_and_take_arrays(run: Run, files: dict[str, Path], tmp_path: Path):
    region = ("--region", "box:0.2,0.2,0.6,0.6", "--seeds", "0", "--count", "2", "--strength", "-2:2:3")
    outcome = run("directions", files["dcgan"], *region, "--space", "z", "--out", tmp_path / "found", "--json")
    assert outcome.err == ""
    found = ganvas.load_directions(tmp_path / "found" / "directions.safetensors")
    array = tmp_path / "z.npy"
    np.save(array, found.vectors.numpy())
    for directions, space in ((tmp_path / "found" / "directions.safetensors", ()), (array, ("--space", "z"))):
        options = ("--seeds", "1", "--strength", "-2,0,2", "--frames", "0", "--region", "box:0.2,0.2,0.6,0.6", "--json")
        edited = run("edit", files["dcgan"], directions, *options, *space, "--out", tmp_path / "edit", "--overwrite")
        assert (edited.code, edited.err) == (0, "")
        inside, outside = (json.loads(edited.out)["changes"][0][where] for where in ("inside", "outside"))
        assert inside[0] > outside[0] > 0
    wrong = run("edit", files["dcgan"], array, "--space", "w", "--out", tmp_path / "edit", "--overwrite")
    assert (wrong.code, "space" in wrong.err) == (2, True)


@pytest.mark.slow
def test_every_seed_has_a_file_at_the_generators_size_beside_the_sheet(run: Run, shared: Path, tmp_path: Path):
    model = shared / "cases" / "05-full-size" / "512px.pkl"
    outcome = run("sample", model, "--seeds", "12", "--out", tmp_path / "sample", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    generator = ganvas.load(model)
    expected = generator.synthesize(ganvas.sample(generator, [12], truncation=0.7))
    image = ganvas.read_image(tmp_path / "sample" / "images" / "seed0012.png")
    assert image.shape == (1, 3, 512, 512)
    assert (image - expected.clamp(-1, 1)).abs().max() <= 0.5 / 127.5 + 1e-4
    assert ganvas.read_image(tmp_path / "sample" / "sample.png").shape[-1] < 4 * 512


def test_images_are_smaller_or_deeper_on_request(run: Run, files: dict[str, Path], tmp_path: Path):
    given = ("sample", files["plain"], "--seeds", "3")
    assert run(*given, "--size", "7", "--bits", "16", "--out", tmp_path / "a").code == 0
    data = (tmp_path / "a" / "images" / "seed0003.png").read_bytes()
    assert (int.from_bytes(data[16:20], "big"), data[24]) == (7, 16)
    for options, words in (
        (("--size", "17"), "fewer than a size of 17"),
        (("--size", "0"), "--size: 0 is not possible; give 1 to 4,096"),
        (("--bits", "12"), "--bits"),
    ):
        outcome = run(*given, *options, "--out", tmp_path / "none")
        assert (outcome.code, words in outcome.err) == (2, True), outcome.err
    assert not (tmp_path / "none").exists()


def test_one_image_goes_into_one_file(run: Run, files: dict[str, Path], tmp_path: Path):
    out = tmp_path / "x.jpg"
    assert run("sample", files["plain"], "--seeds", "3", "--out", out).code == 0
    assert ganvas.read_image(out).shape == (1, 3, 16, 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jpg"]
    assert "exists already" in run("sample", files["plain"], "--seeds", "4", "--out", out).err
    assert run("sample", files["plain"], "--seeds", "4", "--out", out, "--overwrite").code == 0
    outcome = run("sample", files["plain"], "--seeds", "3-4", "--out", tmp_path / "y.png")
    assert (outcome.code, "2 images result" in outcome.err) == (2, True)


def test_any_number_of_seeds_is_written_as_they_come(
    run: Run, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ganvas.cli.options.SEEDS_AT_ONCE", 8)
    monkeypatch.setattr("ganvas.reports.samples_report.MOST_ON_SHEET", 10)
    monkeypatch.setattr("ganvas.generators.at_once.PIXELS_AT_ONCE", 3 * 64)
    labels = [seed % 3 for seed in range(21)]
    given = ("sample", files["classes"], "--seeds", "0-20", "--label", ",".join(map(str, labels)))
    outcome = run(*given, "--out", tmp_path / "a", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert len(list((tmp_path / "a" / "images").glob("seed*.png"))) == 21
    latent, generator = ganvas.load_latent(tmp_path / "a" / "latent.safetensors"), ganvas.load(files["classes"])
    expected = ganvas.sample(generator, range(21), label=labels, truncation=0.7)
    assert (latent.seeds, latent.label) == (expected.seeds, tuple(labels))
    torch.testing.assert_close(latent.codes, expected.codes)
    monkeypatch.setattr("ganvas.reports.samples_report.MOST_CODES", 20)
    outcome = run(*given, "--out", tmp_path / "b")
    assert "no latent file above 20 images" in outcome.out
    assert "sample.png shows the first 10 images" in outcome.out
    assert not (tmp_path / "b" / "latent.safetensors").exists()
    refused = run("sample", files["classes"], "--seeds", "0-20", "--label", "1,2", "--out", tmp_path / "c")
    assert (refused.code, "2 labels do not fit 21 seeds" in refused.err) == (2, True)
    assert not (tmp_path / "c").exists()


def test_interrupt_keeps_what_is_finished_and_the_same_command_goes_on(
    run: Run, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ganvas.generators.at_once.PIXELS_AT_ONCE", 2 * 256)
    given = ("sample", files["plain"], "--seeds", "0-8", "--out", tmp_path)
    write, written = ImageFiles.write, []

    def stopping(self: ImageFiles, path: Path, image: torch.Tensor) -> Path:
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(path.name)
        return write(self, path, image)

    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, "write", stopping)
        assert run(*given).code == 130
    assert ganvas.load_latent(tmp_path / "latent.safetensors").seeds == (0, 1, 2, 3)
    assert len(list((tmp_path / "images").glob("*.png"))) == 4
    made = []
    monkeypatch.setattr(
        ImageFiles, "write", lambda self, path, image: made.append(path.name) or write(self, path, image)
    )
    assert run(*given).code == 0
    assert made == [f"seed{seed:04}.png" for seed in range(4, 9)]
    assert ganvas.load_latent(tmp_path / "latent.safetensors").seeds == tuple(range(9))
    with Image.open(tmp_path / "sample.png") as sheet:
        assert sheet.width > 3 * 128


@pytest.mark.float32
def test_noise_seed_changes_details_and_is_kept_with_the_codes(run: Run, files: dict[str, Path], tmp_path: Path):
    given = ("sample", files["plain"], "--seeds", "3,5")
    assert run(*given, "--noise-seed", "7", "--out", tmp_path / "a").code == 0
    latent, generator = ganvas.load_latent(tmp_path / "a" / "latent.safetensors"), ganvas.load(files["plain"])
    own = ganvas.sample(generator, [3, 5], truncation=0.7)
    torch.testing.assert_close(latent.codes, own.codes)
    assert latent.noise.keys() == generator.own_noise().keys()
    image = ganvas.read_image(tmp_path / "a" / "images" / "seed0005.png")
    assert (image - next(latent.images(generator))[1:].clamp(-1, 1)).abs().max() <= 0.5 / 127.5 + 1e-4
    assert (next(latent.images(generator)) - next(own.images(generator))).abs().max() > 0.01
    assert run(*given[:3], "5", "--noise-seed", "7", "--out", tmp_path / "b").code == 0
    assert (tmp_path / "b" / "images" / "seed0005.png").read_bytes() == (
        tmp_path / "a" / "images" / "seed0005.png"
    ).read_bytes()
    for model, more, words in (
        ("dcgan", ("--noise-seed", "7"), "no noise maps"),
        ("plain", ("--noise-seed", "-1"), "--noise-seed: -1 is not possible"),
    ):
        outcome = run("sample", files[model], "--seeds", "3", *more, "--out", tmp_path / "none")
        assert (outcome.code, words in outcome.err) == (2, True), outcome.err
    again = ("--latent", tmp_path / "a" / "latent.safetensors", "--noise-seed", "8", "--out", tmp_path / "none")
    assert "own noise maps" in run("sample", files["plain"], *again).err
