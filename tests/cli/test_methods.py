"""``ganvas directions --method``: the methods of other papers from the command line."""

from pathlib import Path

import pytest

import ganvas
from tests.cli.conftest import Run

QUICK = ("--region", "box:0.2,0.2,0.7,0.7", "--seeds", "0", "--count", "1", "--strength", "1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options", "space"),
    [
        ("lowrankgan", ("--ranks", "spectrum", "--resolution", "8"), "w"),
        ("stylespace", ("--resolution", "8", "--layers", "2"), "s"),
        ("lelsd", ("--optimize", "1"), "w"),
        ("panda", ("--part", "region"), "w"),
        ("sefa", (), "w"),
        ("localbasis", (), "w"),
        ("random", ("--space", "z"), "z"),
    ],
)
def test_method_finds_directions(
    run: Run, small_model: Path, tmp_path: Path, method: str, options: tuple[str, ...], space: str
):
    out = tmp_path / "out"
    outcome = run("directions", small_model, *QUICK, "--method", method, *options, "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    found = ganvas.load_directions(out / "directions.safetensors")
    assert (found.origin.method, found.space, len(found)) == (method, space, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "sefa", "--ridge", "0.1"), "ridge is no setting of sefa"),
        (("--score", "overlap"), "score is no setting of resefa"),
        (("--part", "learned"), "part is no setting of resefa"),
        (("--method", "sefa", "--compat", "official"), "compat is no setting of sefa"),
        (("--method", "stylespace", "--space", "w"), "StyleSpace finds directions of space s, not w"),
        (("--method", "magic"), "magic"),
    ],
)
def test_settings_of_another_method_are_refused(
    run: Run, small_model: Path, tmp_path: Path, options: tuple[str, ...], message: str
):
    outcome = run("directions", small_model, *QUICK, *options, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "out").exists()
