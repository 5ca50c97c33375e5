"""The plot of a path's timings."""

import numpy as np
import pytest

from ganvas.edits.retime import Timing
from ganvas.errors import ImageError
from ganvas.images.pixels import read_image
from ganvas.reports.path_plot import path_plot

SHARES = np.linspace(0, 1, 9)
TIMING = Timing(SHARES, np.linspace(1, 2, 8), np.linspace(0.5, 1, 9), SHARES, np.ones(8))


def test_two_timings_are_drawn_and_always_the_same(tmp_path):
    paths = [path_plot({"before": TIMING, "after": TIMING}, tmp_path / name) for name in ("a.png", "b.png")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert read_image(paths[0]).std() > 0.1


def test_none_and_three_are_refused(tmp_path):
    for names in ("", "abc"):
        with pytest.raises(ImageError, match="one or two"):
            path_plot(dict.fromkeys(names, TIMING), tmp_path / "steps.png")
