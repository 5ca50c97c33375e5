"""`--perceptual` and `--heads`: LPIPS in every comparison whose weights are given, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ganvas.checkpoints.own_format import save_generator
from ganvas.cli import compare
from ganvas.comparisons.drag.settings import of_size
from ganvas.generators.protocol import About
from tests.cli.conftest import Run
from tests.cli.numeric_options import cheap_calls
from tests.generators.small import small_stylegan2
from tests.metrics.lpips_weights import alex_files

COMPARISONS = ("compare directions", "compare drag", "compare inversion")
LINES = {"compare directions": "LPIPS-Alex outside", "compare drag": "LPIPS-Alex", "compare inversion": "LPIPS-Alex"}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMPARISONS)
def test_comparisons_measure_lpips_where_its_weights_are_given(
    run: Run, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compare, "of_size", lambda drags: replace(of_size(drags), steps=2))
    network, heads = alex_files(tmp_path / "weights")
    call = (*command.split(), *cheap_calls(tmp_path)[command], "--perceptual", network, "--heads")
    told = run(*call, heads, "--out", tmp_path / "out", "--json")
    assert told.code == 0, told.err
    written = [Path(path) for path in json.loads(told.out)["files"] if path.endswith(".md")]
    assert LINES[command] in written[0].read_text("utf-8")


@pytest.mark.parametrize("command", COMPARISONS)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(run: Run, tmp_path: Path, command: str):
    network, heads = alex_files(tmp_path / "weights")
    call = (*command.split(), *cheap_calls(tmp_path)[command], "--out", tmp_path / "out")
    wrong = {
        ("--heads", heads): "give its file with --perceptual",
        ("--perceptual", heads): "neither VGG-16 nor AlexNet",
        ("--perceptual", network, "--heads", network): "lack lin0.model.1.weight",
    }
    for options, message in wrong.items():
        told = run(*call, *options)
        assert (told.code, message in told.err, "Traceback" in told.err) == (2, True, False), told.err
    tiny = save_generator(tmp_path / "tiny.safetensors", small_stylegan2(16, channels=3), About("tiny", ""))
    told = run(*(tiny if part == call[2] else part for part in call), "--perceptual", network, "--heads", heads)
    assert (told.code, "16x16 pixels are too small for LPIPS-Alex" in told.err) == (2, True), told.err
    assert not (tmp_path / "out").exists()
