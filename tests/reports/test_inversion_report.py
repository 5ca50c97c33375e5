"""What an inversion leaves beside its latent: sheets, videos, curves and tables."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.errors import ImageError
from ganvas.images.pixels import read_image
from ganvas.inversion.metrics import InversionMetrics
from ganvas.reports.inversion_report import pairs_sheet, video_steps, write_metrics
from ganvas.reports.plots import convergence_plot


def images(rows: int) -> torch.Tensor:
    return torch.rand(rows, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 4 - 2


def test_a_sheet_has_eight_photos_across():
    few, many = (
        pairs_sheet({"photo": images(n).split(1), "inverted": images(n).split(1)}, [f"photo {i}" for i in range(n)])
        for n in (2, 11)
    )
    assert few.shape[2] * 2 == many.shape[2]
    assert few.shape[3] < many.shape[3]


@pytest.mark.parametrize(("steps", "frames"), [(300, 40), (5, 40), (1, 2), (0, 5)])
def test_moments_begin_and_end_with_the_run(steps: int, frames: int):
    kept = video_steps(steps, frames)
    assert {0, steps} <= kept <= set(range(steps + 1))
    assert len(kept) <= frames


def test_numbers_in_both_files(tmp_path: Path):
    metrics = [("inverted", InversionMetrics("zoë, 1", 20.5, float("nan"), 0.25, 0.9, 300, 1.5))]
    write_metrics(tmp_path, metrics, {"space": "w+"})
    with (tmp_path / "numbers.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["name"], line["psnr"]) == ("zoë, 1", "20.5")
    saved = json.loads((tmp_path / "numbers.json").read_text("utf-8"))
    assert saved["photos"][0]["perceptual"] is None
    assert saved["settings"] == {"space": "w+"}


@pytest.mark.parametrize("curves", [2, 12])
def test_curves(tmp_path: Path, curves: int):
    drawn = {f"photo {i}": np.geomspace(1, 0.01 * (i + 1), 30) for i in range(curves)}
    paths = [convergence_plot(drawn, tmp_path / name) for name in ("a.png", "b.png")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert read_image(paths[0]).std() > 0.1


def test_no_curve(tmp_path: Path):
    with pytest.raises(ImageError, match="no loss to draw"):
        convergence_plot({"a": np.array([])}, tmp_path / "a.png")
