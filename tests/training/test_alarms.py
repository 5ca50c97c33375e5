"""Alarms: said once, again only after they have passed; what counts as a number."""

import itertools

import pytest
import torch

from ganvas.training.alarms import Watch, first_broken, spread

CERTAIN = {"D(x)": 0.999, "D(G(z))": 0.001}
UNSURE = {"D(x)": 0.7, "D(G(z))": 0.3}


def test_spread_is_the_distance_of_pairs():
    images = torch.randn(5, 3, 4, 4, dtype=torch.float64).float()
    pairs = [(a - b).square().mean() for a, b in itertools.combinations(images, 2)]
    assert spread(images) == pytest.approx(float(torch.stack(pairs).mean().sqrt()), rel=1e-5)
    assert spread(images[:1].expand(4, -1, -1, -1)) == 0


def test_certain_discriminator_is_told_once_until_it_passes():
    watch = Watch(1.0)
    told = [bool(watch.line(CERTAIN)) for _ in range(9)]
    assert told == [False] * 4 + [True] + [False] * 4
    assert watch.line(UNSURE) == ""
    assert sum(bool(watch.line(CERTAIN)) for _ in range(9)) == 1


def test_one_unsure_line_among_certain_ones_is_no_alarm():
    watch = Watch(1.0)
    lines = [CERTAIN, CERTAIN, CERTAIN, UNSURE] * 4
    assert not any(watch.line(line) for line in lines)


def varied(by: float) -> torch.Tensor:
    return by * torch.randn(16, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_collapse_is_told_once_until_it_passes():
    watch = Watch(spread(varied(1.0)))
    told = [bool(watch.images(varied(by), 1000)) for by in (0.9, 0.1, 0.1, 0.8, 0.1)]
    assert told == [False, True, False, False, True]
    assert "10%" in Watch(spread(varied(1.0)), widest=1.0).images(varied(0.1), 0)


def test_gray_images_at_the_start_are_no_collapse():
    watch = Watch(spread(varied(1.0)))
    assert watch.images(varied(0.1), 5_000) == ""
    assert watch.images(varied(0.1), 25_000) != ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_first_broken_names_what_is_no_number(value: float):
    fine = torch.ones(3)
    assert first_broken({"a": fine, "b": torch.tensor([1.0, value]), "c": torch.tensor(value)}) == "b"
    assert first_broken({"a": fine, "n": torch.tensor(3)}) == ""
