"""``ganvas parts``, and parts as regions of other commands."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.generators.protocol import about_of
from ganvas.images import pixels
from ganvas.regions.region import Region
from ganvas.reports.region_preview import box_text, region_preview
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def parts_file(run: Run, small_model: Path, tmp_path: Path) -> Path:
    options = ["--count", 4, "--samples", 6, "--name", "eyes=1+2", "--seeds", "0,1", "--out", tmp_path / "parts"]
    outcome = run("parts", small_model, *options, "--json")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["parts"] == 4
    assert facts["names"] == {"eyes": [1, 2]}
    assert sum(facts["shares"]) == pytest.approx(1, abs=1e-3)
    return tmp_path / "parts" / "parts.safetensors"


def test_parts_are_drawn_and_kept(parts_file: Path):
    assert pixels.read_image(parts_file.with_name("parts.png")).shape == (1, 3, 2 * 256 + 4, 2 * 256 + 2)
    assert ganvas.load_parts(parts_file).names == {"eyes": (1, 2)}


def test_a_generators_file_keeps_parts_with_their_names(run: Run, small_model: Path, parts_file: Path, tmp_path: Path):
    mine = tmp_path / "mine.safetensors"
    assert run("models", "convert", small_model, mine, "--parts", parts_file).code == 0
    generator, before = ganvas.load(mine), ganvas.load(small_model)
    assert about_of(generator).hash == about_of(before).hash, "parts are no weights"
    latent = ganvas.sample(generator, [3])
    kept = ganvas.part(generator, "part:eyes").mask_for(generator, latent)
    wanted = ganvas.part(generator, "part:1+2").mask_for(generator, latent)
    assert torch.equal(kept, wanted)
    again = tmp_path / "again.safetensors"
    assert run("models", "convert", mine, again).code == 0
    assert about_of(ganvas.load(again)).parts[0].names == {"eyes": (1, 2)}
    assert "eyes" in run("models", "info", mine).out


def test_named_parts_are_listed_and_drawn_on_the_image_itself(
    run: Run, small_model: Path, parts_file: Path, tmp_path: Path
):
    mine, out = tmp_path / "mine.safetensors", tmp_path / "region.png"
    most = ganvas.load_parts(parts_file).named({"most": [0, 1]}).save(tmp_path / "most.safetensors")
    run("models", "convert", small_model, mine, "--parts", most)
    generator = ganvas.load(mine)
    latent = ganvas.sample(generator, [5])
    boxes = {}
    for image in ("seed", "file"):
        given = ["--seed", 4] if image == "seed" else [latent.save(tmp_path / "five.safetensors")]
        outcome = run("region", mine, *given, "--out", out, "--overwrite", "--json")
        assert outcome.code == 0, outcome.err
        boxes[image] = json.loads(outcome.out)["regions"]["part:most"]
    area = Region.from_mask(ganvas.part(generator, "part:most").mask_for(generator, latent)[0])
    assert boxes["file"] == box_text(area) != boxes["seed"]
    drawn = pixels.read_image(out)
    assert not torch.equal(drawn, region_preview(next(latent.images(generator)), None)), "the part is outlined"
    outcome = run("region", mine, out, "--latent", out, "--out", tmp_path / "new.png")
    assert (outcome.code, "are two images; give one" in outcome.err) == (2, True)


def test_commands_take_parts_as_regions(run: Run, small_model: Path, parts_file: Path, tmp_path: Path):
    mine = tmp_path / "mine.safetensors"
    run("models", "convert", small_model, mine, "--parts", parts_file)
    common = ["--seeds", "0,1", "--resolution", 8, "--count", 1]
    outcome = run("directions", mine, "--region", "part:eyes", *common, "--out", tmp_path / "found")
    assert outcome.code == 0, outcome.err
    found = tmp_path / "found" / "directions.safetensors"
    inside = ["--inside", "click:0.5,0.5:0.2", "--rim", 0.05, "--strength", 1, "--frames", 0]
    outcome = run("edit", mine, found, "--seeds", 4, *inside, "--out", tmp_path / "edited")
    assert outcome.code == 0, outcome.err
    for text in ("part:eyes", "click:0.2,0.3", "part:1+2 & not:part:3"):
        outcome = run("region", mine, "--region", text, "--out", tmp_path / "region.png", "--overwrite")
        assert outcome.code == 0, outcome.err
    outcome = run("region", mine, "--region", "part:nose", "--out", tmp_path / "region.png", "--overwrite")
    assert outcome.code == 2
    assert "one of eyes, or a number" in outcome.err
    outcome = run("invert", mine, tmp_path / "edited" / "parts.png", "--region", "part:eyes")
    assert outcome.code == 2
    assert "before the photo is inverted" in outcome.err


def test_parts_are_learned_from_label_maps(run: Run, small_model: Path, tmp_path: Path):
    folder = tmp_path / "labels"
    folder.mkdir()
    for seed in (0, 1):
        labels = np.zeros((16, 16), np.uint8)
        labels[:8] = 1
        Image.fromarray(labels).save(folder / f"seed-{seed}.png")
    outcome = run(
        "parts", small_model, "--labels", folder, "--name", "upper=1", "--seeds", 0, "--out", tmp_path / "parts"
    )
    assert outcome.code == 0, outcome.err
    assert ganvas.load_parts(tmp_path / "parts" / "parts.safetensors").names == {"upper": (1,)}


def test_what_is_no_label_map_is_refused(run: Run, small_model: Path, tmp_path: Path):
    (tmp_path / "labels").mkdir()
    ask = ["parts", small_model, "--labels", tmp_path / "labels", "--out", tmp_path / "parts"]
    outcome = run(*ask)
    assert (outcome.code, "holds no label maps" in outcome.err) == (2, True)
    Image.new("L", (8, 8)).save(tmp_path / "labels" / "me.png")
    outcome = run(*ask)
    assert (outcome.code, "has no photo me.jpg" in outcome.err) == (2, True)


@pytest.mark.parametrize("name", ["eyes=9", "eyes=x", "7=1"])
def test_a_name_for_no_part_is_refused(run: Run, small_model: Path, parts_file: Path, tmp_path: Path, name: str):
    outcome = run("parts", small_model, "--of", parts_file, "--name", name, "--out", tmp_path / "other")
    assert outcome.code == 2
    assert "part" in outcome.err


@pytest.mark.slow
def test_a_part_is_borrowed_and_the_recipe_repeats_it(run: Run, small_model: Path, parts_file: Path, tmp_path: Path):
    mine = tmp_path / "mine.safetensors"
    run("models", "convert", small_model, mine, "--parts", parts_file)
    ask = ["borrow", mine, "--part", "eyes & box:0,0,0.6,0.6", "--to", "seed:1", "--from", "seed:5-8", "--rim", 0.05]
    outcome = run(*ask, "--out", tmp_path / "a.png")
    assert outcome.code == 2, "a name of the file stands alone, or as part:eyes"
    ask[3] = "part:eyes & box:0,0,0.6,0.6"
    outcome = run(*ask, "--out", tmp_path / "a.png")
    assert outcome.code == 0, outcome.err
    outcome = run(*ask, "--nearest", 3, "--out", tmp_path / "three")
    assert outcome.code == 0, outcome.err
    outcome = run("render", tmp_path / "three" / "borrow.recipe", "--model", mine, "--out", tmp_path / "again")
    assert outcome.code == 0, outcome.err
    ask[5] = "seed:1,2"
    outcome = run(*ask, "--out", tmp_path / "b.png")
    assert (outcome.code, "one by --to" in outcome.err) == (2, True)
