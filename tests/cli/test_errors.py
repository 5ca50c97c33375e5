"""Wrong input ends in one or two lines that say what to do, exit code 2, no traceback and no file."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from tests.cli.conftest import Run

FIND = ("directions", "faces", "--region", "mouth", "--resolution", "8")


def check(outcome, *words: str) -> None:
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) <= 2
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["smaple"], "Did you mean 'sample'"),
        (["--nonsense"], "Commands: studio, demo"),
        (["models", "lsit"], 'Did you mean "list"'),
        (["demo", "--outt", "x"], "Did you mean --out"),
        (["directions", "faces"], "--region"),
        (["directions", "faces", "--region"], "--region requires an argument"),
        (["align", "me.jpg"], "--for MODEL is missing."),
        (["sample"], "MODEL is missing"),
        (["sample", "faces", "extra"], "extra"),
        (["sample", "nowhere"], "bundled names: faces"),
        (["sample", ""], "source must be a path"),
        (["sample", "faces", "--seeds", "-1"], "'-1' does not name seeds"),
        (["sample", "faces", "--seeds", "7-4"], "runs backwards"),
        (["sample", "faces", "--seeds", "4294967296"], "not allowed"),
        (["sample", "faces", "--seeds", "0-99999999999"], "at most"),
        (["sample", "faces", "--seeds", "0-1", "--seeds", "4"], "--seeds was given 2 times: '0-1', '4'"),
        (["sample", "faces", "--samples", "0", "--samples", "1"], "--samples was given 2 times"),
        (["compare", "directions", "faces", "--region", "mouth", "--level", "0.1", "--level", "0.2"], "Give it once"),
        (["compare", "drag", "faces", "--methods", "draggan", "--methods", "freedrag"], "--methods was given 2 times"),
        (["sample", "faces", "--truncation", "nan"], "nan is not possible; give -10 to 10"),
        (["sample", "faces", "--truncation", "much"], "much"),
        (["sample", "faces", "--truncation-layers", "13"], "has 12"),
        (["sample", "faces", "--label", "1"], "no classes"),
        (["sample", "faces", "--samples", "1"], "--latent FILE"),
        (["sample", "faces", "--columns", "0"], "give 1 to"),
        (["sample", "faces", "--rotate", "15"], "are for StyleGAN3"),
        (["sample", "faces", "--device", "quantum"], "give cpu"),
        (["sample", "faces", "--latent", "nowhere"], "no file 'nowhere'"),
        (["sample", "faces", "--out", "four.txt"], "'four.txt' ends in '.txt'; --out is a folder, or one file"),
        (["interpolate", "faces", "me.jpg", "seed:4", "--out", "walk.mov"], "ends in .gif, .webp, .mp4"),
        (["edit", "faces", "nowhere", "--out", "walk.mp3"], "ends in .png, .jpg, .jpeg, .webp"),
        (["edit", "faces", "nowhere", "--out", "walk.gif"], "ends in .png, .jpg, .jpeg, .webp"),
        (["edit", "faces", "nowhere"], "no file 'nowhere'"),
        (["models", "info", "nowhere"], "bundled names"),
        (["models", "convert", "faces", "/proc/none/x.safetensors"], "cannot be written"),
    ],
)
def test_wrong_arguments_are_refused_in_two_lines(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], word: str
):
    monkeypatch.chdir(tmp_path)
    check(run(*arguments), word)
    assert list(tmp_path.iterdir()) == []


def test_what_holds_images_or_nothing_instead_of_a_generator_is_named(run: Run, tmp_path: Path):
    check(run("sample", tmp_path, "--out", tmp_path / "a"), "it is a folder", "ganvas train")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "images.zip", "w", method) as archive:
            archive.writestr("00000/000000.jpg", b"0" * 1000)
        check(run("sample", tmp_path / "images.zip"), "holds 1 images, such as 00000/000000.jpg", "ganvas train")
    torch.save({}, tmp_path / "empty.pt")
    check(run("models", "info", tmp_path / "empty.pt"), "an empty dict was saved in it")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--region", "mouht"], "did you mean 'mouth'"),
        (["--region", "box:0,0,1,1"], "whole image"),
        (["--region", "box:1,2"], "instead of 4"),
        (["--region", "brows+mouth & eyes"], "The regions of 'mouth & eyes' do not overlap"),
        (["--region", "mask:nowhere.png"], "nowhere.png"),
        (["--region", ""], "empty"),
        (["--layers", "99"], "has layers 0-11"),
        (["--layers", "x"], "does not name layers"),
        (["--space", "z", "--layers", "1"], "no layers"),
        (["--space", "y"], "--space"),
        (["--count", "0"], "give 1 to"),
        (["--ridge", "-1"], "not possible"),
        (["--ridge", "nan"], "not possible"),
        (["--ridge-of", "mean"], "give --ridge too"),
        (["--rank", "0"], "--rank: 0 is not possible"),
        (["--ignore-band", "2"], "--ignore-band: 2 is not possible"),
        (["--resolution", "200"], "128 pixels"),
        (["--budget", "0"], "budget"),
        (["--budget", "1e-9"], "give at least"),
        (["--method", "magic"], "resefa"),
        (["--strength", "1:2"], "not a strength"),
        (["--compat", "official", "--truncation", "0.5"], "leave --truncation out"),
        (["--compat", "official", "--seeds", "0-3"], "from one seed"),
    ],
)
def test_directions_refuse_wrong_settings(run: Run, tmp_path: Path, arguments: list[str], word: str):
    given = dict(zip(FIND[2::2], FIND[3::2], strict=True)) | dict(zip(arguments[::2], arguments[1::2], strict=True))
    if "--compat" in arguments:  # which has its own resolution
        given = {name: value for name, value in given.items() if name != "--resolution" or name in arguments}
    options = [part for pair in given.items() for part in pair]
    check(run("directions", "faces", *options, "--out", tmp_path), word)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--index", "2"], "has directions 0-1"),
        (["--index", "-1"], "give 0 to"),
        (["--strength", "much"], "not a strength"),
        (["--strength", "1:2:1"], "from 2 to 101"),
        (["--add", "1"], "INDEX:STRENGTH"),
        (["--add", ""], "INDEX:STRENGTH"),
        (["--add", "7:1"], "has directions 0-1"),
        (["--add", "nowhere:0:1"], "no file 'nowhere'"),
        (["--add", "0:1,2"], "2 strengths"),
        (["--layers", "12"], "has layers 0-11"),
        (["--region", "box:0,0,1,1"], "whole image"),
        (["--frames", "1"], "2 to 200"),
    ],
)
def test_edit_refuses_wrong_options(run: Run, found: Path, tmp_path: Path, arguments: list[str], word: str):
    outcome = run("edit", "faces", found / "directions.safetensors", "--seeds", "4", *arguments, "--out", tmp_path)
    check(outcome, word)
    assert list(tmp_path.iterdir()) == []


def test_unreadable_files_are_named(run: Run, found: Path, tmp_path: Path):
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"\x00junk" * 10)
    directions = found / "directions.safetensors"
    check(run("sample", junk), "junk.safetensors")
    check(run("edit", "faces", junk), "junk.safetensors")
    check(run("edit", "faces", directions, "--latent", junk), "junk.safetensors")
    check(run("edit", "faces", directions, "--latent", directions), "holds directions, not latent")
    check(run("sample", directions), "holds directions, not generator")
    check(run("directions", "faces", "--region", f"mask:{junk}"), "junk.safetensors")


def test_impossible_folder_is_refused_before_the_work(run: Run, found: Path):
    outcome = run("sample", "faces", "--out", found / "directions.png" / "below")
    check(outcome, "cannot be made", "--out")


def test_latent_of_another_generator_is_refused_or_warned_of(run: Run, found: Path, tmp_path: Path):
    latent = ganvas.sample(ganvas.load("faces"), [4], truncation=0.7)
    directions = found / "directions.safetensors"
    other_shape = replace(latent, codes=torch.zeros(1, 12, 64)).save(tmp_path / "shape.safetensors")
    check(run("edit", "faces", directions, "--latent", other_shape), "generator of another shape")
    other_hash = replace(latent, generator="dogs", generator_hash="f" * 64).save(tmp_path / "hash.safetensors")
    outcome = run("sample", "faces", "--latent", other_hash, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert outcome.err.startswith("Warning: This latent was made by another generator (dogs")
    assert len(outcome.err.splitlines()) == 1


def test_latent_file_excludes_options_that_it_decides(run: Run, tmp_path: Path):
    latent = ganvas.sample(ganvas.load("faces"), [4]).save(tmp_path / "latent.safetensors")
    for option, value in (("--seeds", "4"), ("--truncation", "0.5"), ("--label", "1")):
        check(run("sample", "faces", "--latent", latent, option, value), f"leave {option} out")
    check(run("sample", "faces", "--latent", latent, "--samples", "1"), "samples 0-0")
    check(run("sample", "faces", "--latent", latent, "--samples", "x"), "does not name samples")


def test_debug_shows_the_traceback(run: Run):
    outcome = run("sample", "nowhere", "--debug")
    assert outcome.code == 2
    assert "Traceback" in outcome.err


def test_internal_errors_are_reported_as_such(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("surprise\nmore")

    monkeypatch.setattr("ganvas.reports.samples_report.captioned_sheet", fail)
    outcome = run("sample", "faces", "--seeds", "0", "--out", tmp_path)
    assert (outcome.code, len(outcome.err.splitlines())) == (1, 2)
    assert "ZeroDivisionError: surprise" in outcome.err
