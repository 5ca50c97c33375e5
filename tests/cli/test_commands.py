"""Every command does its job from the command line: its files exist, decode, and hold what was asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.cli import COMMANDS, demo, main
from ganvas.regions import Region
from ganvas.regions.named import CATS
from tests.cli.conftest import Run


def check_whole(paths: list[str]) -> None:
    """Open every file as what its name says."""
    for path in map(Path, paths):
        if path.suffix in (".png", ".gif", ".webp"):
            with Image.open(path) as image:
                image.load()
                assert min(image.size) >= 128
        elif path.suffix == ".html":
            assert path.read_text("utf-8").rstrip().endswith("</html>")
        elif path.name == "latent.safetensors":
            assert len(ganvas.load_latent(path)) > 0
        elif path.suffix == ".recipe":
            assert len(ganvas.load_recipe(path)) > 0
        else:
            assert len(ganvas.load_directions(path)) > 0


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_every_command(run: Run, command: str):
    outcome = run(command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert COMMANDS[command] in outcome.out.replace("\n", " ")


def test_version_is_printed(run: Run):
    assert run("--version").out.startswith("ganvas 0.")


def test_sample_writes_sheet_and_latent_of_its_seeds(run: Run, tmp_path: Path):
    outcome = run("sample", "faces", "--seeds", "1,4-6", "--out", tmp_path, "--json", "--truncation", "0.5")
    summary = json.loads(outcome.out)
    assert (outcome.code, outcome.err, summary["seeds"]) == (0, "", [1, 4, 5, 6])
    check_whole(summary["files"])
    latent = ganvas.load_latent(tmp_path / "latent.safetensors")
    faces = ganvas.load("faces")
    assert (latent.seeds, latent.truncation, latent.generator) == ((1, 4, 5, 6), 0.5, "faces")
    torch.testing.assert_close(latent.codes, faces.map(faces.sample([1, 4, 5, 6]), "w+", truncation=0.5))


def test_text_output_names_the_files(run: Run, tmp_path: Path):
    outcome = run("sample", "faces", "--seeds", "0", "--out", tmp_path)
    for name in ("sample.png", "latent.safetensors"):
        assert f"wrote {tmp_path / name}" in outcome.out
    assert "seconds" in outcome.out


def test_directions_are_saved_with_their_origin(found: Path):
    names = [f"directions.{kind}" for kind in ("html", "png", "safetensors")]
    check_whole([str(found / name) for name in names])
    assert sorted(path.name for path in found.iterdir()) == [*names, "run.json"]
    directions = ganvas.load_directions(found / "directions.safetensors")
    assert (len(directions), directions.layers, directions.space) == (2, (4, 5, 6), "w")
    assert (directions.origin.region_name, directions.origin.seeds) == ("mouth", (0,))
    assert "ganvas directions faces --region mouth" in (found / "directions.html").read_text()


@pytest.mark.slow
def test_same_command_same_directions(run: Run, found: Path, tmp_path: Path):
    options = ("--region", "mouth", "--seeds", "0", "--count", "2", "--resolution", "16", "--strength", "1")
    assert run("directions", "faces", *options, "--out", tmp_path).code == 0
    first, again = (ganvas.load_directions(folder / "directions.safetensors") for folder in (found, tmp_path))
    torch.testing.assert_close(first.vectors, again.vectors, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("space", ["z", "w+", "s"])
def test_directions_of_other_spaces_can_edit(run: Run, tmp_path: Path, space: str):
    layers = () if space == "z" else ("--layers", "4")
    options = ("--region", "box:0.3,0.6,0.7,0.8", "--seeds", "0", "--count", "1", "--resolution", "8")
    assert (
        run("directions", "faces", "--space", space, *layers, *options, "--strength", "2", "--out", tmp_path).code == 0
    )
    path = tmp_path / "directions.safetensors"
    outcome = run(
        "edit", "faces", path, "--seeds", "4", "--strength", "2", "--frames", "0", "--out", tmp_path / "edit", "--json"
    )
    change = json.loads(outcome.out)["changes"][0]
    assert change["inside"][0] > 0


@pytest.mark.slow
def test_a_matrix_free_search_says_so(run: Run, small_model: Path, tmp_path: Path):
    options = (
        "--region",
        "box:0.2,0.2,0.6,0.6",
        "--seeds",
        "0,1",
        "--count",
        "1",
        "--strength",
        "1",
        "--resolution",
        "8",
    )
    found = {}
    for solver in ("dense", "matrix-free"):
        outcome = run(
            "directions", small_model, "--space", "w+", "--solver", solver, *options, "--out", tmp_path / solver
        )
        assert outcome.code == 0, outcome.err
        found[solver] = ganvas.load_directions(tmp_path / solver / "directions.safetensors")
    assert "Matrix-free: about" in outcome.out
    assert "solver matrix-free (" in outcome.out
    assert "matrix-free (" in (tmp_path / "matrix-free" / "directions.html").read_text()
    assert "method resefa (matrix-free)" in repr(found["matrix-free"])
    assert found["dense"].origin.solver == "dense"
    cosine = (found["dense"].vectors * found["matrix-free"].vectors).sum()
    assert abs(float(cosine)) > 0.99


@pytest.mark.slow
def test_official_draws_as_published(run: Run, tmp_path: Path):
    options = ("--region", "mouth", "--seeds", "5", "--samples", "1", "--count", "1")
    outcome = run(
        "directions", "faces", "--compat", "official", *options, "--strength", "1", "--out", tmp_path, "--json"
    )
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["ridge"] == "none"
    origin = ganvas.load_directions(tmp_path / "directions.safetensors").origin
    assert (origin.truncation, origin.resolution) == (1.0, 128)
    assert "sample 1 of seed 5" in (tmp_path / "directions.html").read_text()


@pytest.mark.slow
def test_edit_writes_every_sample_at_every_strength(run: Run, found: Path, tmp_path: Path):
    options = ("--strength", "-4:4:3", "--seeds", "4,7", "--add", "1:2", "--frames", "3")
    outcome = run("edit", "faces", found / "directions.safetensors", *options, "--out", tmp_path, "--json")
    summary = json.loads(outcome.out)
    check_whole(summary["files"])
    assert {Path(path).suffix for path in summary["files"]} == {
        ".png",
        ".html",
        ".safetensors",
        ".recipe",
        ".gif",
        ".webp",
    }
    assert [change["sample"] for change in summary["changes"]] == ["seed 4", "seed 7"]
    assert all(change["inside"][1] > 0 for change in summary["changes"])  # at strength 0 what was added still shows
    with Image.open(tmp_path / "videos" / "seed0004.gif") as moving:
        assert moving.n_frames == 4  # there and back
    assert len(list((tmp_path / "images").glob("seed000[47]*.png"))) == 2 * 4
    latent = ganvas.load_latent(tmp_path / "latent.safetensors")
    assert latent.names[3:5] == ("seed 7 at −4", "seed 7 at 0")
    faces, directions = ganvas.load("faces"), ganvas.load_directions(found / "directions.safetensors")
    before = ganvas.sample(faces, [7], truncation=0.7)
    expected = ganvas.edit(faces, before, [directions[1], directions[0]], [2.0, -4.0])
    torch.testing.assert_close(latent.codes[3:4], expected.codes)


def test_edits_can_follow_each_other(run: Run, found: Path, tmp_path: Path):
    path = found / "directions.safetensors"
    common = ("--frames", "0", "--strength", "2")
    assert run("edit", "faces", path, "--seeds", "4-5", *common, "--out", tmp_path / "a").code == 0
    latent = tmp_path / "a" / "latent.safetensors"
    outcome = run("edit", "faces", path, "--latent", latent, "--samples", "1", *common, "--out", tmp_path / "b")
    assert outcome.code == 0
    twice = ganvas.load_latent(tmp_path / "b" / "latent.safetensors")
    once = ganvas.load_latent(latent)
    direction = ganvas.load_directions(path)[0]
    torch.testing.assert_close(twice.codes, ganvas.edit(ganvas.load("faces"), once[1], direction, 2.0).codes)


def test_array_of_directions_is_measured_in_a_given_region(run: Run, tmp_path: Path):
    np.save(tmp_path / "old.npy", np.random.RandomState(0).randn(2, 1, 256))
    options = ("--index", "1", "--layers", "3-5", "--strength", "2", "--seeds", "4", "--frames", "0")
    outcome = run("edit", "faces", tmp_path / "old.npy", *options, "--out", tmp_path, "--json")
    assert json.loads(outcome.out)["changes"][0]["outside"] is None
    outcome = run(
        "edit", "faces", tmp_path / "old.npy", *options, "--region", "eyes", "--out", tmp_path / "eyes", "--json"
    )
    assert json.loads(outcome.out)["changes"][0]["outside"][0] > 0


def test_models_are_listed_described_and_converted(run: Run, tmp_path: Path):
    assert "faces" in run("models", "list").out
    facts = json.loads(run("models", "info", "faces", "--json").out)
    assert (facts["resolution"], facts["layers"], facts["edit_layers"]) == (128, 12, "4-6")
    assert "resolution" in run("models", "info", "faces").out
    outcome = run("models", "convert", "faces", tmp_path / "copy.safetensors", "--half", "--json")
    assert json.loads(outcome.out)["bytes"] == (tmp_path / "copy.safetensors").stat().st_size
    assert json.loads(run("models", "info", tmp_path / "copy.safetensors", "--json").out)["resolution"] == 128


def test_conversion_names_regions_and_layers(run: Run, tmp_path: Path):
    """A set, a region drawn on top of it (by the set's names), facts; what is not given stays."""
    drawn = ["--region", "Upper Lip=mouth & box:0,0,1,0.8", "--region", "rest=not:eyes"]
    options = ["--name", "mine", "--regions", "cats", *drawn, "--layers", "4-6", "--fact", "license=CC0 = free"]
    assert run("models", "convert", "faces", tmp_path / "named.safetensors", *options).code == 0
    named = ganvas.load(tmp_path / "named.safetensors")
    assert (named.about.name, named.about.edit_layers, named.about.source["license"]) == ("mine", "4-6", "CC0 = free")
    assert set(named.about.regions) == {*CATS, "upper_lip", "rest"}
    expected = (CATS["mouth"] & Region.box(0, 0, 1, 0.8)).mask(32, 32)
    np.testing.assert_allclose(named.about.regions["upper_lip"].mask(32, 32), expected, atol=1e-6)
    assert run("models", "convert", tmp_path / "named.safetensors", tmp_path / "again.safetensors").code == 0
    assert ganvas.load(tmp_path / "again.safetensors").about.regions.keys() == named.about.regions.keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--regions", "dogs"], "no set of regions 'dogs'; there are faces, cats"),
        (["--region", "lips"], "write NAME=TEXT"),
        (["--region", "lips=circle:1"], "no region 'circle:1'"),
        (["--layers", "4-60"], "Layer 60 does not exist"),
        (["--fact", "=3"], "write NAME=TEXT"),
    ],
)
def test_conversion_refuses_unknown_regions_layers_and_facts(
    run: Run, tmp_path: Path, options: list[str], message: str
):
    outcome = run("models", "convert", "faces", tmp_path / "x.safetensors", *options)
    assert (outcome.code, list(tmp_path.iterdir())) == (2, [])
    assert message in outcome.err


@pytest.mark.slow
def test_demo_writes_pages_with_working_directions(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"REGIONS": ("eyes", "mouth"), "FOUND_AT": (0,), "SHOWN_AT": (8,), "COUNT": 1}.items():
        monkeypatch.setattr(demo, name, value)
    monkeypatch.setattr(demo, "STRENGTHS", (-4.5, 4.5))
    outcome = run("demo", "--out", tmp_path, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    check_whole(summary["files"])
    assert "held whole in float32" in summary["plan"]
    assert Path(summary["files"][-1]).name == "index.html"
    assert "eyes.html" in (tmp_path / "index.html").read_text()
    assert all(region["predicted_ratios"][0] > 5 for region in summary["regions"].values())


def test_interrupt_keeps_finished_files(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ganvas.images.saving.write_image", stop)
    older = tmp_path / "mine.txt"
    older.write_text("finished before")
    outcome = run("sample", "faces", "--seeds", "0", "--out", tmp_path)
    assert (outcome.code, outcome.out) == (130, "")
    assert "Stopped" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert older.read_text() == "finished before"


def test_main_returns_the_code_and_reads_the_process_arguments(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["ganvas", "nonsense"])
    assert main() == 2
