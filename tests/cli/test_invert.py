"""``ganvas invert``: what it writes, that other commands open it, and what becomes of bad photos."""

import csv
import json
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images import decoding, pixels
from ganvas.inversion.batch import BatchInversion
from ganvas.inversion.photos import unique_names
from ganvas.latents.files import load_latent
from ganvas.regions import Region
from tests.cli.conftest import Run, check_one_file
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan

SEARCH = ("--steps", "3", "--frames", "3", "--ood", "off")
SHORT = (*SEARCH, "--tune", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two photos, a file that is none, and generators."""
    folder = tmp_path_factory.mktemp("invert")
    for index, image in enumerate(torch.rand(2, 3, 40, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1):
        pixels.write_image(folder / f"{index}.png", image[None])
    (folder / "bad.png").write_text("no image")
    for name, generator in (("layers", small_stylegan2(16)), ("plain", small_dcgan(16))):
        save_generator(folder / f"{name}.safetensors", generator, About(name, "", {}))
    return folder


@pytest.mark.slow
def test_inversion_writes_latent_metrics_and_video(run: Run, folder: Path, tmp_path: Path):
    outcome = run(
        "invert", folder / "layers.safetensors", folder / "0.png", folder / "1.png", *SHORT, "--out", tmp_path
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert "Ganvas perceptual distance" in outcome.out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "latent.safetensors",
        "inverted.png",
        "numbers.csv",
        "numbers.json",
        "loss.png",
        "way.gif",
        "way.webp",
        "run.json",
        "images",
        "videos",
    }
    assert {path.name for path in (tmp_path / "images").glob("*.png")} == {
        f"{name}-{stage}.png" for name in "01" for stage in ("photo", "inverted")
    }
    with (tmp_path / "numbers.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["stage"], line["name"]) for line in lines] == [("inverted", "0"), ("inverted", "1")]
    saved = json.loads((tmp_path / "numbers.json").read_text())
    assert saved["settings"]["loss"] == "1 perceptual + 0.1 l1 + 1 l2"
    latent = load_latent(tmp_path / "latent.safetensors")
    assert (latent.space, latent.captions, latent.source) == (
        "w+",
        ("0", "1"),
        f"{folder / '0.png'}, {folder / '1.png'}",
    )
    assert latent.generator_hash


@pytest.mark.slow
@pytest.mark.float32
def test_tuned_latents_and_noise_are_edited_and_sampled(run: Run, folder: Path, tmp_path: Path):
    generator, more = folder / "layers.safetensors", ("--noise", "on", "--tune", "2", "--tune-rank", "1")
    outcome = run("invert", generator, folder / "0.png", *SEARCH, *more, "--out", tmp_path, "--json")
    assert outcome.code == 0
    summary = json.loads(outcome.out)
    assert [line["stage"] for line in summary["photos"]] == ["inverted", "tuned"]
    latent = load_latent(tmp_path / "latent.safetensors")
    assert latent.tuned
    assert latent.noise
    painted = next(latent.images(small_stylegan2(16)))
    found = ("directions", generator, "--region", "box:0.2,0.2,0.6,0.6", "--seeds", "0", "--count", "1")
    assert run(*found, "--strength", "-1,1", "--out", tmp_path / "found").code == 0
    options = ("--latent", tmp_path / "latent.safetensors", "--strength", "0,1", "--frames", "0")
    edited = run("edit", generator, tmp_path / "found" / "directions.safetensors", *options, "--out", tmp_path / "e")
    assert (edited.code, edited.err) == (0, "")
    again = load_latent(tmp_path / "e" / "latent.safetensors")
    assert len(again) == 2
    torch.testing.assert_close(next(again.images(small_stylegan2(16)))[:1], painted, atol=1e-4, rtol=1e-3)
    sampled = run("sample", generator, "--latent", tmp_path / "latent.safetensors", "--out", tmp_path / "s")
    assert sampled.code == 0


@pytest.mark.slow
def test_several_photos_are_tuned_each_in_a_file_of_its_own(run: Run, folder: Path, tmp_path: Path):
    given = (folder / "layers.safetensors", folder / "0.png", folder / "0.png")
    assert run("invert", *given, *SEARCH, "--tune", "1", "--out", tmp_path).code == 0
    assert not load_latent(tmp_path / "latent.safetensors").tuned
    for name in ("0", "0-2"):
        assert load_latent(tmp_path / f"tuned-{name}.safetensors").tuned


@pytest.mark.slow
def test_a_photo_called_like_a_result_overwrites_nothing(run: Run, folder: Path, tmp_path: Path):
    for place in ("", "other"):
        (tmp_path / place).mkdir(exist_ok=True)
    photos = [tmp_path / "latent.png", tmp_path / "a.png", tmp_path / "other" / "latent.png"]
    for photo in photos:
        photo.write_bytes((folder / "0.png").read_bytes())
    out = tmp_path / "out"
    assert run("invert", folder / "layers.safetensors", *photos, *SEARCH, "--tune", "1", "--out", out).code == 0
    latent = load_latent(out / "latent.safetensors")
    assert latent.captions == ("latent", "a", "latent-2")
    assert not latent.tuned
    assert [load_latent(out / f"tuned-{name}.safetensors").source for name in latent.captions] == [*map(str, photos)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a", "a-2"], ["a", "a-3", "a-2"]),
        (["a", "A", "a"], ["a", "A-2", "a-3"]),
        (["a-2", "a", "a", "a"], ["a-2", "a", "a-3", "a-4"]),
        (["b", "c"], ["b", "c"]),
    ],
)
def test_photos_of_one_name_get_different_names(names: list[str], expected: list[str]):
    assert unique_names(names) == expected


@pytest.mark.slow
def test_a_folder_stands_for_its_images(run: Run, folder: Path, tmp_path: Path):
    outcome = run("invert", folder / "layers.safetensors", folder, *SHORT, "--out", tmp_path / "out")
    assert (outcome.code, "1 of 3 photos cannot be used" in outcome.err) == (2, True)
    assert load_latent(tmp_path / "out" / "latent.safetensors").captions == ("0", "1")
    (tmp_path / "empty").mkdir()
    outcome = run("invert", folder / "layers.safetensors", tmp_path / "empty", *SHORT, "--out", tmp_path / "out")
    assert (outcome.code, "holds no image" in outcome.err) == (2, True)


@pytest.mark.slow
def test_each_photo_has_its_eyes(run: Run, folder: Path, tmp_path: Path):
    """Given once for each, the first has the code that it has alone with its own."""
    made = small_stylegan2(16)
    eyes = {"left_eye": Region.box(0.2, 0.3, 0.4, 0.5), "right_eye": Region.box(0.6, 0.3, 0.8, 0.5)}
    generator = save_generator(tmp_path / "eyes.safetensors", made, About("eyes", "", {}, eyes))
    first, second = ("--eyes", "0.3,0.4;0.6,0.4"), ("--eyes", "0.3,0.5;0.7,0.5")
    both = run(
        "invert", generator, folder / "0.png", folder / "1.png", *first, *second, *SHORT, "--out", tmp_path / "a"
    )
    assert both.code == 0, both.err
    alone = run("invert", generator, folder / "1.png", *second, *SHORT, "--out", tmp_path / "b")
    assert alone.code == 0, alone.err
    codes = [load_latent(tmp_path / name / "latent.safetensors").codes for name in "ab"]
    torch.testing.assert_close(codes[0][1], codes[1][0], atol=1e-3, rtol=1e-2)
    outcome = run("invert", generator, folder / "0.png", "--eyes", "0.3", *SHORT, "--out", tmp_path / "c")
    assert (outcome.code, "write the eyes" in outcome.err) == (2, True)
    for more, words in ((second, "2 times for 3 photos"), (("--crop", "0,0,1,0.9"), "leave the crop out")):
        given = [folder / "0.png"] * 3
        outcome = run("invert", generator, *given, *first, *more, *SHORT, "--out", tmp_path / "c")
        assert (outcome.code, words in outcome.err) == (2, True)


@pytest.mark.slow
def test_a_region_is_recorded_and_said(run: Run, folder: Path, tmp_path: Path):
    more = ("--region", "box:0,0,0.5,0.5", "--start", "random:2")
    outcome = run("invert", folder / "layers.safetensors", folder / "0.png", *SHORT, *more, "--out", tmp_path)
    assert "measured in the region box:0,0,0.5,0.5 alone" in outcome.out
    settings = json.loads((tmp_path / "numbers.json").read_text())["settings"]
    assert (settings["region"], settings["start"]) == ("box:0,0,0.5,0.5", "nearest of 2 random")


def test_one_photo_too_large_for_the_memory_does_not_end_the_others(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    levels, calls = decoding.levels, []

    def full(image, factor=1):
        calls.append(image)
        if len(calls) == 1:  # the first photo
            raise MemoryError
        return levels(image, factor)

    monkeypatch.setattr(decoding, "levels", full)
    outcome = run(
        "invert", folder / "layers.safetensors", folder / "0.png", folder / "1.png", *SHORT, "--out", tmp_path
    )
    assert (outcome.code, "too little memory" in outcome.err) == (2, True)
    assert load_latent(tmp_path / "latent.safetensors").captions == ("1",)


@pytest.mark.slow
def test_a_killed_command_loses_one_part_at_most(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ganvas.inversion.batch.PIXELS_PER_BATCH", 256)

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    monkeypatch.setattr("ganvas.cli.invert.write_inversion", killed)
    with pytest.raises(Killed):
        run("invert", folder / "layers.safetensors", folder / "0.png", folder / "1.png", *SHORT, "--out", tmp_path)
    assert load_latent(tmp_path / "latent.safetensors").captions == ("0", "1")


@pytest.mark.slow
def test_a_bad_photo_is_named_and_the_others_are_done(run: Run, folder: Path, tmp_path: Path):
    given = (folder / "layers.safetensors", folder / "bad.png", folder / "1.png", folder / "nowhere.png")
    outcome = run("invert", *given, *SHORT, "--out", tmp_path, "--json")
    assert outcome.code == 2
    assert "2 of 3 photos cannot be used; the others are done" in outcome.err
    assert "bad.png" in outcome.err
    assert "nowhere.png" in outcome.err
    assert json.loads(outcome.out)["unread"] == [str(folder / "bad.png"), str(folder / "nowhere.png")]
    assert load_latent(tmp_path / "latent.safetensors").captions == ("1",)


@pytest.mark.slow
def test_inversion_takes_other_starts_spaces_and_regions(run: Run, folder: Path, tmp_path: Path):
    layers, photo = folder / "layers.safetensors", folder / "0.png"
    assert run("invert", layers, photo, *SHORT, "--space", "w", "--out", tmp_path / "a").code == 0
    more = ("--start", tmp_path / "a" / "latent.safetensors", "--optimizer", "lbfgs", "--region", "box:0,0,0.5,0.5")
    assert run("invert", layers, photo, *SHORT, *more, "--out", tmp_path / "b").code == 0
    random = (
        "--start",
        "random:3",
        "--loss",
        "l2+prior",
        "--weights",
        "prior=0.5",
        "--frames",
        "0",
        "--crop",
        "0,0,1,0.8",
    )
    assert run("invert", folder / "plain.safetensors", photo, *SHORT[:2], *random, "--out", tmp_path / "c").code == 0
    assert load_latent(tmp_path / "c" / "latent.safetensors").space == "z"
    assert not (tmp_path / "c" / "way.gif").exists()


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_batches = BatchInversion.run

    def interrupted(work: BatchInversion, progress) -> bool:
        def stop(what: str, done: int, total: int) -> None:
            if done == 2:
                raise KeyboardInterrupt

        return run_batches(work, stop)

    monkeypatch.setattr(BatchInversion, "run", interrupted)
    outcome = run("invert", folder / "layers.safetensors", folder / "0.png", *SHORT, "--out", tmp_path)
    assert outcome.code == 130
    assert len(load_latent(tmp_path / "latent.safetensors")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("bad.png",), "Cannot read"),
        ((), "PHOTOS is missing"),
        (("0.png", "--loss", "vgg"), "no term 'vgg'"),
        (("0.png", "--start", "nowhere"), "nowhere"),
        (("0.png", "--start", "encoder"), "no encoder for 'layers'"),
        (("0.png", "--heads", "vgg.pth"), "give its file with --perceptual"),
        (("0.png", "--perceptual", "nowhere.pth"), "nowhere.pth"),
        (("0.png", "--steps", "0"), "0 is not possible; give 1 to"),
        (("0.png", "--frames", "1"), "no video"),
        (("0.png", "--tune", "-1"), "not possible"),
        (("0.png", "--eyes", "0.3,0.4;0.6,0.4"), "generator has eyes"),
        (("0.png", "--eyes", "0.3"), "write the eyes"),
        (("0.png", "--eyes", "auto"), "generator has eyes"),
        (("0.png", "--crop", "1,2"), "Write LEFT,TOP,RIGHT,BOTTOM"),
        (("0.png", "--label", "3"), "class"),
        (("0.png", "--tune", "0", "--tune-rate", "0.1"), "With --tune 0 nothing is tuned"),
    ],
)
def test_inversion_refuses_wrong_options(
    run: Run, folder: Path, tmp_path: Path, options: tuple[str, ...], message: str
):
    given = [folder / option if option.endswith(".png") else option for option in options]
    outcome = run("invert", folder / "layers.safetensors", *given, "--out", tmp_path)
    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.slow
def test_out_of_distribution_photos_are_reported(run: Run, folder: Path, tmp_path: Path):
    """And refused, unless they are insisted on; one of its own making is not, and the check can be left out."""
    generator = folder / "layers.safetensors"
    made = ganvas.load(generator)
    own = pixels.write_image(tmp_path / "own.png", made.synthesize(made.map(made.sample([1000])), "w+"))
    short = ("--steps", "3", "--frames", "3", "--tune", "0", "--json")
    outcome = run("invert", generator, folder / "0.png", own, *short, "--out", tmp_path / "refused")
    assert outcome.code == 2
    assert "'0' is out of distribution for this generator" in outcome.err
    assert len(load_latent(tmp_path / "refused" / "latent.safetensors")) == 1  # the other is done
    outcome = run("invert", generator, folder / "0.png", own, *short, "--as-is", "--out", tmp_path / "as-is")
    warnings = json.loads(outcome.out)["ood"]
    assert len(warnings) == 1
    assert warnings[0].startswith("'0' is out of distribution for this generator")
    outcome = run("invert", generator, folder / "0.png", *short, "--ood", "off", "--out", tmp_path / "off")
    assert json.loads(outcome.out)["ood"] == []


def test_one_photo_becomes_one_image_file(run: Run, folder: Path, tmp_path: Path):
    inputs = (folder / "layers.safetensors", folder / "0.png", folder / "1.png")
    check_one_file(run, "invert", *inputs, tmp_path / "x.png", SHORT)
