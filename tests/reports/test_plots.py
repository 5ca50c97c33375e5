"""Plots of a training run: the numbers they draw, the files they write, and their refusals."""

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.errors import ImageError
from ganvas.images.pixels import read_image
from ganvas.reports.plots import MetricPoint, curve, loss_plot, metric_plot, smoothed


def log(lines: int = 300) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    written: list[dict[str, Any]] = []
    for i in range(1, lines):
        chance = random.normal(size=4)
        line = {"images": i * 1000, "D": 0.7 + 0.3 * chance[0] / 4, "G": 2 - 300 / (i + 300) + chance[1] / 4}
        line |= {"D(x)": 0.75 + 0.05 * chance[2], "D(G(z))": 0.25 + 0.05 * chance[3], "rate": 30.0, "strength": i / 900}
        written.append(line | ({"R1": 0.1} if i % 16 == 0 else {}))
        if i == 200:
            written.append({"event": "joined", "images": i * 1000, "from": "weights-000200000.safetensors"})
    return written


def test_curve_takes_the_lines_that_have_its_name():
    seen, values = curve(log(40), "R1")
    assert seen.tolist() == [16000, 32000]
    assert values.tolist() == [0.1, 0.1]


def test_curve_of_a_part_trained_twice_takes_the_later_lines():
    lines = [{"images": n, "D": float(value)} for n, value in ((1, 10), (2, 20), (3, 30), (2, 21), (4, 41))]
    seen, values = curve(lines, "D")
    assert seen.tolist() == [1, 2, 4]
    assert values.tolist() == [10, 21, 41]


def test_curve_skips_values_that_are_not_finite_numbers():
    lines = [{"images": 1, "D": None}, {"images": 2, "D": float("nan")}, {"D": 1.0}, {"images": 4, "D": 2}]
    assert curve(lines, "D")[1].tolist() == [2]


@given(st.lists(st.floats(-100, 100), max_size=40), st.just(0.0) | st.floats(0.01, 10))
def test_smoothed_curve_stays_between_its_values_and_keeps_a_constant(values: list[float], std: float):
    result = smoothed(np.array(values), std)
    assert len(result) == len(values)
    if values:
        assert min(values) - 1e-9 <= result.min()
        assert result.max() <= max(values) + 1e-9
    np.testing.assert_allclose(smoothed(np.full(9, 3.5), std), 3.5)


def test_smoothing_keeps_a_straight_line_away_from_its_ends():
    line = np.arange(100.0)
    np.testing.assert_allclose(smoothed(line, 4.0)[12:-12], line[12:-12])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_same_numbers_give_the_same_file_byte_for_byte(tmp_path: Path, suffix: str):
    first, second = (loss_plot(log(), tmp_path / f"{i}{suffix}") for i in (1, 2))
    assert first.read_bytes() == second.read_bytes()
    points = [MetricPoint(1000, 3.0, 0.2), MetricPoint(2000, 2.0)]
    first, second = (metric_plot(points, tmp_path / f"{i}d{suffix}", references={"enlarged": 2.5}) for i in (1, 2))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_loss_plot_reads_the_log_of_a_folder(tmp_path: Path):
    text = "".join(json.dumps(line) + "\n" for line in log()) + '{"images": 300000, "D'
    (tmp_path / "log.jsonl").write_text(text, "utf-8")
    path = loss_plot(tmp_path, tmp_path / "folder.png")
    assert path.read_bytes() == loss_plot(log(), tmp_path / "lines.png").read_bytes()
    assert read_image(path).shape == (1, 3, 750, 1500)


def test_loss_plot_names_its_axes_curves_and_joins(tmp_path: Path):
    # matplotlib writes each text that it turns into outlines as a comment beside them.
    text = loss_plot(log(), tmp_path / "loss.svg").read_text("utf-8")
    for word in ("Losses", "images shown (thousands)", "generator", "D(G(z)), fake images", "augmentation strength"):
        assert f"<!-- {word} -->" in text
    assert text.count("<!-- from a weights-only snapshot -->") == 2
    assert "<!-- 100 -->" in text
    bare = loss_plot([{"images": 1000, "D": 1.0}, {"images": 2000, "D": 0.5}], tmp_path / "bare.svg")
    assert "weights" not in bare.read_text("utf-8")


def test_plot_without_numbers_suffix_or_matplotlib_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ImageError, match=r"no losses yet; train longer, or give the folder that holds log\.jsonl"):
        loss_plot([{"event": "joined", "images": 3}], tmp_path / "loss.png")
    with pytest.raises(ImageError, match="no losses yet"):
        loss_plot(tmp_path, tmp_path / "loss.png")
    with pytest.raises(ImageError, match="no values to plot"):
        metric_plot([], tmp_path / "metric.png")
    with pytest.raises(ImageError, match=r"loss\.pdf' cannot be written; give a name that ends in \.png or \.svg"):
        loss_plot(log(), tmp_path / "loss.pdf")
    ordinary = builtins.__import__

    def without_matplotlib(name: str, *others: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return ordinary(name, *others)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ImageError, match=r'pip install "ganvas\[plots\]"'):
        loss_plot(log(), tmp_path / "loss.png")
    assert list(tmp_path.iterdir()) == []
