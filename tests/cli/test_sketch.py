"""``ganvas sketch``: what it writes and measures, its table, and what becomes of bad sketches."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.checkpoints.load import load
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images import pixels
from ganvas.inversion.sketch.batch import BatchSketch
from ganvas.latents.files import load_latent
from ganvas.latents.latent import sample
from ganvas.metrics import ood
from ganvas.training.gan.discriminator_files import realness_of
from tests.cli.conftest import Run, check_one_file
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan

SHORT = ("--steps", "2", "--nearest", "4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two sketches, an opaque photo, files that are none, real images, and generators."""
    folder = tmp_path_factory.mktemp("sketch")
    random = np.random.RandomState(0)
    for name in ("a", "b"):
        values = random.randint(0, 256, (20, 24, 4), dtype=np.uint8)
        values[:, 12:, 3] = 0
        Image.fromarray(values).save(folder / f"{name}.png")
    Image.fromarray(random.randint(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / "photo.jpg")
    Image.new("RGBA", (20, 20)).save(folder / "clear.png")
    (folder / "bad.png").write_text("no image")
    (folder / "real").mkdir()
    for index in range(20):
        image = Image.fromarray(random.randint(0, 256, (16, 16, 3), dtype=np.uint8))
        image.save(folder / "real" / f"{index}.png")
    for name, generator in (("layers", small_stylegan2(16)), ("plain", small_dcgan(16))):
        save_generator(folder / f"{name}.safetensors", generator, About(name, "", {}))
    return folder


@pytest.mark.slow
def test_sketch_writes_images_and_metrics(run: Run, folder: Path, tmp_path: Path):
    generator = folder / "layers.safetensors"
    given = (generator, folder / "a.png", folder / "photo.jpg", *SHORT, "--fidelity", "loose", "--out", tmp_path)
    outcome = run("sketch", *given, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    assert {path.name for path in tmp_path.iterdir()} == {
        "a-image.png",
        "photo-image.png",
        "sketches.png",
        "latent.safetensors",
        "sketch.recipe",
        "sketch.recipe.safetensors",
        "numbers.json",
        "run.json",
    }
    lines = summary["images"]
    assert [(line["sketch"], line["candidate"], line["fidelity"], line["delta_weight"]) for line in lines] == [
        (name, place, 0.25, 3.0) for name in ("a", "photo") for place in range(3)
    ]
    for line in lines:
        assert line["relative_distance"] == pytest.approx(line["distance"] / line["nearest"])
        parts = line["perceptual"] + 0.1 * line["l1"] + line["l2"]
        assert line["distance"] == pytest.approx(parts, rel=1e-5)
    saved = json.loads((tmp_path / "numbers.json").read_text())
    assert saved["images"] == lines
    assert saved["settings"]["random_images"] == 4
    latent = load_latent(tmp_path / "latent.safetensors")
    assert len(latent) == 6
    best = pixels.to_bytes(next(latent.images(small_stylegan2(16))))[0]
    written = pixels.to_bytes(pixels.read_image(tmp_path / "a-image.png"))[0]
    assert (best.int() - written.int()).abs().max() <= 1
    sheet = pixels.read_image(tmp_path / "sketches.png")
    assert sheet.shape[-1] == 5 * 128 + 4 * 4  # sketch, three candidates, the nearest
    assert run("sample", generator, "--latent", tmp_path / "latent.safetensors", "--out", tmp_path / "s").code == 0


@pytest.mark.slow
def test_the_table_of_weights_and_steps(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))  # what eight samples teach is for this test alone
    monkeypatch.setattr(ood, "SAMPLES", 8)
    monkeypatch.setattr(ood, "FITTED", 5)
    table = ("--grid", "--grid-steps", "1,3", "--candidates", "2", "--real", folder / "real", "--ood")
    given = (folder / "layers.safetensors", folder / "a.png", folder / "b.png", *SHORT, *table, "--out", tmp_path)
    outcome = run("sketch", *given, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    best = [line for line in summary["images"] if line["candidate"] == 0]
    cells = [(0.0, 1), (0.0, 3), (1.0, 1), (1.0, 3), (3.0, 1), (3.0, 3)]
    assert [(line["delta_weight"], line["steps"]) for line in best] == 2 * cells
    assert all(line["ood_score"] > 0 for line in summary["images"])
    kernels = summary["kernel_mmds"]
    assert [(one["delta_weight"], one["steps"]) for one in kernels] == cells
    assert all(one["images"] == 4 for one in kernels)
    assert (tmp_path / "a-weight-3-steps-3.png").exists()
    sheet = pixels.read_image(tmp_path / "sketches.png")
    assert sheet.shape[-2] == 28 + 2 * 128 + 4
    one = ("--nearest", "4", "--candidates", "2", "--weight", "3", "--steps", "3")
    again = run("sketch", *given[:3], *one, "--out", tmp_path / "again", "--json")
    alone = [line for line in json.loads(again.out)["images"] if line["candidate"] == 0]
    assert [line["distance"] for line in alone] == [best[5]["distance"], best[11]["distance"]]


def test_text_and_generators_with_z_only(run: Run, folder: Path, tmp_path: Path):
    given = (folder / "plain.safetensors", folder / "b.png", "--steps", "2", "--nearest", "0", "--candidates", "1")
    outcome = run("sketch", *given, "--optimizer", "lbfgs", "--loss", "l2+prior", "--out", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert "of the nearest" in outcome.out
    assert f"wrote {tmp_path / 'sketches.png'}" in outcome.out
    assert load_latent(tmp_path / "latent.safetensors").space == "z"
    line = json.loads((tmp_path / "numbers.json").read_text())["images"][0]
    assert (line["nearest"], line["relative_distance"], line["perceptual"]) == (None, None, None)


@pytest.mark.slow
def test_bad_sketches_are_named_and_the_others_are_done(run: Run, folder: Path, tmp_path: Path):
    names = ("bad.png", "a.png", "clear.png", "nowhere.png")
    outcome = run(
        "sketch", folder / "layers.safetensors", *(folder / name for name in names), *SHORT, "--out", tmp_path
    )
    assert outcome.code == 2
    assert "3 of 4 sketches cannot be used; the others are done" in outcome.err
    assert "transparent everywhere" in outcome.err
    assert (tmp_path / "a-image.png").exists()


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_all = BatchSketch.run

    def interrupted(work: BatchSketch, progress) -> bool:
        def stop(what: str, done: int, total: int) -> None:
            if what == "Sketching" and done == 3:
                raise KeyboardInterrupt

        return run_all(work, stop)

    monkeypatch.setattr(BatchSketch, "run", interrupted)
    given = (folder / "layers.safetensors", folder / "a.png", folder / "b.png", *SHORT, "--candidates", "2")
    outcome = run("sketch", *given, "--out", tmp_path)
    assert outcome.code == 130
    assert load_latent(tmp_path / "latent.safetensors").captions[0].startswith("a from ")
    assert {line["sketch"] for line in json.loads((tmp_path / "numbers.json").read_text())["images"]} == {"a", "b"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "SKETCHES is missing"),
        (("bad.png",), "Cannot read"),
        (("a.png", "--fidelity", "loud"), "fidelity of 'loud'"),
        (("a.png", "--fidelity", "0"), "fidelity of 0"),
        (("a.png", "--fidelity", "0.2", "--weight", "1"), "say the same thing"),
        (("a.png", "--weight", "-1"), "--weight: -1 is not possible"),
        (("a.png", "--candidates", "9"), "9 candidates start"),
        (("a.png", "--grid", "--grid-weights", "0;1"), "is not a number"),
        (("a.png", "--grid", "--grid-steps", "0"), "--grid-steps: 0 is not possible"),
        (("a.png", "--grid", "--grid-steps", "2.5"), "is not a whole number"),
        (("a.png", "--loss", "l2+delta"), "leave delta and noise out"),
        (("a.png", "--real", "nowhere"), "nowhere"),
        (("a.png", "--label", "2"), "no classes"),
    ],
)
def test_sketch_refuses_wrong_input(run: Run, folder: Path, tmp_path: Path, options: tuple[str, ...], message: str):
    given = [folder / part if part.endswith(".png") else part for part in options]
    outcome = run("sketch", folder / "layers.safetensors", *SHORT, *given, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err.replace("\n", " ")
    assert len(outcome.err.splitlines()) <= 3


@pytest.mark.slow
def test_one_sketch_becomes_one_image_file(run: Run, folder: Path, tmp_path: Path):
    inputs = (folder / "layers.safetensors", folder / "a.png", folder / "b.png")
    check_one_file(run, "sketch", *inputs, tmp_path / "x.png", SHORT)


@pytest.mark.slow
def test_paper_is_said(run: Run, folder: Path, tmp_path: Path):
    given = (folder / "layers.safetensors", folder / "photo.jpg", *SHORT)
    assert "counts everywhere" in run("sketch", *given, "--out", tmp_path / "a").out
    assert "counts everywhere" not in run("sketch", *given, "--paper", "none", "--out", tmp_path / "b").out
    outcome = run("sketch", *given, "--paper", "blurple", "--out", tmp_path / "c")
    assert (outcome.code, "is no paper" in outcome.err) == (2, True)


def test_realness_of_an_image_does_not_depend_on_the_others_of_its_batch():
    cats = load("cats")
    found = realness_of(cats, "cats")
    assert found is not None
    images = torch.cat([next(sample(cats, [4]).images(cats)), torch.zeros(1, 3, 128, 128)])
    with torch.no_grad():
        real, gray = found(images)
        torch.testing.assert_close(found(images.flip(0)), torch.stack([gray, real]))
    assert realness_of(small_stylegan2(16), "cats") is None
